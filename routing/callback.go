package routing

import (
	"time"
)

// callback promises the caller a call.
type callback struct {
	Queue     string `json:"queue"`
	DialFirst string `json:"dial_first"`
	KeepPlace bool   `json:"keep_place"`
	Tries     int    `json:"tries"`
	RetryS    secs   `json:"retry_s"`
	ExpiresS  secs   `json:"expires_s"`
	Calendar  string `json:"calendar"`

	calendar *calendar // nil: at any time
}

func callbackType() kind {
	return kind{NodeType{
		Type: "callback", Doc: "Promises the caller a call: in their turn in the queue, or by the owner of their record. A caller whose number is withheld cannot be called back.",
		Cfg: object(fields{
			"queue":      name(QueueName, "whose agents call back; nothing: that in which the caller waited, or else the record's owner"),
			"dial_first": choice("whose phone rings first", "rep", "caller"),
			"keep_place": flag("the place in line is kept", true),
			"tries":      count("how often it is tried", 2, 1, 10),
			"retry_s":    seconds("between tries", 300, 10, 86400),
			"expires_s":  seconds("given up so long after it was promised", 86400, 60, 604800),
			"calendar":   name(CalendarName, "nobody is called back outside its hours; nothing: at any time"),
		}),
		Outcomes: []string{"scheduled", "declined"}, Waits: true,
	}, as[callback]}
}

func (c *callback) prepare(f *Flow) { c.calendar = f.calendars[c.Calendar] }

func (c *callback) calendarName() string { return c.Calendar }

func (c *callback) onCalendar(on *calendar) any {
	linked := *c
	linked.calendar = on
	return &linked
}

func (c *callback) ask(_ *walk, n *node) Command {
	return Callback{
		Node: n.id, Queue: c.Queue, DialFirst: c.DialFirst, KeepPlace: c.KeepPlace, Tries: c.Tries,
		Retry: c.RetryS.duration(), Lasts: c.ExpiresS.duration(),
	}
}

func (c *callback) told(_ *walk, _ *node, e Event) turn {
	t := turn{outcome: e.Outcome, reason: show(e.Vars["why"])}
	if due := show(e.Vars["due_at"]); due != "" {
		t.reason = "due " + due
	}
	return t
}

// MayCallBack is the first moment from t on at which the calendar of a callback
// node lets somebody be called; t itself if it has none. A calendar that does not
// open within two weeks never does: false.
func MayCallBack(f *Flow, node string, t time.Time) (time.Time, bool) {
	n := f.nodes[node]
	if n == nil {
		return t, true
	}
	c, ok := n.do.(*callback)
	if !ok || c.calendar == nil {
		return t, true
	}
	return c.calendar.opens(t)
}

// opens is the first moment from t on at which it is open.
func (c *calendar) opens(t time.Time) (time.Time, bool) {
	const limit = 14 * 24 * time.Hour
	if c.is(t).outcome == "open" {
		return t, true
	}
	for at := range c.turns(t, t.Add(limit)) {
		if c.is(at).outcome == "open" {
			return at, true
		}
	}
	return t, false
}

// CalledBack is the flow of a caller who was called back before the rep: they
// wait in the queue, or hear the agent's phone ring.
func CalledBack(queue, agent string) *Flow {
	type m = map[string]any
	bye := m{"type": "hangup"}
	nodes := m{"bye": bye}
	entry := "dial"
	if queue != "" {
		entry = "queue"
		nodes["queue"] = m{"type": "queue", "cfg": m{"queue": queue, "max_wait_s": 600}, "on": m{"default": "bye"}}
	} else {
		nodes["dial"] = m{"type": "dial", "cfg": m{"targets": []string{"agent:" + agent}}, "on": m{"default": "bye"}}
	}
	f, err := internal("called-back", entry, nodes)
	if err != nil { // only a name that is no text of reasonable length
		return &Flow{name: "called-back", broken: Findings{{Severity: Error, Message: err.Error()}}}
	}
	return f
}

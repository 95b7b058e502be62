package routing

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// The nodes that bring people to the phone: dial and queue.

type dial struct {
	Targets    []string `json:"targets"`
	Strategy   string   `json:"strategy"`
	RingS      secs     `json:"ring_s"`
	Whisper    string   `json:"whisper"`
	Record     bool     `json:"record"`
	PresentCID string   `json:"present_cid"`
	StickyD    float64  `json:"sticky_d"`
}

func dialType() kind {
	return kind{NodeType{
		Type: "dial", Doc: "Rings people and connects the first who answers.",
		Cfg: object(fields{
			"targets":     listOf(name(DialTarget, "owner, sticky (the agent who talked with this caller last), agent:<name>, team:<name>, skill:<name> or number:<+34…>")),
			"strategy":    choice("all at once; whoever has been idle longest, then the next who is idle, until ring_s is over; or one after another as they are named, each for ring_s", "ring_all", "longest_idle", "ordered"),
			"ring_s":      seconds("how long it rings", 20, 1, 300),
			"whisper":     name(Template, "what whoever answers is told before they are connected; shown on their phone where nothing speaks"),
			"record":      flag("record the conversation", false),
			"sticky_d":    amount("number", "how many days ago sticky may have been", defaultStickyD, 1, 3650),
			"present_cid": name(PhoneNumber, "shown to a number outside instead of the caller's"),
		}, "targets"),
		Outcomes: []string{"answered", "no_answer", "busy", "unavailable", "rejected", "failed"}, Waits: true,
	}, as[dial]}
}

func (d *dial) ask(w *walk, n *node) Command { return d.command(w, n) }

func (d *dial) command(w *walk, n *node) Dial {
	return Dial{
		Node: n.id, Targets: append([]string(nil), d.Targets...), Strategy: d.Strategy, Ring: d.RingS.duration(),
		Whisper: w.text(d.Whisper), Record: d.Record, PresentCID: d.PresentCID,
		Sticky: d.sticky(), Talked: "answered",
	}
}

// defaultStickyD is how many days an agent is remembered.
const defaultStickyD = 60

// sticky is how long ago, if that is asked for.
func (d *dial) sticky() time.Duration {
	if !slices.Contains(d.Targets, "sticky") {
		return 0
	}
	return time.Duration(d.StickyD * 24 * float64(time.Hour))
}

func (d *dial) told(_ *walk, _ *node, e Event) turn { return turn{outcome: e.Outcome} }

func (d *dial) lint(_ *node, at place, out *faults) {
	if len(d.Targets) == 0 {
		out.err(at.in("targets"), "there is nobody to ring")
	}
}

func (d *dial) untilHuman() (time.Duration, bool) { return 0, true }

// DefaultPriority is that of a call whose queue node says nothing, or whose
// expression comes to nothing.
const DefaultPriority = 50

type queue struct {
	Queue    string            `json:"queue"`
	Priority string            `json:"priority"`
	MaxWaitS secs              `json:"max_wait_s"`
	ExitKeys map[string]string `json:"exit_keys"`
	Skills   []string          `json:"skills"`
	Widen    []struct {
		AfterS secs      `json:"after_s"`
		Tier   *int      `json:"tier"`
		Skills *[]string `json:"skills"`
	} `json:"widen"`
	Callback *struct {
		spoken
		AfterS secs   `json:"after_s"`
		Key    string `json:"key"`
	} `json:"callback"`

	priority *expression
}

func queueType() kind {
	return kind{NodeType{
		Type: "queue", Doc: "Puts the call in line until somebody answers it.",
		Cfg: object(fields{
			"queue":      name(QueueName, ""),
			"priority":   name(Numeric, "higher first; a number or an expression, 50 if it comes to nothing"),
			"max_wait_s": seconds("the longest wait", 300, 1, 9999),
			"callback": object(spokenFields(fields{
				"after_s": seconds("so long after joining, once", 60, 0, 9999),
				"key":     {Type: "string", Description: "the key that asks for it, from then on", Default: "1", MaxLength: 1},
			})),
			"skills": listOf(text("that an agent must have to be offered the call, until it is widened")),
			"widen": listOf(object(fields{
				"after_s": seconds("of waiting", nil, 1, 9999),
				"tier":    count("agents of this tier may be offered the call too; until the first of these, only those of the tiers before", nil, 1, 99),
				"skills":  listOf(text("what is still asked for; an empty list: nothing")),
			}, "after_s")),
			"exit_keys": mapOf(`^[0-9*#A-D]$`, text("outcome of pressing the key; callback stands for callback_requested")),
		}, "queue"),
		Outcomes: []string{"answered", "timeout", "full", "no_agents", "exit_key", "callback_requested"}, Waits: true,
	}, as[queue]}
}

func (q *queue) prepare(*Flow) {
	if q.Priority != "" {
		q.priority, _ = compileNumeric(q.Priority) // reported by Lint
	}
	for key, outcome := range q.ExitKeys {
		if outcome == "callback" {
			q.ExitKeys[key] = "callback_requested"
		}
	}
}

func (q *queue) ask(w *walk, n *node) Command {
	exits := make(map[string]string, len(q.ExitKeys))
	maps.Copy(exits, q.ExitKeys)
	c := Queue{Node: n.id, Queue: q.Queue, Priority: q.urgency(w), MaxWait: q.MaxWaitS.duration(), ExitKeys: exits}
	c.Reach = q.reach()
	if o := q.Callback; o != nil {
		c.Callback = &CallbackOffer{After: o.AfterS.duration(), Key: o.Key, Prompt: o.Prompt, Say: o.said(w), Lang: o.Lang}
	}
	return c
}

// urgency is the call's priority, and notes what it was made of.
func (q *queue) urgency(w *walk) int {
	if q.priority == nil {
		return DefaultPriority
	}
	if len(q.priority.paths) > 0 {
		w.noted = inputs(w.seeing(q.priority.roots), q.priority.paths)
	}
	p, err := q.priority.whole(w.seeing(q.priority.roots))
	if err != nil {
		w.noted = joined(w.noted, map[string]any{"priority_missing": cmp.Or(missing(w.see(), q.priority.paths), err.Error())})
		return DefaultPriority
	}
	return p
}

func (q *queue) told(_ *walk, _ *node, e Event) turn {
	t := turn{outcome: e.Outcome}
	if e.Outcome == "exit_key" {
		key := show(e.Vars["key"])
		t.reason, t.inputs = "key "+key, map[string]any{"key": key}
		if outcome, ok := q.ExitKeys[key]; ok {
			t.outcome, t.rule = outcome, "exit_keys."+key
		}
	}
	return t
}

func (q *queue) outcomes() []string {
	var out []string
	for _, key := range keys(q.ExitKeys) {
		out = append(out, q.ExitKeys[key])
	}
	return out
}

// reach is who may be offered the call, from the beginning on. What a line of
// widen does not speak of stays as it was.
func (q *queue) reach() []Reach {
	if len(q.Skills) == 0 && len(q.Widen) == 0 {
		return nil
	}
	now := Reach{Tier: -1, Skills: q.Skills}
	for _, w := range q.Widen {
		if w.Tier != nil && (now.Tier < 0 || *w.Tier-1 < now.Tier) {
			now.Tier = *w.Tier - 1
		}
	}
	all := []Reach{now}
	for _, w := range q.Widen {
		now.After = w.AfterS.duration()
		if w.Tier != nil {
			now.Tier = *w.Tier
		}
		if w.Skills != nil {
			now.Skills = *w.Skills
		}
		all = append(all, now)
	}
	return all
}

// widens finds what would not let more and more agents in.
func (q *queue) widens(at place, out *faults) {
	after, was := secs(0), pool{skills: q.Skills}
	for i, w := range q.Widen {
		here := at.in("widen").item(i)
		if w.AfterS <= after && i > 0 {
			out.err(here.in("after_s"), "%v s does not come after %v s", w.AfterS, after)
		}
		after = w.AfterS
		was = was.widens(here, w.Tier, w.Skills, out)
	}
}

func (q *queue) lint(_ *node, at place, out *faults) {
	q.widens(at, out)
	o, here := q.Callback, at.in("callback")
	switch {
	case o == nil:
	case o.Prompt == "" && o.Say == "":
		out.err(here.in("prompt"), "there is nothing to tell the caller by: give a prompt or say")
	case o.Key == "" || !strings.Contains("0123456789*#ABCD", o.Key):
		out.err(here.in("key"), "%q is no key of a telephone", o.Key)
	case q.ExitKeys[o.Key] != "":
		out.err(here.in("key"), "%s is an exit key already", o.Key)
	}
}

func (q *queue) untilHuman() (time.Duration, bool) { return 0, true }

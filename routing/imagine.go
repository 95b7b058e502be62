package routing

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Imagined is a call that only takes place in the mind: who calls, whom the
// hub would find, and what happens when. Times are seconds since the call began.
type Imagined struct {
	From       call.Number       `json:"from"`
	To         call.Number       `json:"to"`
	Name       string            `json:"name"`
	At         time.Time         `json:"at"`
	CRM        map[string]any    `json:"crm"`         // the caller's record; null: unknown
	CRMOutcome string            `json:"crm_outcome"` // "one", "none", "many", "error"; "" goes by crm
	Agents     map[string]string `json:"agents"`      // "ann", "team:sales", "number:+34…" → available, busy, no_answer (it rings), away
	Vars       map[string]any    `json:"vars"`
}

// ImaginedEvent is one thing that happens in an imagined call. One that does
// not fit what the call waits for at the time is passed over.
type ImaginedEvent struct {
	AtS         secs   `json:"at_s"`
	RetrievedBy string `json:"retrieved_by,omitempty"` // somebody takes the parked call
	AnsweredBy  string `json:"answered_by,omitempty"`  // somebody answers what rings, or the queue
	Digits      string `json:"digits,omitempty"`       // the caller presses keys
	Hangup      bool   `json:"hangup,omitempty"`       // the caller hangs up
	Outcome     string `json:"outcome,omitempty"`      // what is waited for comes to this
}

// Passage is what became of an imagined call.
type Passage struct {
	Run      Run
	Path     []string      // the nodes in order, without those of the hang-up handler
	Outcome  string        // of the last node that waited for somebody; "hangup" if the caller went
	Took     time.Duration // until the flow was over or everything had happened
	Commands []Command     // all that the engine asked for
}

// Imagine walks a call through a flow on a clock of its own. It always ends.
// Agents who are not mentioned are away.
func Imagine(f *Flow, c Imagined, events []ImaginedEvent) (Passage, error) {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b ImaginedEvent) int { return cmp.Compare(a.AtS, b.AtS) })
	m := &imagination{flow: f, given: c, events: events, now: c.At}
	caller := Caller{Call: "call_imagined", From: c.From, Name: c.Name, To: c.To, At: c.At}
	run, cmds, err := begin(f, caller, c.At, map[string]any{"vars": c.Vars})
	if err != nil {
		return Passage{}, err
	}
	p := Passage{}
	for {
		p.Commands = append(p.Commands, cmds...)
		if run.Ended || len(cmds) == 0 {
			break
		}
		node := run.At
		e := m.next(cmds[len(cmds)-1], run)
		e.Node, e.At = node, m.now
		p.Outcome = m.outcome(f.Type(node), e.Outcome, p.Outcome)
		if run, cmds, err = Resume(f, run, e); err != nil {
			return p, err
		}
	}
	p.Run, p.Took = run, m.now.Sub(c.At)
	for _, d := range run.Path {
		if len(p.Path) == 0 || p.Path[len(p.Path)-1] != d.Node {
			p.Path = append(p.Path, d.Node)
		}
		if d.Outcome == HangupOutcome {
			break
		}
	}
	return p, nil
}

// imagination plays everybody but the engine.
type imagination struct {
	flow   *Flow
	given  Imagined
	events []ImaginedEvent // still to happen
	now    time.Time
}

// outcome is that of nodes that wait for somebody; looking up and playing do not count.
func (m *imagination) outcome(typ, outcome, before string) string {
	switch {
	case outcome == HangupOutcome:
		return outcome
	case slices.Contains([]string{"dial", "queue", "park", "voicemail", "menu", "collect"}, typ):
		return outcome
	}
	return before
}

// next is what comes of a command, and moves the clock to it.
func (m *imagination) next(c Command, run Run) Event {
	switch c := c.(type) {
	case Answer:
		return Event{Outcome: "answered"}
	case Play:
		return Event{Outcome: "done"}
	case Lookup:
		return m.lookup()
	case Gather:
		return m.await(c.Timeout, Event{Outcome: "timeout"}, func(e ImaginedEvent) (Event, bool) {
			return Event{Outcome: "digits", Vars: map[string]any{"digits": e.Digits}}, e.Digits != ""
		})
	case Dial:
		return m.dial(c)
	case Queue:
		return m.await(c.MaxWait, Event{Outcome: "timeout"}, func(e ImaginedEvent) (Event, bool) {
			if outcome := c.ExitKeys[e.Digits]; e.Digits != "" && outcome != "" {
				return Event{Outcome: "exit_key", Vars: map[string]any{"key": e.Digits}}, true
			}
			return Event{Outcome: "answered"}, e.AnsweredBy != ""
		})
	case Park:
		return m.park(c, run)
	case Voicemail:
		return m.await(0, Event{Outcome: "left"}, nil)
	}
	return Event{Outcome: HangupOutcome}
}

func (m *imagination) lookup() Event {
	outcome := m.given.CRMOutcome
	if outcome == "" {
		if outcome = "none"; len(m.given.CRM) > 0 {
			outcome = "one"
		}
	}
	e := Event{Outcome: outcome}
	if outcome == "one" || outcome == "many" {
		e.Vars = map[string]any{"crm": m.given.CRM}
	}
	return e
}

// status of a target: that of the agent it stands for.
func (m *imagination) status(target string) string {
	if target == "owner" {
		target = show(m.given.CRM["owner"])
	}
	if s, ok := m.given.Agents[target]; ok {
		return s
	}
	return m.given.Agents[strings.TrimPrefix(target, "agent:")]
}

func (m *imagination) dial(c Dial) Event {
	outcome, ring := "no_answer", time.Duration(0)
	for _, t := range c.Targets {
		switch m.status(t) {
		case "available":
			return m.await(0, Event{Outcome: "answered"}, nil)
		case "busy":
			outcome = "busy"
		case "no_answer":
			ring = c.Ring
		}
	}
	return m.await(ring, Event{Outcome: outcome}, func(e ImaginedEvent) (Event, bool) {
		return Event{Outcome: "answered"}, e.AnsweredBy != ""
	})
}

// park climbs the ladder until a step ends the park, a rep who is available is
// rung, or somebody takes the call.
func (m *imagination) park(c Park, run Run) Event {
	ends, result := c.MaxPark, Event{Outcome: "expired"}
	for _, s := range c.Ladder {
		if s.When != "" {
			if ok, err := EvalBool(s.When, Scope(run, m.flow.Local(m.now.Add(s.After)))); err != nil || !ok {
				continue
			}
		}
		rings := s.Do == "recall" || s.Do == "offer"
		if s.Do == "goto" {
			ends, result = s.After, Event{Outcome: s.Outcome}
			break
		}
		if rings && m.status(s.To) == "available" {
			ends, result = s.After, Event{Outcome: "retrieved"}
			break
		}
	}
	return m.await(ends, result, func(e ImaginedEvent) (Event, bool) {
		return Event{Outcome: "retrieved"}, e.RetrievedBy != "" || e.AnsweredBy != ""
	})
}

// await lets events happen until one fits, or the time is up and otherwise
// comes about.
func (m *imagination) await(within time.Duration, otherwise Event, fits func(ImaginedEvent) (Event, bool)) Event {
	until := m.now.Add(within)
	for len(m.events) > 0 {
		e := m.events[0]
		at := m.given.At.Add(e.AtS.duration())
		if at.After(until) {
			break
		}
		m.events = m.events[1:]
		if at.After(m.now) {
			m.now = at
		}
		switch {
		case e.Hangup:
			return Event{Outcome: HangupOutcome}
		case e.Outcome != "":
			return Event{Outcome: e.Outcome}
		case fits != nil:
			if out, ok := fits(e); ok {
				return out
			}
		}
	}
	m.now = until
	return otherwise
}

func imaginedSchema() *Schema {
	return object(fields{
		"from": text(""), "to": text(""), "name": text(""), "at": name(DateTime, "RFC 3339"),
		"crm":         {},
		"crm_outcome": {Type: "string", Enum: []string{"", "one", "none", "many", "error"}},
		"agents":      mapOf("", &Schema{Type: "string", Enum: []string{"available", "busy", "no_answer", "away", "offline"}}),
		"vars":        {Type: "object", Each: &Schema{}},
	}, "at")
}

func imaginedEventSchema() *Schema {
	return object(fields{
		"at_s":         seconds("since the call began", nil, 0, 86400),
		"retrieved_by": text(""), "answered_by": text(""), "digits": text(""), "outcome": text(""),
		"hangup": {Type: "boolean"},
	}, "at_s")
}

// reread turns a checked tree into a struct.
func reread(tree, into any) error {
	b, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

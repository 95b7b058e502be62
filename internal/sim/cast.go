package sim

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// cast plays everybody but the engine. What it cannot know it answers with why
// that is: the call then goes no further.
type cast interface {
	// lookup is the CRM's answer, and how long it takes.
	lookup(c routing.Lookup) (e routing.Event, takes time.Duration, unknown string)
	// record is what the CRM says now of the caller; nil: nothing.
	record() (record map[string]any, takes time.Duration, unknown string, err error)
	// manner is how somebody behaves who may be rung now.
	manner(who string) (m manner, unknown string)
	// keys are those that the caller presses after a prompt, besides those that
	// are written down; "": none.
	keys(c routing.Gather) (digits string, after time.Duration, unknown string)
	// line says how a wait in a queue goes; nil: as the rules have it.
	line(queue string, limit time.Duration) (answer *answer, unknown string)
	// reads is how things were when a node's expressions were evaluated, and stepReads
	// when a step's were; nil: as the rules have it.
	reads(c routing.Read) (f *routing.Foretold, unknown string)
	stepReads(s parking.Step) (vars map[string]any, unknown string)
	// foretold is what a node comes to, if that is said.
	foretold(node, typ string, c routing.Command) (f routing.Foretold, ok bool, unknown string)
	// talks is how long a conversation goes on, and whether it is the caller who
	// ends it.
	talks(with string) (length time.Duration, callers bool)
	// says is what a rep says came of the call, and when; "": nothing, or it is
	// written down.
	says(c routing.Disposition) (outcome string, vars map[string]any, after time.Duration)
	// speaks is how long a message is.
	speaks() time.Duration
}

// answer is an answer out of a queue.
type answer struct {
	refused string        // why the queue was not joined
	by      string        // "": nobody's, for as long as it is known
	after   time.Duration // the wait, or how long it is known that nobody answers
}

// manner is how an agent behaves.
type manner struct {
	status  queues.Status
	busy    bool // in another conversation
	phone   bool // one is registered
	answers bool
	rejects bool
	after   time.Duration // of ringing
}

// mannerOf reads one of routing.Manners; "" is away.
func mannerOf(s string) manner {
	word, after, _ := strings.Cut(s, ":")
	m := manner{status: queues.Available, phone: true}
	if n, err := strconv.ParseFloat(strings.TrimSuffix(after, "s"), 64); err == nil {
		m.after = seconds(n)
	}
	switch word {
	case "available":
		m.answers = true
	case "rejects":
		m.rejects = true
	case "no_answer":
	case "busy":
		m.busy = true
	case "unreachable":
		m.phone = false
	case "offline":
		m.status, m.phone = queues.Offline, false
	default:
		m.status = queues.Away
	}
	return m
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// imagination is the cast of a call that is written down.
type imagination struct {
	given routing.Imagined
	world World
}

func (m *imagination) lookup(c routing.Lookup) (routing.Event, time.Duration, string) {
	takes := milliseconds(m.given.CRMLatencyMS)
	if within := c.Deadline; within > 0 && takes > within {
		return routing.Event{Outcome: "error"}, within, ""
	}
	outcome := m.given.CRMOutcome
	if outcome == "" {
		if outcome = "none"; len(m.given.CRM) > 0 {
			outcome = "one"
		}
	}
	e := routing.Event{Outcome: outcome}
	if outcome == "one" || outcome == "many" {
		e.Vars = map[string]any{"crm": m.given.CRM}
	}
	return e, takes, ""
}

func (m *imagination) record() (map[string]any, time.Duration, string, error) {
	switch m.given.CRMOutcome {
	case "error":
		return nil, 0, "", errCRM
	case "none":
		return nil, 0, "", nil
	}
	return m.given.CRM, milliseconds(m.given.CRMLatencyMS), "", nil
}

// manner of an agent: their own, else that of a team or queue of theirs, else away.
func (m *imagination) manner(who string) (manner, string) {
	if s, ok := m.given.Agents[who]; ok {
		return mannerOf(s), ""
	}
	if s, ok := m.given.Agents["agent:"+who]; ok {
		return mannerOf(s), ""
	}
	switch kind, _, _ := strings.Cut(who, ":"); kind {
	case "queue": // of an open world: reps who are all talking
		return mannerOf("busy"), ""
	case "number":
		return mannerOf("no_answer"), ""
	}
	a, _ := m.world.agent(who)
	for _, team := range a.Teams {
		if s, ok := m.given.Agents["team:"+team]; ok {
			return mannerOf(s), ""
		}
	}
	for _, q := range m.world.Queues {
		for _, as := range q.Agents {
			s, ok := m.given.Agents["queue:"+q.Name]
			if ok && as.Agent == who {
				return mannerOf(s), ""
			}
		}
	}
	return mannerOf("away"), ""
}

func (m *imagination) keys(routing.Gather) (string, time.Duration, string) { return "", 0, "" }

func (m *imagination) line(string, time.Duration) (*answer, string) { return nil, "" }

func (m *imagination) reads(routing.Read) (*routing.Foretold, string) { return nil, "" }

func (m *imagination) stepReads(parking.Step) (map[string]any, string) { return nil, "" }

func (m *imagination) foretold(node, typ string, _ routing.Command) (routing.Foretold, bool, string) {
	if f, ok := m.given.Nodes[node]; ok {
		if f.Answer != nil {
			vars := maps.Clone(f.Vars)
			if vars == nil {
				vars = map[string]any{}
			}
			vars["http"] = map[string]any{"answer": f.Answer}
			f.Vars = vars
		}
		return f, true, ""
	}
	f, ok := usual[typ]
	f.Assumed = true
	return f, ok, ""
}

// usual is what nodes come to that ask something of the world outside, when
// nothing is said about them.
var usual = map[string]routing.Foretold{
	"http":     {Outcome: "error"}, // no service is asked: a flow must go on without it
	"callback": {Outcome: "scheduled"},
}

func (m *imagination) talks(string) (time.Duration, bool) { return seconds(m.given.TalkS), false }

func (m *imagination) says(routing.Disposition) (string, map[string]any, time.Duration) {
	return "", nil, 0
}

func (m *imagination) speaks() time.Duration { return seconds(m.given.MessageS) }

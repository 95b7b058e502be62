package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// asking is one time that somebody was asked to take the call.
type asking struct {
	at       time.Time
	took     time.Duration // until the answer, or until the phone stopped
	answered bool
	why      string // of a miss, in the words of queues; "not_free": they were not rung at all
}

// memories are the cast of a past call that is led through another flow: they
// know what really happened, and say so when it does not tell.
type memories struct {
	past    Past
	stage   *stage
	waits   []routing.Stand // of the flow that the call really ran
	people  map[string][]asking
	own     []call.Event // retrievals that nobody was rung for
	gone    time.Time    // when the caller hung up while nobody talked to them
	patient time.Time    // until when it is known that the caller waits
	used    map[int]bool // menus whose keys have been pressed again
}

// remember readies the memories of a call that parts from its past at a time.
func remember(p Past, stands []routing.Stand, at time.Time) *memories {
	m := &memories{past: p, waits: stands, people: map[string][]asking{}, used: map[int]bool{}, patient: p.EndedAt}
	if p.ConnectedAt.After(at) {
		m.patient = p.ConnectedAt
	}
	if t := p.hangup(); t.Talked == "" {
		m.gone = t.At
	}
	begun := map[string]time.Time{}
	rung := map[string]bool{}
	for _, f := range p.Facts {
		who := f.Actor.User
		switch f.Type {
		case call.Dialled:
			begun[who], rung[who] = f.At, true
		case call.DialResult:
			why, _ := f.Data["result"].(string)
			if at, ok := begun[who]; ok {
				m.people[who] = append(m.people[who], asking{at: at, took: f.At.Sub(at), why: why})
				delete(begun, who)
			} else {
				m.people[who] = append(m.people[who], asking{at: f.At, why: why})
			}
		case call.Connected:
			if at, ok := begun[who]; ok {
				m.people[who] = append(m.people[who], asking{at: at, took: f.At.Sub(at), answered: true})
				delete(begun, who)
			}
		case call.ParkRetrieved:
			if via := f.Actor.Via; f.At.After(at) && via != "recall" && via != "offer" && via != "queue" {
				m.own = append(m.own, f)
			}
		case call.ParkStep:
			clear(rung)
		case call.ParkStepResult:
			do, _ := f.Data["do"].(string)
			to, _ := f.Data["to"].(string)
			if result, _ := f.Data["result"].(string); result == string(call.Busy) && (do == "offer" || do == "recall") {
				m.notFree(f.At, rung, strings.Split(to, ",")...)
			}
		default: // of no use
		}
	}
	for i, t := range p.Run.Told {
		d, ok := stands[i].Waits.(routing.Dial)
		if ok && t.Outcome == "busy" {
			m.notFree(t.At, map[string]bool{}, d.Targets...)
		}
	}
	return m
}

// notFree notes that agents were to be rung and were not.
func (m *memories) notFree(at time.Time, rung map[string]bool, targets ...string) {
	for _, t := range targets {
		name := strings.TrimPrefix(t, "agent:")
		if t == "owner" {
			crm, _ := m.past.Run.Vars["crm"].(map[string]any)
			name, _ = crm["owner"].(string)
		}
		if name != "" && !rung[name] && len(m.people[name]) == 0 {
			m.people[name] = append(m.people[name], asking{at: at, why: notFree})
		}
	}
}

const notFree = "not_free"

// onto puts what happened by itself on the clock of a stage.
func (m *memories) onto(c *stage) {
	m.stage = c
	if !m.gone.IsZero() {
		c.clock.at(m.gone, false, func() {
			if c.talk == nil {
				c.hangUp()
			}
		})
	} else {
		c.clock.at(m.patient, true, func() {
			if c.talk == nil && !c.over() {
				c.assume("the caller waits for longer than they had to: nobody knows how patient they are")
			}
		})
	}
	for _, f := range m.own {
		c.clock.at(f.At, false, func() {
			if c.stay != nil && c.talk == nil && c.stay.lot.Name == f.Lot {
				c.assume("%s takes the call from lot %s when they really did", cmp.Or(f.Actor.User, "somebody"), f.Lot)
				c.takenBy(f.Actor.User, cmp.Or(f.Actor.Via, "dial"))
			}
		})
	}
}

func (m *memories) lookup(c routing.Lookup) (routing.Event, time.Duration, string) {
	for i, t := range m.past.Run.Told {
		was, ok := m.waits[i].Waits.(routing.Lookup)
		if !ok || was.By != c.By || t.Outcome == routing.HangupOutcome {
			continue
		}
		takes := t.At.Sub(m.asked(i))
		if c.Deadline > 0 && takes > c.Deadline {
			return routing.Event{Outcome: "error"}, c.Deadline, ""
		}
		if t.Outcome == "error" && c.Deadline > was.Deadline {
			return routing.Event{}, 0, "the CRM did not answer in time: nobody knows what it would have said later"
		}
		return routing.Event{Outcome: t.Outcome, Vars: t.Vars}, takes, ""
	}
	return routing.Event{}, 0, "the CRM was not asked in that call"
}

// asked is when the i-th command that was waited for had been given.
func (m *memories) asked(i int) time.Time {
	if i == 0 {
		return m.past.Run.StartedAt
	}
	return m.past.Run.Told[i-1].At
}

func (m *memories) record() (map[string]any, time.Duration, string, error) {
	for i, t := range m.past.Run.Told {
		if _, ok := m.waits[i].Waits.(routing.Lookup); ok {
			if t.Outcome == "error" {
				return nil, 0, "", errCRM
			}
			m.stage.assume("the CRM's record stays as it was when the call was looked up")
			crm, _ := t.Vars["crm"].(map[string]any)
			return crm, 0, "", nil
		}
	}
	return nil, 0, "a step's condition asks the CRM, which was not asked in that call", nil
}

// manner of somebody is that of the time when they were really asked, which is
// the nearest to now.
func (m *memories) manner(who string) (manner, string) {
	name := strings.TrimPrefix(who, "agent:")
	if strings.HasPrefix(who, "number:") {
		name = ""
	}
	asked := m.people[name]
	now := m.stage.clock.now
	is, known := m.past.whileCalled(name, now)
	if known && !slices.ContainsFunc(asked, func(a asking) bool { return a.at.Equal(now) }) {
		switch elsewhere := is.State != queues.Idle && is.Call != m.past.Call; {
		case is.Status != queues.Available:
			return manner{status: is.Status, phone: true}, ""
		case elsewhere && is.State == queues.WrapUp:
			return manner{status: queues.Away, phone: true}, ""
		case elsewhere:
			return manner{status: queues.Available, phone: true, busy: true}, ""
		}
	}
	if len(asked) == 0 && known {
		return manner{}, fmt.Sprintf("%s was available then and was not asked to take that call: nobody knows whether they would have", who)
	}
	if len(asked) == 0 {
		return manner{}, fmt.Sprintf("%s was not asked to take that call: nobody knows whether they were free", who)
	}
	near := slices.MinFunc(asked, func(a, b asking) int {
		return cmp.Compare(a.at.Sub(now).Abs(), b.at.Sub(now).Abs())
	})
	if !near.at.Equal(now) {
		m.stage.assume("%s behaves as when they were really asked, %s %s", cmp.Or(name, who), near.at.Sub(now).Abs().Round(time.Second), map[bool]string{true: "later", false: "before"}[near.at.After(now)])
	}
	out := manner{status: queues.Available, phone: true, after: near.took}
	switch {
	case near.answered:
		out.answers = true
	case near.why == queues.Rejected:
		out.rejects = true
	case near.why == queues.Unreachable:
		out.phone = false
	case near.why == queues.BusyPhone:
		out.busy = true
	case near.why == notFree:
		out.status = queues.Away
	case near.why == queues.Withdrawn:
		m.stage.assume("%s would not have answered: their phone stopped after %s", cmp.Or(name, who), near.took.Round(time.Second))
	}
	return out, ""
}

func (m *memories) keys(c routing.Gather) (string, time.Duration, string) {
	for i, t := range m.past.Run.Told {
		was, ok := m.waits[i].Waits.(routing.Gather)
		if !ok || m.used[i] || was.Prompt != c.Prompt || was.Say != c.Say {
			continue
		}
		m.used[i] = true
		switch t.Outcome {
		case "digits":
			digits, _ := t.Vars["digits"].(string)
			m.stage.assume("the caller presses the same keys when asked the same")
			return digits, t.At.Sub(m.asked(i)), ""
		case "timeout":
			m.stage.assume("the caller presses nothing when asked the same")
		}
		return "", 0, ""
	}
	return "", 0, fmt.Sprintf("the caller was never asked %q: nobody knows which key they would have pressed", cmp.Or(c.Prompt, c.Say, "for a key"))
}

func (m *memories) line(queue string, _ time.Duration) (*answer, string) {
	for i, t := range m.past.Run.Told {
		if was, ok := m.waits[i].Waits.(routing.Queue); ok && was.Queue == queue && (t.Outcome == "full" || t.Outcome == "no_agents") {
			m.stage.assume("queue %s is not joined, as it was not then", queue)
			return &answer{refused: t.Outcome}, ""
		}
	}
	var joined time.Time
	for _, f := range m.past.Facts {
		if f.Type == call.ParkStepResult && f.Data["queue"] == queue && f.Data["do"] == "enqueue" {
			if result, _ := f.Data["result"].(string); result != "joined" && result != "already_queued" {
				m.stage.assume("queue %s is not joined, as it was not then", queue)
				return &answer{refused: result}, ""
			}
		}
		if f.Queue != queue {
			continue
		}
		switch f.Type {
		case call.QueueJoined:
			joined = f.At
		case call.QueueLeft:
			if joined.IsZero() {
				continue
			}
			wait := f.At.Sub(joined)
			m.stage.assume("the wait in queue %s goes as it did", queue)
			if by := m.answeredBy(f.At); f.Data["outcome"] == "answered" && by != "" {
				return &answer{by: by, after: wait}, ""
			}
			return &answer{after: wait + knownFor}, ""
		default: // of no use
		}
	}
	return nil, fmt.Sprintf("the call never waited in queue %s: nobody knows how long it would have", queue)
}

// knownFor is what facts of one moment may be apart.
const knownFor = 250 * time.Millisecond

// answeredBy is who talked to the caller from about a time on.
func (m *memories) answeredBy(at time.Time) string {
	for _, f := range m.past.Facts {
		if f.Type == call.Connected && f.At.Sub(at).Abs() < time.Second {
			return cmp.Or(f.Actor.User, "somebody")
		}
	}
	return ""
}

// foretold: what asks the same of the world outside gets the same answer.
func (m *memories) foretold(_, typ string, c routing.Command) (routing.Foretold, bool, string) {
	switch c := c.(type) {
	case routing.Park:
		for i, t := range m.past.Run.Told {
			was, ok := m.waits[i].Waits.(routing.Park)
			if ok && was.Lot == c.Lot && (t.Outcome == "full" || t.Outcome == "failed") {
				m.stage.assume("lot %s comes to %s, as it did", c.Lot, t.Outcome)
				return routing.Foretold{Outcome: t.Outcome}, true, ""
			}
		}
		return routing.Foretold{}, false, ""
	case routing.Disposition, routing.Answer, routing.Play, routing.Gather, routing.Lookup, routing.Dial, routing.Queue, routing.Voicemail, routing.Record:
		return routing.Foretold{}, false, ""
	}
	for i, t := range m.past.Run.Told {
		if sameCommand(m.waits[i].Waits, c) && t.Outcome != routing.HangupOutcome {
			m.stage.assume("what asks the same of %s gets the same answer", typ)
			ms := float64(t.At.Sub(m.asked(i))) / float64(time.Millisecond)
			return routing.Foretold{Outcome: t.Outcome, AfterMS: ms, Vars: t.Vars}, true, ""
		}
	}
	return routing.Foretold{}, false, fmt.Sprintf("the call never asked this of %s: nobody knows what would have come of it", typ)
}

func (m *memories) talks(string) (time.Duration, bool) {
	if m.past.ConnectedAt.IsZero() {
		m.stage.assume("the conversation that there was not ends with the caller hanging up")
		return time.Minute, true
	}
	return m.past.Talked, m.past.hangup().Talked != ""
}

// says: what came of the call is said as it was, or not at all.
func (m *memories) says(c routing.Disposition) (outcome string, vars map[string]any, after time.Duration) {
	for i, t := range m.past.Run.Told {
		if _, ok := m.waits[i].Waits.(routing.Disposition); ok && t.Outcome != routing.HangupOutcome && (t.Outcome == "timed_out" || t.At.Sub(m.asked(i)) <= c.Timeout) {
			return t.Outcome, t.Vars, t.At.Sub(m.asked(i))
		}
	}
	m.stage.assume("nobody says what came of the call")
	return "", nil, 0
}

func (m *memories) speaks() time.Duration {
	for i, t := range m.past.Run.Told {
		if _, ok := m.waits[i].Waits.(routing.Voicemail); ok {
			if t.Outcome == "empty" {
				return leastMessage / 2
			}
			return max(leastMessage, t.At.Sub(m.asked(i)))
		}
	}
	m.stage.assume("the caller leaves a message")
	return 10 * time.Second
}

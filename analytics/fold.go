package analytics

import (
	"cmp"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Summarize folds a ledger into a report. The events of one call must come in
// their order; those of different calls may come mixed in any way. Events of
// calls and attempts that began outside the window are looked over. It stops at
// the first error of events.
func Summarize(events iter.Seq2[call.Event, error], w Window, o Options) (Report, error) {
	o.GroupBy = cmp.Or(o.GroupBy, ByNone)
	o.Target = cmp.Or(o.Target, 20*time.Second)
	o.Short = cmp.Or(o.Short, 5*time.Second)
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	l := ledger{w: w, calls: map[call.ID]*story{}}
	for e, err := range events {
		if err != nil {
			return Report{}, fmt.Errorf("summarize: %w", err)
		}
		l.add(e)
	}
	r := Report{Definition: Definition, From: w.From, To: w.To, GroupBy: o.GroupBy, Groups: []Group{}}
	if err := l.parks(&r, o); err != nil {
		return Report{}, err
	}
	r.Calls = l.callFigures(o)
	return r, nil
}

// ledger is what of the events the figures need.
type ledger struct {
	w        Window
	calls    map[call.ID]*story
	attempts []*attempt // that began in the window
}

// story is one call.
type story struct {
	flow     string
	offered  time.Time // zero: not an inbound call, or not seen to begin
	waiting  time.Time // in a queue or slot for the first time
	human    time.Time // a person talked to the caller for the first time
	ended    time.Time
	outcome  string
	said     string // code of the newest disposition
	stage    string // where the caller was when the call ended
	line     int    // queues the call is in
	ringing  int    // dials without a result
	parked   *attempt
	attempts map[string]*attempt // by park
}

// attempt is one stay in a slot.
type attempt struct {
	call      *story
	id        call.ID
	began     time.Time
	lot       string
	parker    string
	flow      string
	ended     bool
	lasted    time.Duration
	reason    string
	retriever string
	steps     map[int]string // that fired: what they did
}

func (l *ledger) add(e call.Event) {
	s := l.calls[e.Call]
	if s == nil {
		s = &story{}
		l.calls[e.Call] = s
	}
	if s.flow == "" {
		s.flow = e.Flow
	}
	switch e.Type {
	case call.Offered:
		if e.Actor.User == "" { // else a rep calls out
			s.offered = e.At
		}
	case call.AnsweredBy:
		if e.Actor.User != "" { // the system answering is no answer
			s.heard(e.At)
		}
	case call.Connected:
		s.heard(e.At)
	case call.Dialled:
		s.ringing++
	case call.DialResult:
		s.ringing = max(0, s.ringing-1)
	case call.QueueJoined:
		s.waits(e.At)
		s.line++
	case call.QueueLeft:
		s.line = max(0, s.line-1)
		if text(e.Data, "outcome") == "abandoned" {
			s.stage = cmp.Or(s.stage, "queue")
		}
	case call.VoicemailNew:
		s.outcome = "voicemail"
	case call.Refused:
		s.outcome = "refused"
	case call.Ended:
		s.end(e)
	case call.Disposed:
		s.said = text(e.Data, "code")
	case call.Parked:
		s.waits(e.At)
		l.park(s, e)
	case call.ParkStep:
		if a := s.attempts[e.Park]; a != nil && !a.ended {
			if a.steps == nil {
				a.steps = map[int]string{}
			}
			a.steps[number(e.Data, "step")] = text(e.Data, "do")
		}
	case call.ParkRetrieved, call.ParkAbandoned, call.ParkExpired, call.ParkMoved, call.ParkFailed:
		if e.Type == call.ParkRetrieved {
			s.heard(e.At)
		}
		if a := s.attempts[e.Park]; a != nil && !a.ended { // the first end is the end
			a.end(e)
			s.left(a)
		}
	default: // says nothing that is counted
	}
}

// waits and heard keep the first time.
func (s *story) waits(at time.Time) {
	if s.waiting.IsZero() {
		s.waiting = at
	}
}

func (s *story) heard(at time.Time) {
	if s.human.IsZero() || at.Before(s.human) {
		s.human = at
	}
}

func (s *story) end(e call.Event) {
	if !s.ended.IsZero() {
		return
	}
	s.ended = e.At
	s.outcome = cmp.Or(text(e.Data, "outcome"), s.outcome)
	switch {
	case s.stage != "": // known from how the caller left the slot or the line
	case s.parked != nil:
		s.stage = "parked"
	case s.line > 0:
		s.stage = "queue"
	case s.ringing > 0:
		s.stage = "ringing"
	default:
		s.stage = "flow"
	}
	if s.outcome == "" {
		s.outcome = "abandoned"
		if e.Cause != "" && e.Cause != call.Normal && e.Cause != call.Cancelled && e.Cause != call.MediaTimeout {
			s.outcome = "failed"
		}
	}
}

// left: the caller is no longer in the slot. Whoever gave up in one gave up
// there, also if the call was in line or ringing reps at the same time.
func (s *story) left(a *attempt) {
	if s.parked == a {
		s.parked = nil
	}
	if strings.HasPrefix(a.reason, "abandoned") {
		s.stage = "parked"
	}
}

func (l *ledger) park(s *story, e call.Event) {
	if s.attempts[e.Park] != nil {
		return
	}
	a := &attempt{
		call: s, id: e.Call, began: e.At, lot: e.Lot, flow: e.Flow,
		parker: cmp.Or(e.Actor.User, text(e.Data, "parker")),
	}
	if s.attempts == nil {
		s.attempts = map[string]*attempt{}
	}
	s.attempts[e.Park], s.parked = a, a
	if l.w.has(e.At) {
		l.attempts = append(l.attempts, a)
	}
}

func (a *attempt) end(e call.Event) {
	a.ended = true
	a.lasted = e.Age
	if a.lasted == 0 {
		a.lasted = max(0, e.At.Sub(a.began))
	}
	a.lasted = a.lasted.Truncate(time.Millisecond) // as the ledger keeps it
	a.reason = reason(e)
	if a.retrieved() {
		a.retriever = e.Actor.User
	}
}

func (a *attempt) retrieved() bool { return strings.HasPrefix(a.reason, "retrieved") }

// reason is one of Reasons, so that the outcomes sum up whatever was written.
func reason(e call.Event) string {
	r := text(e.Data, "reason")
	prefix, fallback := "failed", "failed"
	switch e.Type {
	case call.ParkRetrieved:
		prefix, fallback = "retrieved_", "retrieved_other"
	case call.ParkAbandoned:
		prefix, fallback = "abandoned", "abandoned"
	case call.ParkExpired:
		prefix, fallback = "expired_", "expired_transfer"
	case call.ParkMoved:
		prefix, fallback = "moved", "moved"
	default: // ParkFailed
	}
	for _, known := range Reasons {
		if r == known && strings.HasPrefix(r, prefix) {
			return r
		}
	}
	return fallback
}

// text and number read Data as it is in memory and as it comes back from JSON.
func text(data map[string]any, key string) string {
	s, _ := data[key].(string)
	return s
}

func number(data map[string]any, key string) int {
	switch n := data[key].(type) {
	case int:
		return n
	case float64:
		return int(n)
	}
	return 0
}

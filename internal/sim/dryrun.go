package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// Verdicts of a dry run on a call.
const (
	Same      = "same"      // it ends as it did, by the same nodes
	Changed   = "changed"   // it ends differently
	Detour    = "detour"    // it ends as it did, by other nodes
	Undecided = "undecided" // the flow asks what the past cannot answer
)

// Verdict is what would have become of a past call in another flow.
type Verdict struct {
	Call    call.ID   `json:"call"`
	At      time.Time `json:"at"`
	Verdict string    `json:"verdict"`
	Assumed bool      `json:"assumed"` // the end hangs on what Notes take for granted
	Was     Ending    `json:"was"`
	Becomes *Ending   `json:"becomes,omitempty"` // nothing: undecided
	Parts   *Parting  `json:"parts,omitempty"`   // nothing: they never part
	Why     string    `json:"why"`
	Notes   []string  `json:"notes,omitempty"`
}

// Ending is how a call went.
type Ending struct {
	Version int      `json:"version"`
	Outcome string   `json:"outcome"`
	Path    []string `json:"path"`
}

// Parting is where a past call and the imagined one part.
type Parting struct {
	AtMS int64  `json:"at_ms"`
	Was  string `json:"was"`  // the node it was at
	Node string `json:"node"` // the node it is at now; "": the flow is over
}

// Dry leads a past call through another flow than the one it ran: as long as it
// asks for the same it is told the same, and from there on what the past knows.
// Of the flow that the call ran it says Same, with the same path.
func Dry(ctx context.Context, w World, ran, next *routing.Flow, p Past) Verdict {
	v := Verdict{Call: p.Call, At: p.Run.StartedAt, Verdict: Undecided}
	v.Was = Ending{Version: p.Run.Version, Outcome: p.outcome(ran), Path: PathOf(p.Run)}
	stands, err := routing.Replay(ran, p.Run)
	if err != nil {
		v.Why = err.Error()
		return v
	}
	if !samePath(stands[len(stands)-1].Run.Path, p.Run.Path) {
		v.Why = fmt.Sprintf("version %d does not lead the call where it went: it ran on another release of the hub", p.Run.Version)
		return v
	}
	if p.Cause == call.Failed || p.Cause == call.Shutdown {
		v.Why = "the hub failed in that call, which says nothing about its flow"
		return v
	}
	run, cmds, err := routing.Start(next, p.Run.Caller, p.Run.StartedAt)
	if err != nil {
		v.Why = err.Error()
		return v
	}
	at := p.Run.StartedAt
	outcome := ""
	for i := 0; ; i++ {
		if !sameCommand(stands[i].Waits, routing.Standing(run, cmds).Waits) {
			return v.parted(ctx, w, next, p, stands, i, at, run, cmds, outcome)
		}
		if i == len(p.Run.Told) {
			break
		}
		t := p.Run.Told[i]
		outcome = outcomeOf(next.Type(run.At), cmp.Or(t.Talked, t.Outcome), outcome)
		e := routing.Event{Node: run.At, Outcome: t.Outcome, At: t.At, Vars: t.Vars, Talked: t.Talked}
		if run, cmds, err = routing.Resume(next, run, e); err != nil {
			v.Why = err.Error()
			return v
		}
		at = t.At
	}
	return v.ended(Ending{Version: run.Version, Outcome: outcome, Path: PathOf(run)}, nil)
}

// Assumptions are what every dry run takes for granted. Those that the end of a
// call hangs on are among its notes as well.
func Assumptions() []string {
	return []string{
		"as long as the flow asks for the same as the one that the call ran, everything goes as it really went",
		"who calls, when, and what the CRM said after how long are as they were",
		"a caller who hung up while nobody talked to them hangs up at the same time again; of one who was answered nobody knows how much longer they would have waited",
		"the caller presses the same keys, after as long, when they hear the same prompt",
		"who was asked to take the call behaves in the same way when asked at another time",
		"who was away, offline or in another call then is not rung; of one who was available and not asked nobody knows whether they would have answered",
		"who took the call from its slot unasked does so at the same time, if it is in that lot",
		"a wait in a queue goes as it went, whenever it begins; a slot is free unless the lot was full",
		"lots, queues, teams and agents are those of today; shared calendars are as the call found them, unless those of today are asked for",
	}
}

// parted goes on with an imagined call from where it asks for something else.
func (v Verdict) parted(ctx context.Context, w World, next *routing.Flow, p Past, stands []routing.Stand, i int, at time.Time, run routing.Run, cmds []routing.Command, outcome string) Verdict {
	v.Parts = &Parting{AtMS: at.Sub(p.Run.StartedAt).Milliseconds(), Was: stands[i].Run.At, Node: run.At}
	was, is := stands[i].Waits, routing.Standing(run, cmds).Waits
	switch {
	case was == nil:
		v.Why = fmt.Sprintf("the call was over, and goes on with %s at %s", commandName(is), run.At)
	case is == nil:
		v.Why = fmt.Sprintf("the call went on with %s at %s, and is over", commandName(was), v.Parts.Was)
	case commandName(was) == commandName(is) && v.Parts.Was == run.At:
		v.Why = fmt.Sprintf("%s asks for %s in another way", run.At, commandName(is))
	default:
		v.Why = fmt.Sprintf("%s at %s, where there was %s at %s", commandName(is), run.At, commandName(was), v.Parts.Was)
	}
	if n := len(run.Path); n > 0 {
		d := run.Path[n-1]
		v.Why += strings.TrimSuffix(fmt.Sprintf(" (%s: %s %s", d.Node, d.Outcome, d.Reason), " ") + ")"
	}
	m := remember(p, stands, at)
	c := newStage(ctx, w, next, m, p.Run.StartedAt)
	c.clock.now = at
	c.from, c.name = p.Run.Caller.From, p.Run.Caller.Name
	c.record, _ = run.Vars["crm"].(map[string]any)
	c.outcome = outcome
	c.talked, c.gone = p.talkedLast(at), run.Hungup
	for k, t := range p.Run.Told[:i] { // what was pressed before is not pressed again
		if _, ok := stands[k].Waits.(routing.Gather); ok && t.Outcome != routing.HangupOutcome {
			m.used[k] = true
		}
	}
	m.onto(c)
	c.walked(run, cmds)
	c.play()
	r := c.result()
	v.Notes, v.Assumed = r.Notes, len(r.Notes) > 0
	if c.fault != nil {
		r.Undecided = c.fault.Error()
	}
	if r.Undecided != "" {
		v.Why += ": " + r.Undecided
		return v
	}
	return v.ended(Ending{Version: r.Version, Outcome: r.Outcome, Path: r.Path}, r.Notes)
}

func (v Verdict) ended(e Ending, notes []string) Verdict {
	v.Becomes, v.Notes = &e, notes
	switch {
	case e.Outcome != v.Was.Outcome:
		v.Verdict = Changed
	case !slices.Equal(e.Path, v.Was.Path):
		v.Verdict = Detour
	default:
		v.Verdict = Same
	}
	return v
}

// samePath compares where runs went, and when. The words in which a release says
// why are not a part of that.
func samePath(a, b []routing.Decision) bool {
	return slices.EqualFunc(a, b, func(x, y routing.Decision) bool {
		return x.Node == y.Node && x.Outcome == y.Outcome && x.To == y.To && x.At.Equal(y.At)
	})
}

// sameCommand tells whether two commands ask for the same, whatever their nodes
// are called.
func sameCommand(a, b routing.Command) bool {
	if reflect.TypeOf(a) != reflect.TypeOf(b) {
		return false
	}
	if a == nil {
		return true
	}
	return bodyOf(a) == bodyOf(b)
}

func bodyOf(c routing.Command) string {
	v := reflect.New(reflect.TypeOf(c)).Elem()
	v.Set(reflect.ValueOf(c))
	if n := v.FieldByName("Node"); n.IsValid() && n.Kind() == reflect.String {
		n.SetString("")
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

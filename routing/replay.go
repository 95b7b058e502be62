package routing

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Told is an event that a run was resumed with, as it is kept for a replay.
type Told struct {
	Node    string         `json:"node"`
	Outcome string         `json:"outcome"`
	At      time.Time      `json:"at"`
	Vars    map[string]any `json:"vars,omitempty"`
	Talked  string         `json:"talked,omitempty"` // see Event
	Cut     bool           `json:"cut,omitempty"`    // there was too much to keep: a replay ends here
}

// Bounds of what a run keeps of its events. A call that goes beyond them runs
// on; it can no longer be replayed.
const (
	maxTold     = 1000
	maxToldVars = 16 << 10 // bytes of one event, about
)

// tell keeps an event that the run goes on with.
func (r *Run) tell(e Event) {
	t := Told{Node: e.Node, Outcome: e.Outcome, At: e.At, Vars: e.Vars, Talked: e.Talked}
	switch {
	case len(r.Told) >= maxTold:
		if r.Told[len(r.Told)-1].Cut {
			return
		}
		t.Vars, t.Cut = nil, true
	case weight(e.Vars) > maxToldVars:
		t.Vars, t.Cut = nil, true
	}
	r.Told = append(slices.Clip(r.Told), t)
}

// weight is about how many bytes a value has as JSON.
func weight(v any) int {
	switch v := v.(type) {
	case string:
		return len(v) + 2
	case map[string]any:
		n := 2
		for k, x := range v {
			n += len(k) + 4 + weight(x)
		}
		return n
	case []any:
		n := 2
		for _, x := range v {
			n += 1 + weight(x)
		}
		return n
	}
	return 8
}

// ErrNotReplayable: the run did not keep all that it was told.
var ErrNotReplayable = errors.New("the run did not keep all that it was told")

// Stand is where a replayed run stood, and what it waited for there.
type Stand struct {
	Run   Run
	Waits Command // nil when the run had ended, or went on waiting for what it did
	Did   []Command
}

// Replay walks a flow through what a run of it was told, and returns where it
// stood at the start and after each event. Given the version that the run
// walked, the last is the run itself. ErrNotReplayable if the run is from before
// its events were kept, or had too many.
func Replay(f *Flow, was Run) ([]Stand, error) {
	if was.StartedAt.IsZero() {
		return nil, fmt.Errorf("replay a run of %s: %w", was.Flow, ErrNotReplayable)
	}
	run, cmds, err := Start(f, was.Caller, was.StartedAt)
	if err != nil {
		return nil, err
	}
	stands := append(make([]Stand, 0, len(was.Told)+1), Standing(run, cmds))
	for _, t := range was.Told {
		if t.Cut {
			return nil, fmt.Errorf("replay a run of %s: at %s: %w", was.Flow, t.Node, ErrNotReplayable)
		}
		run, cmds, err = Resume(f, run, Event{Node: t.Node, Outcome: t.Outcome, At: t.At, Vars: t.Vars, Talked: t.Talked})
		if err != nil {
			return nil, err
		}
		stands = append(stands, Standing(run, cmds))
	}
	return stands, nil
}

// Standing is where a run stands that has just been started or resumed.
func Standing(run Run, cmds []Command) Stand {
	s := Stand{Run: run, Did: cmds}
	if run.At != "" && len(cmds) > 0 { // what waits is asked last
		if _, told := cmds[len(cmds)-1].(Notify); told { // by the hang-up handler; a disposition goes on being asked
			return s
		}
		s.Waits, s.Did = cmds[len(cmds)-1], cmds[:len(cmds)-1]
	}
	return s
}

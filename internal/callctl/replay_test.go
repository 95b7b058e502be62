package callctl_test

import (
	"encoding/json"
	"reflect"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

// replayed checks that every run that was kept can be replayed exactly, and that
// a dry run of its own flow leads the call where it went.
func (r *rig) replayed() {
	r.t.Helper()
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	for _, c := range r.book.closed {
		b, err := json.Marshal(c.Run)
		if err != nil {
			r.t.Fatal(err)
		}
		var was routing.Run
		if err := json.Unmarshal(b, &was); err != nil {
			r.t.Fatal(err)
		}
		if c.Run.Flow != "main" || c.Run.Version > len(r.published) {
			continue // of the hub's own
		}
		if !c.Run.Ended && c.Run.At == "" {
			continue // goes on elsewhere, and is kept there
		}
		flow := r.published[c.Run.Version-1]
		stands, err := routing.Replay(flow, was)
		if err != nil {
			r.t.Errorf("%s: %v", c.ID, err)
			continue
		}
		again, err := json.Marshal(stands[len(stands)-1].Run)
		if err != nil {
			r.t.Fatal(err)
		}
		if string(again) != string(b) {
			r.t.Errorf("%s was\n%s\nand is replayed as\n%s", c.ID, b, again)
		}
		v := sim.Dry(r.t.Context(), sim.Anywhere, flow, flow, sim.Past{Call: c.ID, Run: was, ConnectedAt: c.ConnectedAt, EndedAt: c.At, Talked: c.Talked})
		if v.Verdict != sim.Same || !reflect.DeepEqual(v.Becomes.Path, v.Was.Path) {
			r.t.Errorf("%s: %+v", c.ID, v)
		}
	}
}

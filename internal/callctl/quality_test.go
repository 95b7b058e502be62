package callctl_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/callctl"
)

// TestQuality: how each leg was goes into the call's record, whoever ended first.
func TestQuality(t *testing.T) {
	ends := map[string]func(caller, ann *phone){
		"the caller": func(caller, _ *phone) { caller.hangUp() },
		"the rep":    func(_, ann *phone) { ann.hangUp() },
	}
	for who, end := range ends {
		t.Run(who+" hangs up", func(t *testing.T) {
			story(t, func(r *rig) {
				ann, other, id := r.callsOut(outside)
				caller := ann
				end(caller, other)
				r.pass(2 * time.Second)
				c, ok := r.book.closing(id)
				if !ok {
					t.Fatal("not closed")
				}
				legs := map[string]callctl.Heard{}
				for _, h := range c.Heard {
					legs[string(h.Leg)] = h
				}
				a, b := legs[string(ann.ID())], legs[string(other.ID())]
				if len(c.Heard) != 2 || a.Agent != "ann" || a.Codec != "PCMU" || a.Sent == 0 || a.MOS != 4.4 || b.Agent != "" || b.Sent == 0 {
					t.Errorf("%+v", c.Heard)
				}
			})
		})
	}
}

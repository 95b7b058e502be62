package callctl_test

import (
	"errors"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/queues"
)

// desks are two queues: bea serves the one, carl the other.
func (r *rig) desks() {
	r.serve(queues.Queue{Name: "desk", Music: "line", Ring: 10 * time.Second, Retry: 2 * time.Second, WrapUp: 20 * time.Second}, "bea")
	r.serve(queues.Queue{Name: "help", Music: "jazz", Ring: 10 * time.Second, Retry: 2 * time.Second, WrapUp: 5 * time.Second}, "carl")
	r.phone.has("bea", device{does: "never"})
	r.phone.has("carl", answersAfter(2*time.Second))
	r.flow(queueFlow)
}

func (r *rig) waiting() (all []queues.Entry) {
	all, _ = r.lines.Waiting(r.t.Context(), "")
	return all
}

func (r *rig) notWaiting(what string, err error) {
	r.t.Helper()
	var gone *queues.NotWaitingError
	if !errors.As(err, &gone) {
		r.t.Errorf("%s: %v", what, err)
	}
}

func TestChangesQueues(t *testing.T) {
	t.Run("the caller is answered from the other line, with the clock and the phones of it", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			p := r.calls()
			r.pass(4 * time.Second)
			id := r.book.lastBegun()
			bea := r.phone.calls("bea")[0]
			joined := r.waiting()[0].JoinedAt
			e, err := r.hub.Switch(r.t.Context(), id, "desk", "help", eva)
			if err != nil || e.Queue != "help" || !e.JoinedAt.Equal(joined) {
				r.t.Errorf("entry %+v, %v", e, err)
			}
			r.pass(time.Second)
			r.is("bea's phone has stopped", bea.over(), true)
			r.is("bea", r.state("bea"), queues.Idle)
			r.hear(p, "music:jazz")
			r.pass(3 * time.Second)
			carl := r.phone.calls("carl")[0]
			r.talking(p, carl)
			carl.hangUp()
			r.pass(6 * time.Second)
			r.is("wrap-up of the other queue", r.state("carl"), queues.Idle)
			left := r.book.about(id, call.QueueLeft)
			r.is("left", []any{left[0].Data["outcome"], left[0].Data["to"], left[0].Actor.User, left[1].Data["outcome"]}, []any{"moved", "help", "eva", "answered"})
			r.outcome(id, "answered")
		})
	})
	t.Run("the node's longest wait and its keys go on", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.phone.has("carl", device{does: "never"})
			one, two := r.calls(), r.calls()
			r.pass(30 * time.Second)
			for _, o := range r.book.begun {
				if _, err := r.hub.Switch(r.t.Context(), o.ID, "desk", "help", eva); err != nil {
					r.t.Error(err)
				}
			}
			two.press("0")
			r.pass(time.Second)
			r.is("by a key", two.hasHeard("leave-message"), true)
			r.is("the other one waits", one.hasHeard("leave-message"), false)
			r.pass(30 * time.Second)
			r.is("time is up", one.hasHeard("leave-message"), true)
			one.hangUp()
			two.hangUp()
		})
	})
	t.Run("a queue that takes nobody leaves the caller in theirs, whose phones ring on", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.away("carl", "lunch")
			r.phone.has("bea", answersAfter(5*time.Second))
			p := r.calls()
			r.pass(2 * time.Second)
			id := r.book.lastBegun()
			var refused *queues.RefusedError
			_, err := r.hub.Switch(r.t.Context(), id, "desk", "help", eva)
			r.is("refused", errors.As(err, &refused) && refused.Why == "all_away", true)
			_, err = r.hub.Switch(r.t.Context(), id, "desk", "none", eva)
			var unknown *queues.UnknownError
			r.is("no such queue", errors.As(err, &unknown), true)
			_, err = r.hub.Switch(r.t.Context(), id, "help", "desk", eva)
			r.notWaiting("not in that queue", err)
			r.pass(5 * time.Second)
			r.talking(p, r.phone.calls("bea")[0])
			_, err = r.hub.Switch(r.t.Context(), id, "desk", "help", eva)
			r.notWaiting("answered", err)
			r.notWaiting("answered", r.hub.Withdraw(r.t.Context(), id, "desk", eva))
			p.hangUp()
		})
	})
	// switching is a move that the database takes a second for.
	switching := func(r *rig, id call.ID) chan error {
		r.db.set(func(d *database) { d.slow["switch"] = time.Second })
		done := make(chan error, 1)
		go func() {
			_, err := r.hub.Switch(r.t.Context(), id, "desk", "help", eva)
			done <- err
		}()
		r.pass(500 * time.Millisecond)
		return done
	}
	t.Run("whoever answers meanwhile has the caller, and the other line does not keep them", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.phone.has("bea", answersAfter(3*time.Second))
			p := r.calls()
			r.pass(2600 * time.Millisecond)
			done := switching(r, r.book.lastBegun())
			r.pass(2 * time.Second)
			r.notWaiting("the manager is told", <-done)
			r.talking(p, r.phone.calls("bea")[0])
			r.is("bea", r.state("bea"), queues.Talking)
			r.is("nobody waits", len(r.waiting()), 0)
			p.hangUp()
		})
	})
	t.Run("the hang-up crosses the move", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			p := r.calls()
			r.pass(2 * time.Second)
			id := r.book.lastBegun()
			done := switching(r, id)
			p.hangUp()
			r.pass(2 * time.Second)
			r.notWaiting("the manager is told", <-done)
			r.is("nobody waits", len(r.waiting()), 0)
			left := r.book.about(id, call.QueueLeft)
			r.is("abandoned in the end", left[len(left)-1].Data["outcome"], "abandoned")
		})
	})
	t.Run("a move that we do not hear of is found out", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"not known whether the call has changed queues"}
			r.desks()
			p := r.calls()
			r.pass(2 * time.Second)
			r.db.set(func(d *database) { d.after["switch"] = func() { time.Sleep(4 * time.Second) } })
			_, err := r.hub.Switch(r.t.Context(), r.book.lastBegun(), "desk", "help", eva)
			r.is("not known", err != nil, true)
			r.db.set(func(d *database) { delete(d.after, "switch") })
			r.pass(10 * time.Second)
			carl := r.phone.calls("carl")
			r.talking(p, carl[len(carl)-1])
			p.hangUp()
		})
	})
	t.Run("a call in a slot changes queues too, and its entry knows when it changes slots", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.service()
			r.phone.has("carl", device{does: "never"})
			r.lot(fullLadder())
			r.phone.has("bea", device{does: "never"})
			p, id := r.parkedByAnn()
			r.pass(90 * time.Second)
			if _, err := r.hub.Switch(r.t.Context(), id, "desk", "help", eva); err != nil {
				r.t.Fatal(err)
			}
			r.hear(p, "music:hold")
			park := r.moves(id, "service", 0)
			e := r.waiting()[0]
			r.is("entry", []string{e.Queue, e.Park}, []string{"help", park.ID})
			if err := r.hub.Withdraw(r.t.Context(), id, "help", eva); err != nil {
				r.t.Error(err)
			}
			r.pass(time.Second)
			r.is("nobody waits", len(r.waiting()), 0)
			r.is("still parked", r.park().Slot, 801)
			r.hear(p, "music:jazz")
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"moved", "abandoned"})
		})
	})
}

func TestWithdrawn(t *testing.T) {
	t.Run("the flow goes on as after the longest wait, and the ledger says who did it", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			p := r.calls()
			r.pass(4 * time.Second)
			id := r.book.lastBegun()
			bea := r.phone.calls("bea")[0]
			if err := r.hub.Withdraw(r.t.Context(), id, "desk", eva); err != nil {
				r.t.Error(err)
			}
			r.pass(time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			r.is("bea's phone has stopped", bea.over(), true)
			left := r.book.about(id, call.QueueLeft)[0]
			r.is("left", []any{left.Data["outcome"], left.Actor.User}, []any{"withdrawn", "eva"})
			r.notWaiting("again", r.hub.Withdraw(r.t.Context(), id, "desk", eva))
			r.is("no such call", r.hub.Withdraw(r.t.Context(), "call_x", "desk", eva), callctl.ErrNoCall)
			p.hangUp()
		})
	})
}

package callctl_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

func TestDatabaseAway(t *testing.T) {
	for name, hangs := range map[string]bool{"refuses connections": false, "hangs": true} {
		t.Run(name+": parking is refused within seconds and not done minutes later", func(t *testing.T) {
			story(t, func(r *rig) {
				p, rep, id := r.talkingToAnn()
				r.db.set(func(d *database) { d.away, d.hangs = true, hangs })
				ref := rep.refer("700")
				r.pass(7 * time.Second)
				r.is("told", ref.status(), 500)
				r.talking(p, rep)
				r.pass(time.Minute)
				r.db.set(func(d *database) { d.away = false })
				r.pass(20 * time.Second)
				r.talking(p, rep)
				r.is("parked", r.parked(), 0)
				again := rep.refer("700")
				r.pass(time.Second)
				r.is("told", again.status(), 200)
				p.hangUp()
				r.pass(time.Second)
				r.is("asked twice", r.count(id, call.ParkRequested), 2)
			})
		})
		t.Run(name+": a parked caller stays, whoever wants them is refused", func(t *testing.T) {
			story(t, func(r *rig) {
				r.mayLog = []string{"claim failed"}
				p, id := r.parkedCall()
				r.db.set(func(d *database) { d.away, d.hangs = true, hangs })
				rep := r.dials("ann", "701")
				ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Second)
				defer cancel()
				_, err := r.hub.Retrieve(ctx, parking.Target{Lot: "sales", Slot: 701}, "bea")
				r.is("retrieved", err != nil, true)
				r.pass(6 * time.Second)
				cause, _ := rep.told()
				r.is("rep", cause, call.Failed)
				r.hear(p, "music:hold")
				r.db.set(func(d *database) { d.away = false })
				r.pass(6 * time.Second)
				rep = r.dials("ann", "701")
				r.pass(time.Second)
				r.talking(p, rep)
				p.hangUp()
				r.pass(time.Second)
				r.is("reasons", r.reasons(id), []string{"retrieved_other"})
			})
		})
		t.Run(name+": the end of a call is written when it is back", func(t *testing.T) {
			story(t, func(r *rig) {
				p, id := r.parkedCall()
				r.db.set(func(d *database) { d.away, d.hangs = true, hangs })
				p.hangUp()
				r.pass(time.Minute)
				_, closed := r.book.closing(id)
				r.is("closed", closed, false)
				r.db.set(func(d *database) { d.away = false })
				r.pass(10 * time.Second)
				r.is("reasons", r.reasons(id), []string{"abandoned"})
				r.outcome(id, "abandoned")
			})
		})
	}
	t.Run("who talks goes on talking though the claim lapses before it is spent", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayFind = []string{"claim_lapsed"}
			p, id := r.parkedCall()
			rep := r.dialsWith("ann", "701", func(p *phone) { p.ack = time.Second })
			r.pass(500 * time.Millisecond)
			r.db.set(func(d *database) { d.away = true })
			r.pass(20 * time.Second)
			r.talking(p, rep)
			_, _ = r.parks.Check(r.t.Context(), time.Now()) // another node's checker is quicker
			r.db.set(func(d *database) { d.away = false })
			r.pass(10 * time.Second)
			r.talking(p, rep)
			r.is("parked", r.parked(), 0)
			rep.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
		})
	})
	t.Run("a terminal step waits for the database", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"park not expired"}
			p, id := r.parkedCall()
			at := r.park().Deadline
			r.db.set(func(d *database) { d.slow["end"] = 20 * time.Second }) // longer than anyone waits
			r.pass(time.Until(at) + 6*time.Second)
			r.hear(p, "music:hold")
			r.db.set(func(d *database) { delete(d.slow, "end") })
			r.pass(10 * time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			r.is("reasons", r.reasons(id), []string{"expired_voicemail"})
			p.hangUp()
		})
	})
	t.Run("a slot that was given but never heard of is given back", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			r.db.set(func(d *database) { d.after["put"] = func() { time.Sleep(5 * time.Second) } })
			ref := rep.refer("700")
			r.pass(10 * time.Second)
			r.is("told", ref.status(), 500)
			r.talking(p, rep)
			r.is("parked", r.parked(), 0)
			p.hangUp()
		})
	})
	t.Run("a place in line that was given but never heard of is given back", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"not queued"}
			r.serve(queues.Queue{Name: "desk"}, "ann")
			r.flow(queueFlow)
			r.db.set(func(d *database) { d.after["join"] = func() { time.Sleep(5 * time.Second) } })
			p := r.calls()
			r.pass(15 * time.Second)
			r.is("the caller's leg", p.over(), true)
		})
	})
	t.Run("phones ring although nobody can be reserved", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"agents not reserved"}
			r.flow(dialAnn)
			r.phone.has("ann", answersAfter(time.Second))
			r.db.set(func(d *database) { d.away = true })
			p := r.calls()
			r.pass(5 * time.Second)
			r.is("ann was rung", len(r.phone.calls("ann")), 1)
			r.is("the caller's leg", p.over(), false)
			r.db.set(func(d *database) { d.away = false })
			r.pass(7 * time.Second)
			p.hangUp()
		})
	})
}

func TestStop(t *testing.T) {
	t.Run("ends parked, ringing and talking calls, and waits for what they write", func(t *testing.T) {
		story(t, func(r *rig) {
			parked, id := r.parkedCall()
			talking, rep, _ := r.talkingToAnn()
			r.flow(`"in": {"type": "dial", "cfg": {"targets": ["agent:bea"]}, "on": {"default": "bye"}}`)
			r.phone.has("bea", device{does: "never"})
			ringing := r.calls()
			r.pass(time.Second)
			taking := r.dialsWith("carl", "701", func(p *phone) { p.ack = -1 })
			r.pass(time.Second)
			r.db.set(func(d *database) { d.away = true })
			time.AfterFunc(5*time.Second, func() { r.db.set(func(d *database) { d.away = false }) })
			ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
			defer cancel()
			if err := r.hub.Stop(ctx); err != nil {
				r.t.Fatal(err)
			}
			for _, p := range []*phone{parked, talking, rep, ringing, taking} {
				r.is(p.name, p.over(), true)
			}
			r.is("reasons", r.reasons(id), []string{"failed"})
			late, dial := r.calls(), r.dials("ann", "701")
			r.pass(time.Second)
			for _, p := range []*phone{late, dial} {
				cause, _ := p.told()
				r.is("who comes later", cause, call.Shutdown)
			}
		})
	})
	t.Run("waits for a call that has ended and is not yet written", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			r.db.set(func(d *database) { d.away = true })
			p.hangUp()
			r.pass(time.Second)
			time.AfterFunc(5*time.Second, func() { r.db.set(func(d *database) { d.away = false }) })
			ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
			defer cancel()
			if err := r.hub.Stop(ctx); err != nil {
				r.t.Fatal(err)
			}
			r.is("reasons", r.reasons(id), []string{"abandoned"})
		})
	})
	t.Run("does not wait longer than it may", func(t *testing.T) {
		story(t, func(r *rig) {
			p, _ := r.parkedCall()
			p.bye = 30 * time.Second
			ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
			defer cancel()
			r.is("in time", errors.Is(r.hub.Stop(ctx), context.DeadlineExceeded), true)
		})
	})
}

func TestPanic(t *testing.T) {
	for _, method := range []string{"music", "play"} {
		t.Run("of the media engine's "+method+" ends only that call", func(t *testing.T) {
			story(t, func(r *rig) {
				r.mayLog = []string{"panic in a call"}
				other, _ := r.parkedCall()
				p := r.callsWith(func(p *phone) { p.tape.bomb = method })
				r.pass(5 * time.Second)
				r.is("leg", p.over(), true)
				r.outcome(r.book.lastBegun(), "failed")
				r.hear(other, "music:hold")
				other.hangUp()
			})
		})
	}
	t.Run("while a rep is being joined", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"panic in a call"}
			p, id := r.parkedCall()
			p.tape.bomb = "join"
			rep := r.dials("ann", "701")
			r.pass(time.Second)
			r.is("caller's leg", p.over(), true)
			r.is("rep's leg", rep.over(), true)
			r.is("reasons", r.reasons(id), []string{"failed"})
		})
	})
	t.Run("while the call is being ended", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"panic in a call"}
			p, rep, id := r.talkingToAnn()
			rep.with(func() { rep.bomb = true })
			p.hangUp()
			r.pass(time.Second)
			r.is("rep's leg", rep.over(), true)
			r.outcome(id, "answered")
		})
	})
	t.Run("of the directory counts as no answer", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"panic in a call"}
			r.mu.Lock()
			r.crmBomb = true
			r.mu.Unlock()
			r.flow(`"in": {"type": "crm_lookup", "on": {"default": "park"}}, "park": {"type": "park", "cfg": {"lot": "sales"}, "on": {"default": "bye"}}`)
			p := r.calls()
			r.pass(2 * time.Second)
			r.hear(p, "music:hold")
			p.hangUp()
		})
	})
	t.Run("of the dialler counts as nobody there", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"panic in a call"}
			r.flow(dialAnn)
			r.phone.has("ann", device{does: "explode"})
			p := r.calls()
			r.pass(2 * time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			r.is("ann", r.state("ann"), queues.Idle)
			p.hangUp()
		})
	})
}

package callctl_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// TestRandomDay lets callers and reps do as they like, with phones that behave
// badly and a database that goes away. Whatever they do, nothing is left over.
func TestRandomDay(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			story(t, func(r *rig) { r.randomDay(rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

const everyNode = `"in": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 60, "ladder": [
		{"after_s": 5, "do": "remind", "to": "parker"}, {"after_s": 8, "do": "recall", "to": "parker", "ring_s": 5},
		{"after_s": 12, "do": "offer", "to": "team:sales", "ring_s": 6}, {"after_s": 20, "do": "enqueue", "queue": "desk"},
		{"after_s": 60, "do": "goto", "outcome": "expired"}]},
		"on": {"retrieved": "dial", "expired": "line", "full": "line", "failed": "dial"}},
	"dial": {"type": "dial", "cfg": {"targets": ["agent:ann", "agent:bea"], "ring_s": 6}, "on": {"answered": "bye", "default": "line"}},
	"line": {"type": "queue", "cfg": {"queue": "desk", "max_wait_s": 40, "exit_keys": {"0": "exit_key"}}, "on": {"answered": "bye", "default": "vm"}},` + voicemail

func (r *rig) randomDay(rnd *rand.Rand) {
	r.mayLog = []string{"claim failed", "agents not reserved", "not queued", "park not expired"}
	r.mayFind = []string{"claim_lapsed", "was past its time", "no_deadline", "reservation_left"}
	r.lot(parking.Lot{
		Name: "sales", Extension: "700", First: 701, Last: 703, Music: "hold", MaxPark: 50 * time.Second, Claim: 3 * time.Second, CoolDown: parking.Off,
		OnExpired: "queue:desk", Ladder: []parking.Step{
			{After: 5 * time.Second, Do: parking.Recall, To: "parker", Ring: 5 * time.Second},
			{After: 12 * time.Second, Do: parking.Offer, To: "team:sales", Ring: 6 * time.Second},
			{After: 20 * time.Second, Do: parking.Enqueue, Queue: "desk"},
		},
	})
	r.serve(queues.Queue{
		Name: "desk", Ring: 6 * time.Second, Retry: time.Second, WrapUp: 2 * time.Second,
		Strategy: []string{queues.LongestIdle, queues.RingAll}[rnd.IntN(2)],
	}, "ann", "bea", "carl")
	if rnd.IntN(2) == 0 {
		r.flow(everyNode)
	} else {
		r.flow(dialAnn)
	}
	reps := []string{"ann", "bea", "carl"}
	one := func() string { return reps[rnd.IntN(3)] }
	manners := func() {
		for _, who := range append([]string{outside}, reps...) {
			var ds []device
			for range rnd.IntN(3) {
				ds = append(ds, device{
					does:  []string{"answer", "answer", "answer", "busy", "reject", "never", "gone"}[rnd.IntN(7)],
					after: time.Duration(rnd.IntN(60)) * 100 * time.Millisecond, bye: time.Duration(1+rnd.IntN(300)) * time.Millisecond, crosses: rnd.IntN(3) == 0,
				})
			}
			r.phone.has(who, ds...)
		}
	}
	pick := func(which func(*phone) bool) *phone {
		r.phone.mu.Lock()
		defer r.phone.mu.Unlock()
		var found []*phone
		r.mu.Lock()
		for _, p := range append(append([]*phone{}, r.inbound...), r.phone.rung...) {
			if !p.over() && which(p) {
				found = append(found, p)
			}
		}
		r.mu.Unlock()
		if len(found) == 0 {
			return nil
		}
		return found[rnd.IntN(len(found))]
	}
	rep := func(p *phone) bool { return p.name != "caller" && p.name != outside && p.isUp() }
	everybody := func(*phone) bool { return true }
	slot := func() string { return fmt.Sprint(700 + rnd.IntN(5)) }
	quirks := func(p *phone) {
		p.ack = time.Duration(rnd.IntN(4000)-200) * time.Millisecond
		p.bye = time.Duration(1+rnd.IntN(200)) * time.Millisecond
	}
	deeds := []func(){
		func() { r.callsWith(quirks) }, func() { r.callsWith(quirks) }, func() { r.callsWith(quirks) },
		manners,
		func() { r.dialsWith(one(), slot(), quirks) }, func() { r.dialsWith(one(), slot(), quirks) },
		func() { r.dialsWith(one(), one(), quirks) },
		func() { r.dialsWith(one(), outside, quirks) },
		func() { r.dialsWith(one(), "700", quirks) },
		func() {
			if p := pick(everybody); p != nil {
				r.picksUp(one(), p, quirks)
			}
		},
		func() {
			if p := pick(everybody); p != nil {
				p.hangUp()
			}
		},
		func() {
			if p := pick(rep); p != nil {
				p.refer([]string{"700", slot(), one(), "nobody"}[rnd.IntN(4)])
			}
		},
		func() {
			if p := pick(rep); p != nil {
				p.refer([]string{"700", one()}[rnd.IntN(2)])
				p.hangUp()
			}
		},
		func() {
			if p := pick(rep); p != nil {
				p.press("*7")
			}
		},
		func() {
			p := pick(rep)
			if p == nil {
				return
			}
			if q := pick(func(q *phone) bool { return rep(q) && (q.name == p.name || rnd.IntN(20) == 0) }); q != p {
				p.replaces(q)
				if rnd.IntN(3) == 0 {
					[]*phone{p, q}[rnd.IntN(2)].hangUp()
				}
			}
		},
		func() {
			if p := pick(everybody); p != nil {
				p.press([]string{"0", "#", "5"}[rnd.IntN(3)])
			}
		},
		func() {
			if p := pick(func(p *phone) bool { return p.isUp() }); p != nil {
				p.hold(rnd.IntN(2) == 0)
			}
		},
		func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			agent, target := one(), parking.Target{Lot: "sales", Slot: 701 + rnd.IntN(3)}
			go func() {
				defer cancel()
				_, _ = r.hub.Retrieve(ctx, target, agent)
			}()
		},
		func() {
			for _, live := range r.hub.Live() {
				if live.State == "talking" && rnd.IntN(2) == 0 {
					ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
					go func() {
						defer cancel()
						_, _ = r.hub.Park(ctx, live.ID, "sales", 0, call.Actor{Via: "rest"})
					}()
				}
			}
		},
		func() {
			delay := time.Duration(rnd.IntN(1500)) * time.Millisecond
			op := []string{"put", "claim", "end", "book", "reserve", "join", "answer", "free", "release", "talk", "extend"}[rnd.IntN(11)]
			r.db.set(func(d *database) { clear(d.slow); d.slow[op] = delay })
		},
		func() {
			if rnd.IntN(4) == 0 {
				hangs := rnd.IntN(2) == 0
				r.db.set(func(d *database) { d.away, d.hangs = true, hangs })
				time.AfterFunc(time.Duration(rnd.IntN(12))*time.Second, func() { r.db.set(func(d *database) { d.away = false }) })
			}
		},
	}
	manners()
	for range 150 {
		deeds[rnd.IntN(len(deeds))]()
		r.pass(time.Duration(rnd.IntN(1500)) * time.Millisecond)
		r.oneEar()
	}
	r.db.set(func(d *database) { d.away = false; clear(d.slow) })
	r.pass(20 * time.Second)
	r.oneEar()
	for range 5 {
		for p := pick(everybody); p != nil; p = pick(everybody) {
			p.hangUp()
		}
		r.pass(10 * time.Second)
	}
}

// oneEar checks what holds at any time: whoever somebody talks to hears them.
func (r *rig) oneEar() {
	r.t.Helper()
	r.audio.Lock()
	defer r.audio.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.inbound {
		if q := p.tape.partner; q != nil && q.partner != p.tape {
			r.t.Errorf("%s hears %s, who hears %s", p.name, q.owner, q.what)
		}
	}
}

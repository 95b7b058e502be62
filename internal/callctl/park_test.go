package callctl_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

const (
	voicemail = `"vm": {"type": "voicemail", "cfg": {"box": "sales", "max_s": 20}, "on": {"default": "bye"}}`
	// parkFlow answers, greets and parks.
	parkFlow = `"in": {"type": "answer", "on": {"next": "hi"}},
		"hi": {"type": "play", "cfg": {"prompt": "welcome"}, "on": {"next": "park"}},
		"park": {"type": "park", "cfg": {"lot": "sales"}, "on": {"retrieved": "bye", "expired": "vm", "full": "vm", "failed": "vm"}},` + voicemail
	// dialAnn rings ann, and takes a message when she does not answer.
	dialAnn = `"in": {"type": "dial", "cfg": {"targets": ["agent:ann"], "ring_s": 20}, "on": {"answered": "bye", "default": "vm"}},` + voicemail
)

// parkedCall is a caller whom the flow has parked, for ten seconds already.
func (r *rig) parkedCall() (*phone, call.ID) {
	r.t.Helper()
	r.flow(parkFlow)
	p := r.calls()
	r.pass(11 * time.Second)
	r.hear(p, "music:hold")
	return p, r.book.lastBegun()
}

// talkingToAnn is a caller who talks to ann on her phone.
func (r *rig) talkingToAnn() (*phone, *phone, call.ID) {
	r.t.Helper()
	r.flow(dialAnn)
	r.phone.has("ann", answersAfter(time.Second))
	p := r.calls()
	r.pass(3 * time.Second)
	rep := r.phone.calls("ann")[0]
	r.talking(p, rep)
	r.phone.has("ann")
	return p, rep, r.book.lastBegun()
}

// parkedByAnn is a caller whom ann parked with her keys, and who waits since five seconds.
func (r *rig) parkedByAnn() (*phone, call.ID) {
	r.t.Helper()
	p, rep, id := r.talkingToAnn()
	rep.press("*7")
	r.pass(5 * time.Second)
	r.hear(p, "music:hold")
	return p, id
}

func TestParkedByTheFlow(t *testing.T) {
	t.Run("the caller hears the welcome and then music, and is abandoned once", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			r.is("welcomed", p.hasHeard("clip:welcome"), true)
			r.is("slot", r.park().Slot, 701)
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"abandoned"})
			r.outcome(id, "abandoned")
		})
	})
	t.Run("the hang-up crosses the request for the slot", func(t *testing.T) {
		story(t, func(r *rig) {
			r.db.set(func(d *database) { d.slow["put"] = time.Second })
			r.flow(parkFlow)
			p := r.calls()
			r.pass(1500 * time.Millisecond)
			r.hear(p, "music:hold")
			p.hangUp()
			r.pass(3 * time.Second)
			r.is("reasons", r.reasons(r.book.lastBegun()), []string{"abandoned"})
		})
	})
	t.Run("a full lot is an outcome of the flow", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(parking.Lot{Name: "sales", First: 701, Last: 701, Music: "hold"})
			first, _ := r.parkedCall()
			second := r.calls()
			r.pass(2 * time.Second)
			id := r.book.lastBegun()
			r.is("second is asked for a message", second.hears(), "clip:leave-message+beep")
			r.pass(4 * time.Second)
			second.hangUp()
			r.hear(first, "music:hold")
			first.hangUp()
			r.pass(time.Second)
			r.outcome(id, "voicemail")
		})
	})
	t.Run("the terminal step takes the caller on", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			r.pass(291 * time.Second)
			r.is("parked", r.parked(), 0)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			r.pass(5 * time.Second)
			p.press("#")
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"expired_voicemail"})
			r.is("hung up", p.over(), true)
			r.outcome(id, "voicemail")
		})
	})
}

func TestSlotDial(t *testing.T) {
	t.Run("who dials the slot is joined at once, and it is theirs with the ACK", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			rep := r.dialsWith("ann", "701", func(p *phone) { p.ack = time.Second })
			r.pass(100 * time.Millisecond)
			r.is("200 sent", rep.wasAnswered(), true)
			r.talking(p, rep)
			r.is("state before the ACK", r.park().State, parking.StateClaimed)
			r.is("shown", rep.shown.Number, caller)
			r.pass(2 * time.Second)
			r.talking(p, rep)
			r.is("parked", r.parked(), 0)
			r.is("ann", r.state("ann"), queues.Talking)
			rep.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
			r.outcome(id, "answered")
		})
	})
	t.Run("a retriever who vanishes before the ACK leaves the caller where they were", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			before := r.park()
			rep := r.dialsWith("ann", "701", func(p *phone) { p.ack = -1 })
			r.pass(time.Second)
			rep.hangUp()
			r.pass(time.Second)
			after := r.park()
			r.hear(p, "music:hold")
			r.is("clock", after.ParkedAt, before.ParkedAt)
			r.is("state", after.State, parking.StateParked)
			r.is("released", r.count(id, call.ParkReleased), 1)
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"abandoned"})
		})
	})
	t.Run("the caller hangs up between the 200 and the ACK", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			rep := r.dialsWith("ann", "701", func(p *phone) { p.ack = -1 })
			r.pass(time.Second)
			p.hangUp()
			r.pass(time.Second)
			r.is("rep's leg", rep.over(), true)
			r.is("reasons", r.reasons(id), []string{"abandoned"})
		})
	})
	t.Run("of fifty who dial at once one wins and the others learn who", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			var reps []*phone
			for i := range 50 {
				name := fmt.Sprintf("rep%02d", i)
				r.agent(name)
				reps = append(reps, r.newPhone(name, true))
			}
			var all sync.WaitGroup
			for _, rep := range reps {
				all.Go(func() {
					r.hub.Incoming(callctl.Incoming{Leg: rep, Agent: rep.name, From: callctl.Party{Agent: rep.name}, To: "701", At: time.Now()})
				})
			}
			all.Wait()
			r.pass(time.Second)
			var winner *phone
			for _, rep := range reps {
				if rep.isUp() {
					if winner != nil {
						r.t.Errorf("%s and %s both won", winner.name, rep.name)
					}
					winner = rep
				}
			}
			if winner == nil {
				r.t.Fatal("nobody won")
			}
			r.talking(p, winner)
			for _, rep := range reps {
				if cause, note := rep.told(); rep != winner && (cause != call.Gone || !strings.Contains(note, winner.name)) {
					r.t.Errorf("%s was told %s %q", rep.name, cause, note)
				}
			}
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
		})
	})
	for visibility, may := range map[string][]string{"all": {"ann", "bea"}, "team": {"ann"}, "parker": {}} {
		t.Run("a call for "+visibility+" is for whoever that is, and for whom the ladder offers it to", func(t *testing.T) {
			story(t, func(r *rig) {
				r.crm[caller] = crm.Record{Kind: "contact", Owner: "carl"}
				bea, err := r.lines.Agent(t.Context(), "bea")
				if err != nil {
					t.Fatal(err)
				}
				bea.Teams = []string{"service"}
				if err := r.lines.SaveAgent(t.Context(), bea); err != nil {
					t.Fatal(err)
				}
				r.flow(`"in": {"type": "crm_lookup", "on": {"default": "p"}}, "p": {"type": "park", "cfg": {"lot": "sales", "owner": "owner", "visibility": "` + visibility + `", "max_park_s": 60,
					"ladder": [{"after_s": 20, "do": "offer", "to": "agent:bea", "ring_s": 10}, {"after_s": 60, "do": "goto", "outcome": "expired"}]}, "on": {"default": "bye"}}`)
				r.phone.has("bea", answersAfter(time.Second))
				for _, who := range []string{"ann", "bea"} {
					p := r.calls()
					r.pass(2 * time.Second)
					rep := r.dials(who, "701")
					r.pass(time.Second)
					cause, note := rep.told()
					if slices.Contains(may, who) {
						r.talking(p, rep)
					} else if cause != call.Forbidden || !strings.Contains(note, "carl") {
						t.Errorf("%s is told %s %q", who, cause, note)
					}
					if !slices.Contains(may, who) && who == "bea" { // it is offered to her
						r.pass(20 * time.Second)
						r.talking(p, r.phone.calls("bea")[len(r.phone.calls("bea"))-1])
					}
					p.hangUp()
					r.pass(time.Minute)
				}
			})
		})
	}
	t.Run("an empty slot is refused, and dialling it parks nobody", func(t *testing.T) {
		story(t, func(r *rig) {
			rep := r.dials("ann", "702")
			ext := r.dials("ann", "700")
			r.pass(time.Second)
			cause, _ := rep.told()
			r.is("slot", cause, call.Gone)
			r.is("the extension's number is read", ext.hasHeard("clip:parked-at+70"), true)
			r.is("parked", r.parked(), 0)
			ext.hangUp()
		})
	})
	t.Run("an ACK that never comes does not stop others once the claim has lapsed", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayFind = []string{"claim_lapsed"}
			p, id := r.parkedCall()
			first := r.dialsWith("ann", "701", func(p *phone) { p.ack = -1 })
			r.pass(11 * time.Second)
			second := r.dials("bea", "701")
			r.pass(time.Second)
			r.talking(p, second)
			r.is("first", first.over(), true)
			first.confirm()
			r.pass(time.Second)
			r.talking(p, second)
			second.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
		})
	})
	t.Run("a late ACK cannot part who took the lapsed claim over", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayFind = []string{"claim_lapsed"}
			r.lot(parking.Lot{
				Name: "sales", First: 701, Last: 703, Music: "hold", MaxPark: 300 * time.Second,
				Ladder: []parking.Step{{After: 10 * time.Second, Do: parking.Offer, To: "agent:bea", Ring: 30 * time.Second}},
			})
			r.phone.has("bea", answersAfter(13*time.Second))
			p, _ := r.parkedByAnn()
			r.pass(6 * time.Second) // bea rings, and answers at 26 s
			first := r.dialsWith("ann", "701", func(p *phone) { p.ack = 13 * time.Second })
			r.pass(15 * time.Second)
			bea := r.phone.calls("bea")
			if len(bea) != 1 || !bea[0].isUp() {
				r.t.Fatalf("bea was not connected: %v", r.ledger(r.book.lastBegun()))
			}
			r.talking(p, bea[0])
			r.is("first", first.over(), true)
			p.hangUp()
		})
	})
}

func TestRefer(t *testing.T) {
	for _, to := range []string{"700", "702"} {
		t.Run("to "+to+" parks, and tells the rep where", func(t *testing.T) {
			story(t, func(r *rig) {
				p, rep, id := r.talkingToAnn()
				r.db.set(func(d *database) { d.slow["put"] = time.Second })
				ref := rep.refer(to)
				r.pass(500 * time.Millisecond)
				r.is("told before the commit", ref.status(), 0)
				r.talking(p, rep)
				r.pass(time.Second)
				r.is("told", ref.status(), 200)
				r.hear(p, "music:hold")
				want := map[string]string{"700": "701", "702": "702"}[to]
				r.hear(rep, "clip:parked-at+"+want)
				r.pass(3 * time.Second)
				r.is("rep's leg", rep.over(), true)
				park := r.park()
				r.is("parker", park.Parker, "ann")
				r.is("via", park.Via, "refer")
				back := r.dials("ann", want)
				r.pass(time.Second)
				r.talking(p, back)
				back.hangUp()
				r.pass(time.Second)
				r.is("reasons", r.reasons(id), []string{"retrieved_parker"})
				r.outcome(id, "answered")
			})
		})
	}
	t.Run("the rep hangs up while the slot is being asked for", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			r.db.set(func(d *database) { d.slow["put"] = time.Second })
			ref := rep.refer("700")
			r.pass(100 * time.Millisecond)
			rep.hangUp()
			r.pass(100 * time.Millisecond)
			r.hear(p, "music:hold")
			r.pass(2 * time.Second)
			r.is("told", ref.status(), 200)
			r.hear(p, "music:hold")
			r.is("parker", r.park().Parker, "ann")
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"abandoned"})
			r.outcome(id, "answered")
		})
	})
	t.Run("into a full lot is refused, and the two go on talking", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(parking.Lot{Name: "sales", Extension: "700", First: 701, Last: 701, Music: "hold"})
			first, _ := r.parkedCall()
			p, rep, _ := r.talkingToAnn()
			for _, to := range []string{"700", "701"} {
				ref := rep.refer(to)
				r.pass(time.Second)
				r.is("told", ref.status(), 486)
				r.talking(p, rep)
			}
			rep.press("*7")
			r.pass(300 * time.Millisecond)
			r.hear(rep, "clip:unavailable")
			r.pass(2 * time.Second)
			r.talking(p, rep)
			r.hear(first, "music:hold")
			rep.hangUp()
			first.hangUp()
		})
	})
	t.Run("a rep who hung up trusting is rung back when there was no slot", func(t *testing.T) {
		for _, there := range []bool{true, false} {
			story(t, func(r *rig) {
				r.lot(parking.Lot{Name: "sales", Extension: "700", First: 701, Last: 701, Music: "hold"})
				first, _ := r.parkedCall()
				p, rep, _ := r.talkingToAnn()
				r.db.set(func(d *database) { d.slow["put"] = time.Second })
				r.phone.has("ann", answersAfter(map[bool]time.Duration{true: time.Second, false: time.Hour}[there]))
				ref := rep.refer("700")
				r.pass(100 * time.Millisecond)
				rep.hangUp()
				r.pass(1500 * time.Millisecond)
				r.is("told", ref.status(), 486)
				r.hear(p, "music:hold")
				r.pass(30 * time.Second)
				if calls := r.phone.calls("ann"); there {
					r.talking(p, calls[len(calls)-1])
				} else {
					r.is("is asked for a message", p.hasHeard("leave-message"), true)
				}
				p.hangUp()
				first.hangUp()
			})
		}
	})
	t.Run("both may hold; both must come back", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, _ := r.talkingToAnn()
			p.hold(true)
			rep.hold(true)
			r.pass(time.Second)
			rep.hold(false)
			r.pass(time.Second)
			r.is("they talk although the caller still holds", p.hears() == "talk:"+rep.name, false)
			p.hold(false)
			r.pass(time.Second)
			r.talking(p, rep)
			p.hangUp()
		})
	})
	t.Run("somebody takes the call before its parker has heard where it is", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			var quick *phone
			r.db.set(func(d *database) {
				d.after["put"] = func() { // committed, but not told
					quick = r.dials("bea", "701")
					time.Sleep(50 * time.Millisecond)
				}
			})
			ref := rep.refer("700")
			r.pass(time.Second)
			r.is("told", ref.status(), 200)
			r.talking(p, quick)
			r.pass(5 * time.Second)
			r.talking(p, quick)
			r.is("the parker's leg", rep.over(), true)
			quick.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
		})
	})
}

func TestParkByHand(t *testing.T) {
	t.Run("over REST", func(t *testing.T) {
		story(t, func(r *rig) {
			p, rep, id := r.talkingToAnn()
			park, err := r.hub.Park(r.t.Context(), id, "sales", 0, call.Actor{Via: "rest"})
			if err != nil {
				r.t.Fatal(err)
			}
			r.is("parker", park.Parker, "ann")
			_, err = r.hub.Park(r.t.Context(), id, "sales", 0, call.Actor{Via: "rest"})
			r.is("again", errors.Is(err, callctl.ErrNotTalking), true)
			r.pass(3 * time.Second)
			r.is("rep's leg", rep.over(), true)
			r.hear(p, "music:hold")
			p.hangUp()
			r.pass(time.Second)
			_, err = r.hub.Park(r.t.Context(), id, "sales", 0, call.Actor{})
			r.is("after the end", errors.Is(err, callctl.ErrNoCall), true)
		})
	})
	t.Run("into a slot that is taken", func(t *testing.T) {
		story(t, func(r *rig) {
			first, _ := r.parkedCall()
			p, rep, id := r.talkingToAnn()
			_, err := r.hub.Park(r.t.Context(), id, "sales", 701, call.Actor{Via: "rest"})
			var occupied *parking.OccupiedError
			r.is("occupied", errors.As(err, &occupied), true)
			r.talking(p, rep)
			r.hear(first, "music:hold")
			_, err = r.hub.Park(r.t.Context(), id, "nowhere", 0, call.Actor{Via: "rest"})
			var unknown *parking.UnknownLotError
			r.is("unknown", errors.As(err, &unknown), true)
			rep.hangUp()
			first.hangUp()
		})
	})
	t.Run("again after a retrieve, with hold and resume between", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedByAnn()
			rep := r.dials("ann", "701")
			r.pass(time.Second)
			r.talking(p, rep)
			rep.hold(true)
			r.pass(100 * time.Millisecond)
			r.hear(p, "music:hold")
			rep.hold(false)
			r.pass(100 * time.Millisecond)
			r.talking(p, rep)
			rep.press("*7")
			r.pass(5 * time.Second)
			r.hear(p, "music:hold")
			r.is("another slot", r.park().Slot, 702)
			again := r.dials("bea", "702")
			r.pass(time.Second)
			r.talking(p, again)
			again.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_parker", "retrieved_other"})
			r.outcome(id, "answered")
		})
	})
	t.Run("an expired one goes where the lot says", func(t *testing.T) {
		story(t, func(r *rig) {
			r.serve(queues.Queue{Name: "desk"}, "bea")
			r.lot(parking.Lot{Name: "sales", First: 701, Last: 703, Music: "hold", MaxPark: 20 * time.Second, Ladder: []parking.Step{}, OnExpired: "queue:desk"})
			r.phone.has("bea", answersAfter(time.Second))
			p, id := r.parkedByAnn()
			r.pass(20 * time.Second)
			bea := r.phone.calls("bea")
			if len(bea) != 1 {
				r.t.Fatalf("bea was rung %d times", len(bea))
			}
			r.talking(p, bea[0])
			bea[0].hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"expired_transfer"})
		})
	})
}

func TestTerminalStepWaitsForAClaim(t *testing.T) {
	for name, gives := range map[string]bool{"and runs when it comes to nothing": true, "and never runs when the call was taken": false} {
		t.Run(name, func(t *testing.T) {
			story(t, func(r *rig) {
				r.lot(parking.Lot{Name: "sales", First: 701, Last: 703, Music: "hold", MaxPark: 20 * time.Second, Ladder: []parking.Step{}, OnExpired: "voicemail:x"})
				p, id := r.parkedByAnn()
				r.pass(10 * time.Second)
				rep := r.dialsWith("bea", "701", func(p *phone) { p.ack = 8 * time.Second })
				r.pass(7 * time.Second) // past the maximum
				r.talking(p, rep)
				r.is("still", r.park().State, parking.StateClaimed)
				if gives {
					rep.hangUp()
					r.pass(time.Second)
					r.is("is asked for a message", p.hasHeard("leave-message"), true)
					r.is("reasons", r.reasons(id), []string{"expired_voicemail"})
				} else {
					r.pass(5 * time.Second)
					r.talking(p, rep)
					r.is("reasons", r.reasons(id), []string{"retrieved_other"})
				}
				p.hangUp()
			})
		})
	}
	t.Run("who comes while it is written is refused, and nobody is cut off later", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayFind = []string{"claim_lapsed"}
			r.lot(parking.Lot{Name: "sales", First: 701, Last: 703, Music: "hold", MaxPark: 20 * time.Second, Ladder: []parking.Step{}, OnExpired: "voicemail:x"})
			p, id := r.parkedByAnn()
			r.db.set(func(d *database) { d.slow["end"] = time.Second })
			at := r.park().Deadline
			r.pass(time.Until(at) + 300*time.Millisecond)
			rep := r.dials("bea", "701")
			r.pass(3 * time.Second)
			cause, _ := rep.told()
			r.is("told", cause, call.Gone)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			r.is("reasons", r.reasons(id), []string{"expired_voicemail"})
			p.hangUp()
		})
	})
}

func TestRetrieveWithoutDialling(t *testing.T) {
	t.Run("the rep's phone rings and has the call", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			r.phone.has("ann", answersAfter(time.Second), device{does: "never"})
			park, err := r.hub.Retrieve(r.t.Context(), parking.Target{Lot: "sales", Slot: 701}, "ann")
			if err != nil {
				r.t.Fatal(err)
			}
			r.is("park", park.Call, id)
			r.pass(3 * time.Second)
			phones := r.phone.calls("ann")
			r.is("asked for by a click", phones[0].inv.AutoAnswer, true)
			r.talking(p, phones[0])
			r.is("the other phone", phones[1].over(), true)
			phones[0].hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
		})
	})
	t.Run("no phone, no answer, and no agent", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			_, err := r.hub.Retrieve(r.t.Context(), parking.Target{Park: r.park().ID}, "ann")
			r.is("no phone", errors.Is(err, callctl.ErrUnreachable), true)
			r.pass(time.Second)
			r.is("released", r.park().State, parking.StateParked)
			r.hear(p, "music:hold")

			r.phone.has("ann", device{does: "never"})
			_, err = r.hub.Retrieve(r.t.Context(), parking.Target{Park: r.park().ID}, "ann")
			r.is("rings", err, nil)
			r.pass(12 * time.Second)
			r.is("released again", r.park().State, parking.StateParked)
			r.is("ann", r.state("ann"), queues.Idle)
			r.hear(p, "music:hold")

			_, err = r.hub.Retrieve(r.t.Context(), parking.Target{Park: r.park().ID}, "nobody")
			var unknown *queues.UnknownError
			r.is("no agent", errors.As(err, &unknown), true)
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"abandoned"})
		})
	})
	t.Run("of two the quicker has it", func(t *testing.T) {
		story(t, func(r *rig) {
			p, _ := r.parkedCall()
			target := parking.Target{Lot: "sales", Slot: 701}
			r.phone.has("ann", answersAfter(time.Second))
			r.phone.has("bea", answersAfter(time.Second))
			if _, err := r.hub.Retrieve(r.t.Context(), target, "ann"); err != nil {
				r.t.Fatal(err)
			}
			_, err := r.hub.Retrieve(r.t.Context(), target, "bea")
			var gone *parking.NotParkedError
			if !errors.As(err, &gone) || gone.Taken == nil || gone.Taken.ClaimedBy.User != "ann" {
				r.t.Errorf("bea was told %v", err)
			}
			r.pass(2 * time.Second)
			r.talking(p, r.phone.calls("ann")[0])
			p.hangUp()
		})
	})
	t.Run("the caller hangs up while the phone rings", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			r.phone.has("ann", device{does: "never"})
			if _, err := r.hub.Retrieve(r.t.Context(), parking.Target{Lot: "sales", Slot: 701}, "ann"); err != nil {
				r.t.Fatal(err)
			}
			r.pass(time.Second)
			p.hangUp()
			r.pass(time.Second)
			r.is("ann's phone", r.phone.calls("ann")[0].over(), true)
			r.is("reasons", r.reasons(id), []string{"abandoned"})
		})
	})
}

func TestReconcile(t *testing.T) {
	t.Run("a park without its call is closed", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayFind = []string{"reconciled 1"}
			now := time.Now()
			_, err := r.parks.Put(context.Background(), parking.Park{Call: "call_gone", Node: "n1", Lot: "sales", ParkedAt: now})
			if err != nil {
				r.t.Fatal(err)
			}
			r.pass(6 * time.Second)
			r.is("reasons", r.reasons("call_gone"), []string{"abandoned_in_outage"})
		})
	})
}

package callctl_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

var eva = call.Actor{User: "eva", Via: "rest"}

// service is a second lot.
func (r *rig) service() {
	r.lot(parking.Lot{Name: "service", First: 801, Last: 802, Music: "jazz", OnExpired: "voicemail:service"})
}

func (r *rig) moves(id call.ID, lot string, slot int) parking.Park {
	r.t.Helper()
	p, err := r.hub.Move(r.t.Context(), id, parking.Move{Park: r.park().ID, Lot: lot, Slot: slot, By: eva})
	if err != nil {
		r.t.Errorf("move: %v", err)
	}
	r.pass(time.Millisecond)
	return p
}

func TestMove(t *testing.T) {
	t.Run("the call waits in the other slot, to that lot's music, and is taken from there", func(t *testing.T) {
		story(t, func(r *rig) {
			r.service()
			p, id := r.parkedCall()
			was := r.park()
			now := r.moves(id, "service", 0)
			r.is("slot", now.Slot, 801)
			r.is("clock", now.ParkedAt, was.ParkedAt)
			r.hear(p, "music:jazz")
			late := r.dials("ann", "701")
			r.pass(time.Second)
			_, told := late.told()
			if !strings.Contains(told, "moved by eva") {
				r.t.Errorf("who dials the slot that was left is told %q", told)
			}
			rep := r.dials("bea", "801")
			r.pass(time.Second)
			r.talking(p, rep)
			rep.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"moved", "retrieved_other"})
			r.is("parked for", r.count(id, call.Parked), 2)
			ended := r.book.about(id, call.Ended)[0]
			r.is("parked once all in all", ended.Data["parked_ms"], int64(11001))
		})
	})
	t.Run("the ladder goes on by the clock of the first slot, and phones show the new one", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(fullLadder())
			r.service()
			p, id := r.parkedByAnn() // 5 s
			r.pass(10 * time.Second)
			r.moves(id, "service", 802)
			if _, err := r.hub.Annotate(r.t.Context(), r.park().ID, "wants a quote\nfor forty seats, and somebody who speaks French", eva); err != nil {
				r.t.Error(err)
			}
			r.pass(6 * time.Second) // 21 s
			texts := r.phone.textsTo("ann")
			if len(texts) != 1 || !strings.Contains(texts[0], "slot 802") || !strings.HasSuffix(texts[0], "Note: wants a quote for forty seats, and somebody who speaks French") {
				r.t.Errorf("ann was told %q", texts)
			}
			r.phone.has("bea", answersAfter(2*time.Second))
			r.pass(44 * time.Second) // 65 s: offered at 60
			rep := r.phone.calls("bea")[0]
			if want := "802 1:00 " + caller + " – wants a quote for forty seats, and some…"; rep.inv.Display != want {
				r.t.Errorf("the offer shows %q, want %q", rep.inv.Display, want)
			}
			r.is("subject", rep.inv.Subject, "wants a quote for forty seats, and somebody who speaks French")
			r.talking(p, rep)
			rep.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"moved", "retrieved_offer"})
		})
	})
	t.Run("the music of the flow stays", func(t *testing.T) {
		story(t, func(r *rig) {
			r.service()
			r.flow(strings.Replace(parkFlow, `"lot": "sales"`, `"lot": "sales", "moh": "own"`, 1))
			p := r.calls()
			r.pass(5 * time.Second)
			r.moves(r.book.lastBegun(), "service", 0)
			r.hear(p, "music:own")
			p.hangUp()
			r.pass(time.Second)
		})
	})
	t.Run("a call that a person parked expires as the new lot says", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(fullLadder())
			r.service()
			p, id := r.parkedByAnn()
			r.moves(id, "service", 0)
			r.pass(200 * time.Second)
			r.is("is asked for a message", p.hasHeard("leave-message"), true)
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"moved", "expired_voicemail"})
		})
	})
	t.Run("an occupied slot and a full lot refuse, and the caller stays", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(parking.Lot{Name: "sales", First: 701, Last: 702, Music: "hold"})
			p, id := r.parkedCall()
			first := r.park()
			second := r.calls()
			r.pass(5 * time.Second)
			var occupied *parking.OccupiedError
			_, err := r.hub.Move(r.t.Context(), id, parking.Move{Park: first.ID, Slot: 702, By: eva})
			if !errors.As(err, &occupied) || occupied.By.Slot != 702 {
				r.t.Errorf("occupied: %v", err)
			}
			var full *parking.FullError
			_, err = r.hub.Move(r.t.Context(), id, parking.Move{Park: first.ID, By: eva})
			r.is("full", errors.As(err, &full), true)
			r.hear(p, "music:hold")
			rep := r.dials("ann", "701")
			r.pass(time.Second)
			r.talking(p, rep)
			rep.hangUp()
			second.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
		})
	})
	t.Run("a call that somebody is taking stays theirs", func(t *testing.T) {
		story(t, func(r *rig) {
			p, id := r.parkedCall()
			park := r.park().ID
			r.phone.has("ann", answersAfter(3*time.Second))
			if _, err := r.hub.Retrieve(r.t.Context(), parking.Target{Park: park}, "ann"); err != nil {
				r.t.Fatal(err)
			}
			r.pass(time.Second)
			var taken *parking.NotParkedError
			_, err := r.hub.Move(r.t.Context(), id, parking.Move{Park: park, By: eva})
			r.is("refused", errors.As(err, &taken), true)
			r.pass(3 * time.Second)
			r.talking(p, r.phone.calls("ann")[0])
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"retrieved_other"})
		})
	})
	// moving is a move that the database takes a second for.
	moving := func(r *rig, id call.ID) {
		r.db.set(func(d *database) { d.slow["move"] = time.Second })
		park := r.park().ID
		go func() {
			_, err := r.hub.Move(r.t.Context(), id, parking.Move{Park: park, Lot: "service", By: eva})
			r.is("moved", err, nil)
		}()
		r.pass(500 * time.Millisecond)
	}
	t.Run("the hang-up crosses the move", func(t *testing.T) {
		story(t, func(r *rig) {
			r.service()
			p, id := r.parkedCall()
			moving(r, id)
			p.hangUp()
			r.pass(2 * time.Second)
			r.is("reasons", r.reasons(id), []string{"moved", "abandoned"})
			r.outcome(id, "abandoned")
		})
	})
	t.Run("who sees the new slot before we know of it has the call", func(t *testing.T) {
		story(t, func(r *rig) {
			r.service()
			p, id := r.parkedCall()
			r.db.set(func(d *database) {
				d.after["move"] = func() { r.dials("ann", "801"); time.Sleep(500 * time.Millisecond) }
			})
			r.moves(id, "service", 0)
			r.pass(time.Second)
			r.hear(p, "talk:ann")
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"moved", "retrieved_other"})
		})
	})
	t.Run("a step that begins during the move is carried out in the new slot", func(t *testing.T) {
		story(t, func(r *rig) {
			r.lot(fullLadder())
			r.service()
			p, id := r.parkedByAnn() // 5 s
			r.pass(14800 * time.Millisecond)
			r.db.set(func(d *database) { d.slow["advance"] = 10 * time.Millisecond })
			moving(r, id) // from 19.8 s to 20.8 s; the step begins at 20
			r.pass(time.Second)
			texts := r.phone.textsTo("ann")
			if len(texts) != 1 || !strings.Contains(texts[0], "slot 801") {
				r.t.Errorf("ann was told %q", texts)
			}
			p.hangUp()
			r.pass(time.Second)
			r.is("results", r.results(id), []string{"remind:reminded"})
		})
	})
	t.Run("a move that we do not hear of is found out", func(t *testing.T) {
		story(t, func(r *rig) {
			r.mayLog = []string{"not known whether the call was moved"}
			r.service()
			p, id := r.parkedCall()
			r.db.set(func(d *database) { d.after["move"] = func() { time.Sleep(10 * time.Second) } })
			_, err := r.hub.Move(r.t.Context(), id, parking.Move{Park: r.park().ID, Lot: "service", By: eva})
			r.is("not known", err != nil, true)
			r.db.set(func(d *database) { delete(d.after, "move") })
			r.pass(time.Second)
			r.hear(p, "music:jazz")
			rep := r.dials("ann", "801")
			r.pass(time.Second)
			r.talking(p, rep)
			p.hangUp()
			r.pass(time.Second)
			r.is("reasons", r.reasons(id), []string{"moved", "retrieved_other"})
		})
	})
	t.Run("a key pressed for a callback during the move counts", func(t *testing.T) {
		story(t, func(r *rig) {
			r.service()
			r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 60, "ladder": [
				{"after_s": 5, "do": "offer_callback", "to": "prompt"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]},
				"on": {"callback_requested": "bye", "default": "bye"}}`)
			p := r.calls()
			r.pass(8 * time.Second)
			id := r.book.lastBegun()
			moving(r, id)
			p.press("1")
			r.pass(2 * time.Second)
			r.is("over", p.over(), true)
			r.is("reasons", r.reasons(id), []string{"moved", "expired_callback"})
		})
	})
}

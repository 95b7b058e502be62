package callctl

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// booking is what a rep's call to a lot is for: a slot is held for them and its
// number read out, and then they transfer a caller there (attended park).
type booking struct {
	lot     parking.Lot
	slot    int // the one dialled, 0 for the next
	held    parking.Reservation
	ours    bool // held, and not on its way into a park
	used    bool // a caller was parked there
	timeout *time.Timer
}

// readOut bounds how long it takes to answer the rep and to read the number: the
// store holds the slot that much longer, and the time to park starts when it has
// been heard.
const readOut = 10 * time.Second

// book starts a rep's call to a lot.
func (h *Hub) book(in Incoming, lot parking.Lot, slot int) {
	c := newCall(h, in, call.Number(in.To), nil)
	c.booking = &booking{lot: lot, slot: slot}
	h.launch(c, in.Leg)
}

// reserveSlot asks for the slot; without one the rep is not answered.
func (c *Call) reserveSlot() {
	b := c.booking
	now := time.Now()
	r := parking.Reservation{
		ID: call.NewID("rsv", now), Call: c.id, Lot: b.lot.Name, Slot: b.slot,
		By: call.Actor{User: c.agent, Device: c.from.Device, Via: "dial"}, At: now, Until: now.Add(readOut + b.lot.Reserve),
	}
	var got parking.Reservation
	c.try(func(ctx context.Context) (err error) {
		got, err = c.hub.cfg.Parking.Reserve(ctx, r)
		return err
	}, func(err error) {
		if err != nil {
			if !denied(err) { // it may have been written although we did not hear of it
				c.unreserve(r.ID, "failed")
			}
			c.noSlot(err)
			return
		}
		b.held, b.ours = got, true
		if c.ended {
			c.giveUpSlot("hung_up")
			return
		}
		slot := strconv.Itoa(got.Slot)
		c.answer(Party{Number: call.Number(slot), Name: b.lot.Name}, func() {
			c.ear().Play([]Clip{{Prompt: "parked-at"}, {Digits: slot}}, func(bool) { c.mb.post(c.awaitCaller) })
		})
	})
}

func (c *Call) noSlot(err error) {
	if c.ended {
		return
	}
	var (
		full     *parking.FullError
		occupied *parking.OccupiedError
	)
	cause, note := call.Failed, "no slot can be reserved right now"
	if errors.As(err, &full) || errors.As(err, &occupied) {
		cause, note = call.Busy, err.Error()
	}
	c.log.Warn("slot not reserved", "lot", c.booking.lot.Name, "err", err)
	c.caller.Hangup(cause, note)
	c.over(cause)
}

// awaitCaller gives the rep the lot's time to transfer somebody.
func (c *Call) awaitCaller() {
	b := c.booking
	if c.ended || !b.ours {
		return
	}
	c.ear().Music(b.lot.Music)
	b.timeout = c.after(b.lot.Reserve, func() {
		if c.ended || !b.ours {
			return
		}
		c.giveUpSlot("lapsed")
		c.ear().Play(clips("unavailable", "goodbye"), func(bool) { c.mb.post(func() { c.over(call.Normal) }) })
	})
}

// giveUpSlot lets others have the slot.
func (c *Call) giveUpSlot(why string) {
	b := c.booking
	if b == nil || !b.ours {
		return
	}
	b.ours = false
	c.unreserve(b.held.ID, why)
}

func (c *Call) unreserve(id, why string) {
	now := time.Now()
	c.parks("reservation given up", func(ctx context.Context, s Parking) error { return s.Unreserve(ctx, id, why, now) })
}

// giveSlot passes the slot on to the call whose party is to wait there: its
// parking spends the reservation, or we have it back.
func (c *Call) giveSlot(h *handover, taker *Call) {
	b := c.booking
	b.ours = false
	if b.timeout != nil {
		b.timeout.Stop()
	}
	c.handing = h
	if !taker.mb.post(func() { taker.parkReserved(h, b.held, c) }) {
		c.slotBack(parking.Park{}, ErrNoCall)
		h.result(603, "That call has ended")
	}
}

// cannotGiveSlot is why the slot stays as it is, 0 if it does not.
func (c *Call) cannotGiveSlot(h *handover) (status int, why string) {
	switch {
	case c.ended || !c.booking.ours && c.handing == nil:
		return 603, "The slot is no longer reserved"
	case c.handing != nil:
		return 491, ""
	case c.agent != h.agent:
		return 403, ""
	}
	return 0, ""
}

// slotBack: the slot was used, or it is ours again.
func (c *Call) slotBack(_ parking.Park, err error) {
	b := c.booking
	c.handing = nil
	if err == nil {
		b.used = true
		c.over(call.Normal)
		return
	}
	b.ours = true
	if c.ended {
		c.giveUpSlot("hung_up")
		return
	}
	c.awaitCaller()
}

// parkReserved parks the other party in the slot that the rep has reserved, with
// the clock of the reservation.
func (c *Call) parkReserved(h *handover, r parking.Reservation, booker *Call) {
	c.handing = nil
	done := func(p parking.Park, err error) {
		if !booker.mb.post(func() { booker.slotBack(p, err) }) && err != nil {
			c.unreserve(r.ID, "hung_up")
		}
		status, why := parkStatus(err)
		h.result(status, why)
	}
	if c.talk != nil && c.from.Agent == h.agent {
		c.facing(c.caller)
	}
	if c.ended || c.caller == nil || c.taking != nil || c.loan != nil || c.answered.IsZero() || (c.talk != nil && c.talk.agent != h.agent) {
		done(parking.Park{}, ErrNotTalking)
		c.deserted()
		return
	}
	by := call.Actor{User: h.agent, Via: "refer"}
	if c.talk != nil {
		by.Device = c.talk.leg.Remote().Device
	}
	c.parkInto(parking.Park{Lot: r.Lot, Slot: r.Slot, Reservation: r.ID}, by, done)
}

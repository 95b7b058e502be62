package callctl

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// Move puts a parked call into another slot: that one of the lot, or for 0 the
// next. The errors are those of parking.Store.Move, and ErrNoCall.
func (h *Hub) Move(ctx context.Context, id call.ID, m parking.Move) (parking.Park, error) {
	return wished(ctx, h, id, func(c *Call, then func(parking.Park, error)) { c.move(m, then) })
}

// Annotate changes what is noted of a parked call, whichever node has it. What
// rings for it from now on shows it; on another node, what rings by a step of the
// ladder. *parking.NotParkedError.
func (h *Hub) Annotate(ctx context.Context, id, note string, by call.Actor) (parking.Park, error) {
	park, err := h.cfg.Parking.Annotate(ctx, id, note, by, time.Now())
	if err != nil {
		return park, err
	}
	if c := h.call(park.Call); c != nil {
		c.mb.post(func() { c.noted(park) })
	}
	return park, nil
}

// move asks for the other slot. Whoever wants the call meanwhile waits for the
// answer, see whenPut; who has won in the database is told, and has won.
func (c *Call) move(m parking.Move, then func(parking.Park, error)) {
	if c.whenPut(func() { c.move(m, then) }) {
		return
	}
	if c.ended || c.stay == nil || !c.stay.has(m.Park) || c.stay.leaving || c.busy() {
		then(parking.Park{}, &parking.NotParkedError{What: "park " + m.Park})
		return
	}
	s := c.stay
	m.Park, m.At = s.park.ID, time.Now()
	s.moving = true
	var got parking.Park
	c.try(func(ctx context.Context) (err error) {
		got, err = c.hub.cfg.Parking.Move(ctx, m)
		return err
	}, func(err error) {
		then(got, err)
		switch {
		case err == nil:
			c.moved(s, got)
		case denied(err) || late(err):
			c.moved(s, s.park)
		default:
			c.log.Error("not known whether the call was moved", "park", m.Park, "err", err)
			c.locate(s)
		}
	})
}

// locate asks where the call is parked until the database says. Nobody can take
// the call before it does.
func (c *Call) locate(s *stay) {
	var in []parking.Park
	c.try(func(ctx context.Context) (err error) {
		in, err = c.hub.cfg.Parking.Live(ctx, parking.Filter{Call: c.id})
		return err
	}, func(err error) {
		switch {
		case err != nil:
			c.after(time.Second, func() { c.locate(s) })
		case len(in) == 0:
			c.moved(s, s.park)
		default:
			c.moved(s, in[0])
		}
	})
}

// moved: the call waits in that slot from now on, or stays where it is.
func (c *Call) moved(s *stay, park parking.Park) {
	s.moving = false
	if park.ID != s.park.ID {
		if lot, ok := c.hub.cfg.Plan().Lot(park.Lot); ok {
			lot.Music = orText(s.music, lot.Music)
			if lot.Music != s.lot.Music && c.stay == s && c.talk == nil && c.taking == nil && !c.ended {
				c.ear().Music(lot.Music)
			}
			s.lot = lot
		}
		s.before = append(s.before, s.park.ID)
		s.park = park
		if c.stay == s {
			c.lastLot = park.Lot
			c.lineFollows()
		}
	}
	for _, f := range s.settled() {
		f()
	}
}

// wasMoved tells that a park had ended by a move that we had not heard of.
func wasMoved(err error) bool {
	var gone *parking.NotParkedError
	return errors.As(err, &gone) && gone.Taken != nil && gone.Taken.Reason == parking.Moved
}

// noted: somebody has changed the note.
func (c *Call) noted(park parking.Park) {
	if c.whenPut(func() { c.noted(park) }) {
		return
	}
	if c.stay != nil && c.stay.has(park.ID) {
		c.stay.park.Note = park.Note
	}
}

// has tells whether a park is this stay's, or was before the call was moved: what
// began in one slot is carried out in the other.
func (s *stay) has(park string) bool { return s.park.ID == park || slices.Contains(s.before, park) }

// settled is what has waited for the slot.
func (s *stay) settled() []func() {
	fs := s.later
	s.later = nil
	return fs
}

// noteShown is how much of a note or a whisper is shown, in characters: what a
// phone's display has room for.
const noteShown = 40

// noteOf is what is noted of a parked call as it follows the name that phones
// show, and the whole as one line.
func (c *Call) noteOf() (beside, whole string) {
	whole = strings.Join(strings.Fields(c.stay.park.Note), " ")
	if whole == "" {
		return "", ""
	}
	return " – " + short(whole), whole
}

// short is as much of a text as is shown.
func short(text string) string {
	if utf8.RuneCountInString(text) > noteShown {
		return string([]rune(text)[:noteShown-1]) + "…"
	}
	return text
}

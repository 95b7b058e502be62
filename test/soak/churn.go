//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/callyard/callyard/test/load"
)

// kinds are the calls that come and go, with how many of a hundred each is.
var kinds = []struct {
	name  string
	share int
	run   func(*soak, context.Context) error
}{
	{"talk to a rep", 25, (*soak).talk},
	{"park, hang up", 14, (*soak).parkAndLeave},
	{"park, be retrieved", 20, (*soak).parkAndRetrieve},
	{"talk, be parked by REFER, be retrieved", 10, (*soak).referred},
	{"hold and resume", 5, (*soak).holds},
	{"queue", 3, (*soak).queued},
	{"cancel while it rings", 10, (*soak).cancels},
	{"cancel at once", 4, (*soak).cancelsAtOnce},
	{"busy rep", 4, (*soak).busy},
	{"unknown number", 3, (*soak).nobody},
	{forgetful, 1, (*soak).deaf},
	{"nonsense", 1, (*soak).nonsense},
}

// forgetful calls take the 32 s after which a 200 is given up.
const forgetful = "never acknowledge"

// patience is how long anything may take: how quick the hub is, is the bench's.
const patience = 15 * time.Second

// churn places calls at the configured rate for as long as d, then calls placed,
// and waits until the last call is over.
func (s *soak) churn(ctx context.Context, d time.Duration, placed func()) error {
	var wg sync.WaitGroup
	begun := time.Now()
	n := int(s.cfg.cps * d.Seconds())
	for i := range n {
		due := begun.Add(time.Duration(float64(i) / s.cfg.cps * float64(time.Second)))
		if err := load.Pause(ctx, time.Until(due)); err != nil {
			wg.Wait()
			return err
		}
		select {
		case <-s.hub.Exited:
			wg.Wait()
			return fmt.Errorf("the hub ended: %w", s.hub.Err)
		default:
		}
		p := rand.IntN(100)
		for _, k := range kinds {
			if p -= k.share; p < 0 {
				if k.name == forgetful && !s.cfg.linger {
					break
				}
				wg.Go(func() {
					s.up.Add(1)
					defer s.up.Add(-1)
					s.note(k.name, k.run(s, ctx))
				})
				break
			}
		}
	}
	placed()
	wg.Wait()
	return ctx.Err()
}

func (s *soak) note(kind string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.tally[kind]
	if c == nil {
		c = &count{Kind: kind}
		s.tally[kind] = c
	}
	c.Done++
	if err != nil {
		c.Failed++
		if len(c.Why) < 5 {
			c.Why = append(c.Why, time.Now().UTC().Format("15:04:05.000 ")+err.Error())
		}
	}
}

// rep takes a rep who is free for the time of f.
func (s *soak) rep(ctx context.Context, f func(i int) error) error {
	select {
	case i := <-s.free:
		defer func() { s.do(repName(i), nil); s.free <- i }()
		return f(i)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lot takes an empty lot for the time of f. Who waits in it has gone afterwards.
func (s *soak) lot(ctx context.Context, f func(i int) error) error {
	select {
	case i := <-s.lots:
		err := f(i)
		// The slot is free a moment after the caller's BYE: its row is written then.
		time.AfterFunc(time.Second, func() { s.lots <- i })
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func ms(least, most int) time.Duration {
	return time.Duration(least+rand.IntN(most-least)) * time.Millisecond
}

// within waits for c to be closed.
func within(ctx context.Context, c <-chan struct{}, d time.Duration, what string) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return nil
	case <-t.C:
		return fmt.Errorf("%s: not within %s", what, d)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// decided waits for the final response to an INVITE, and for this one.
func decided(ctx context.Context, d *load.Dialog, want int) error {
	if err := within(ctx, d.Decided, patience, "answer to the INVITE for "+d.To); err != nil {
		d.Cancel()
		return err
	}
	if d.Status != want {
		d.Hangup()
		return fmt.Errorf("INVITE for %s: %d, want %d", d.To, d.Status, want)
	}
	return nil
}

// answering makes a rep's phone ring and be answered; the call comes out.
func (s *soak) answering(i int) <-chan *load.Dialog {
	up := make(chan *load.Dialog, 1)
	s.do(repName(i), func(d *load.Dialog) {
		d.Ring()
		time.AfterFunc(ms(20, 400), func() {
			d.Answer(s.desks.Port(rand.IntN(4)))
			select {
			case up <- d:
			default:
				s.fault("%s was rung twice at once", d.To)
			}
		})
	})
	return up
}

// converse has both speak, and hears each at the other's end.
func (s *soak) converse(ctx context.Context, caller, rep *load.Dialog, d time.Duration) error {
	a, b := s.callers.Talker(caller.RTP, caller.Audio), s.desks.Talker(rep.RTP, rep.Audio)
	defer a.Hush()
	defer b.Hush()
	begun := time.Now()
	if err := load.Pause(ctx, d); err != nil {
		return err
	}
	for last := begun.Add(d + 2*time.Second); ; {
		// By then nothing comes any more of whoever spoke before.
		since := begun.Add(min(d, 500*time.Millisecond) / 2)
		toCaller := s.callers.Spoken(caller.Audio.Port()).After(since)
		toRep := s.desks.Spoken(rep.Audio.Port()).After(since)
		switch {
		case toCaller && toRep:
			return nil
		case time.Now().After(last):
			return fmt.Errorf("after %s the rep heard the caller: %v, the caller heard the rep: %v", time.Since(begun).Round(time.Millisecond), toRep, toCaller)
		}
		if err := load.Pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// part has one of two hang up, and waits until both are out.
func part(ctx context.Context, caller, rep *load.Dialog) error {
	if rand.IntN(2) == 0 {
		caller.Hangup()
	} else {
		rep.Hangup()
	}
	if err := within(ctx, caller.Over, patience, "end of the caller's call"); err != nil {
		caller.Hangup()
		rep.Hangup()
		return err
	}
	return within(ctx, rep.Over, patience, "end of the rep's call")
}

// rings calls a rep who answers.
func (s *soak) rings(ctx context.Context, i int) (caller, rep *load.Dialog, err error) {
	up := s.answering(i)
	caller = s.call(ringNumber(i), nil)
	if err := decided(ctx, caller, 200); err != nil {
		return nil, nil, err
	}
	select {
	case rep = <-up:
		return caller, rep, nil
	case <-time.After(5 * time.Second):
		caller.Hangup()
		return nil, nil, fmt.Errorf("the caller of %s was answered, but not by the rep", caller.To)
	}
}

func (s *soak) talk(ctx context.Context) error {
	return s.rep(ctx, func(i int) error {
		caller, rep, err := s.rings(ctx, i)
		if err != nil {
			return err
		}
		if err := s.converse(ctx, caller, rep, ms(300, 3000)); err != nil {
			return join(err, part(ctx, caller, rep))
		}
		return part(ctx, caller, rep)
	})
}

// waits parks a caller in a lot of its own, until music is heard.
func (s *soak) waits(ctx context.Context, lot int) (*load.Dialog, error) {
	d := s.call(parkNumber(lot), nil)
	if err := decided(ctx, d, 200); err != nil {
		return nil, err
	}
	if err := s.music(ctx, d); err != nil {
		d.Hangup()
		return nil, err
	}
	return d, nil
}

func (s *soak) parkAndLeave(ctx context.Context) error {
	return s.lot(ctx, func(i int) error {
		d, err := s.waits(ctx, i)
		if err != nil {
			return err
		}
		if err := load.Pause(ctx, ms(0, 3000)); err != nil {
			return err
		}
		d.Hangup()
		return within(ctx, d.Over, patience, "answer to the BYE")
	})
}

// retrieve has a rep dial a slot; the two talk and part.
func (s *soak) retrieve(ctx context.Context, caller *load.Dialog, lot int) error {
	return s.rep(ctx, func(i int) error {
		var d *load.Dialog
		for try := 0; ; try++ { // music is on before the park is written: until then nobody is there, or the one before has left
			d = s.phones.Invite(s.agents[i], repName(i), lotSlot(lot), s.desks.Port(rand.IntN(4)), nil)
			err := decided(ctx, d, 200)
			if err == nil {
				break
			}
			if d.Status != 404 && d.Status != 410 || try == 10 {
				caller.Hangup()
				return fmt.Errorf("retrieve: %w", err)
			}
			if err := load.Pause(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
		if err := s.converse(ctx, caller, d, ms(300, 1500)); err != nil {
			return fmt.Errorf("retrieved: %w", join(err, part(ctx, caller, d)))
		}
		return part(ctx, caller, d)
	})
}

func (s *soak) parkAndRetrieve(ctx context.Context) error {
	return s.lot(ctx, func(i int) error {
		d, err := s.waits(ctx, i)
		if err != nil {
			return err
		}
		if err := load.Pause(ctx, ms(0, 1500)); err != nil {
			return err
		}
		return s.retrieve(ctx, d, i)
	})
}

// referred has the rep who answered park the caller (RFC 3515), and another
// retrieve.
func (s *soak) referred(ctx context.Context) error {
	return s.lot(ctx, func(lot int) error {
		var caller *load.Dialog
		err := s.rep(ctx, func(i int) error {
			up := s.answering(i)
			caller = s.call(ringNumber(i), nil)
			if err := decided(ctx, caller, 200); err != nil {
				return err
			}
			var rep *load.Dialog
			select {
			case rep = <-up:
			case <-time.After(5 * time.Second):
				caller.Hangup()
				return fmt.Errorf("the caller of %s was answered, but not by the rep", caller.To)
			}
			if err := s.converse(ctx, caller, rep, ms(300, 1000)); err != nil {
				return join(err, part(ctx, caller, rep))
			}
			done := make(chan struct{})
			parked := sync.OnceFunc(func() { close(done) }) // a NOTIFY comes again when its answer was late
			rep.Follow(func(m *load.Message) {
				if strings.HasPrefix(m.Body, "SIP/2.0 200") {
					parked()
				}
			})
			if got := <-rep.Refer("sip:" + lotExtension(lot) + "@" + s.hub.SIP.String()); got != 202 {
				return join(fmt.Errorf("REFER: %d, want 202", got), part(ctx, caller, rep))
			}
			if err := within(ctx, done, patience, "NOTIFY of the park"); err != nil {
				return join(err, part(ctx, caller, rep))
			}
			rep.Hangup()
			return within(ctx, rep.Over, patience, "end of the rep who parked")
		})
		if err != nil {
			return err
		}
		if err := s.music(ctx, caller); err != nil {
			caller.Hangup()
			return fmt.Errorf("parked by REFER: %w", err)
		}
		return s.retrieve(ctx, caller, lot)
	})
}

func (s *soak) holds(ctx context.Context) error {
	return s.rep(ctx, func(i int) error {
		caller, rep, err := s.rings(ctx, i)
		if err != nil {
			return err
		}
		for _, direction := range []string{"sendonly", "sendrecv", "inactive", "sendrecv"} {
			if got := <-caller.Hold(direction); got != 200 {
				return join(fmt.Errorf("re-INVITE with %s: %d", direction, got), part(ctx, caller, rep))
			}
			if err := load.Pause(ctx, ms(50, 400)); err != nil {
				return err
			}
		}
		if err := s.converse(ctx, caller, rep, 500*time.Millisecond); err != nil {
			return fmt.Errorf("after hold: %w", join(err, part(ctx, caller, rep)))
		}
		return part(ctx, caller, rep)
	})
}

// queued waits until a rep of the queue answers. One caller at a time: the
// queue's phones answer whatever comes.
func (s *soak) queued(ctx context.Context) error {
	select {
	case <-s.queue:
		defer func() { s.queue <- struct{}{} }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	d := s.call(queues, nil)
	if err := decided(ctx, d, 200); err != nil {
		return err
	}
	if err := load.Pause(ctx, 1500*time.Millisecond); err != nil {
		return err
	}
	d.Hangup()
	return within(ctx, d.Over, patience, "answer to the BYE")
}

// ringing makes a rep's phone ring for ever; the call comes out.
func (s *soak) ringing(i int) <-chan *load.Dialog {
	rung := make(chan *load.Dialog, 1)
	s.do(repName(i), func(d *load.Dialog) {
		d.Ring()
		select {
		case rung <- d:
		default:
			s.fault("%s was rung twice at once", d.To)
		}
	})
	return rung
}

func (s *soak) cancels(ctx context.Context) error {
	return s.rep(ctx, func(i int) error {
		rung := s.ringing(i)
		caller := s.call(ringNumber(i), nil)
		var rep *load.Dialog
		select {
		case rep = <-rung:
		case <-time.After(10 * time.Second):
			caller.Cancel()
			return fmt.Errorf("%s was not rung; the caller's status is %d", repName(i), caller.Status)
		}
		if err := load.Pause(ctx, ms(0, 1500)); err != nil {
			return err
		}
		caller.Cancel()
		if err := decided(ctx, caller, 487); err != nil {
			return err
		}
		return within(ctx, rep.Over, patience, "CANCEL at the rep")
	})
}

// cancelsAtOnce gives up before anything has come: the rep may have been rung.
func (s *soak) cancelsAtOnce(ctx context.Context) error {
	return s.rep(ctx, func(i int) error {
		rung := s.ringing(i)
		caller := s.call(ringNumber(i), nil)
		caller.Cancel()
		if err := decided(ctx, caller, 487); err != nil {
			return err
		}
		// An INVITE that left before the CANCEL came is itself cancelled.
		if err := load.Pause(ctx, time.Second); err != nil {
			return err
		}
		select {
		case rep := <-rung:
			return within(ctx, rep.Over, patience, "CANCEL at the rep")
		default:
			return nil
		}
	})
}

func (s *soak) busy(ctx context.Context) error {
	return s.rep(ctx, func(i int) error {
		s.do(repName(i), func(d *load.Dialog) { d.Refuse(486, "Busy Here") })
		return decided(ctx, s.call(ringNumber(i), nil), 486)
	})
}

func (s *soak) nobody(ctx context.Context) error {
	return decided(ctx, s.call(unknown, nil), 404)
}

// deaf never acknowledges: the hub is to say BYE after 32 s (RFC 3261 §13.3.1.4).
func (s *soak) deaf(ctx context.Context) error {
	n := s.serial.Add(1)
	s.placed.Add(1)
	d := s.trunk.InviteAs(&load.Dialog{To: answers, RTP: s.callers.Port(int(n)), Deaf: true}, fmt.Sprintf("9%06d", n))
	if err := decided(ctx, d, 200); err != nil {
		return err
	}
	if err := within(ctx, d.Over, 45*time.Second, "BYE to a caller who does not acknowledge"); err != nil {
		return err
	}
	if took := time.Since(d.Came); took < 25*time.Second {
		return fmt.Errorf("a caller who does not acknowledge was hung up on after %s", took)
	}
	return nil
}

// join keeps both errors on one line.
func join(a, b error) error {
	if b == nil {
		return a
	}
	return fmt.Errorf("%w; then %w", a, b)
}

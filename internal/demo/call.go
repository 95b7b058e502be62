package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/softphone"
)

// Script is what is to happen in a call. Of AnswerAfter, AbandonAfter and
// Escalate one is set; the times count from the moment the caller is parked.
type Script struct {
	From         string        // the caller's number
	AnswerAfter  time.Duration // the rep dials the slot
	AbandonAfter time.Duration // the caller hangs up
	Escalate     bool          // the rep waits until the ladder offers the call
	Talk         time.Duration // how long the two talk
}

// Result is what came of a call.
type Result struct {
	Call    call.ID `json:"call"`
	Outcome string  `json:"outcome"` // of the call, as the ledger has it
	Rep     string  `json:"rep"`     // who talked to the caller; "" nobody
	Music   bool    `json:"music_heard"`
	// What the two phones really heard of each other; nil if they did not talk.
	CallerHearsRep *bool `json:"caller_hears_rep,omitempty"`
	RepHearsCaller *bool `json:"rep_hears_caller,omitempty"`
}

// Teller is told what happens as it happens.
type Teller struct {
	Fact func(client.Fact) // an event of the call
	Note func(string)      // what the phones notice
}

// The tones by which the phones recognise each other.
const (
	callerTone = 440
	repTone    = 660
)

// Bounds of a call.
const (
	setUp      = 10 * time.Second // registering, being picked up
	listening  = 5 * time.Second  // for a tone
	ringsFor   = 2 * time.Second  // before the rep picks up
	leavesWord = 4 * time.Second  // a message in voicemail
	closing    = 3 * time.Second  // from the last BYE to the ledger's last line
	longest    = 3 * time.Minute  // a call in all
)

// Place places a call to a running demo and sees it through to its end.
func Place(ctx context.Context, st State, sc Script, tell Teller) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	events, err := follow(ctx, &client.Client{URL: st.URL, Key: st.Key})
	if err != nil {
		return Result{}, err
	}
	defer events.Close()
	caller, err := softphone.New(softphone.Config{Hub: st.SIP, User: sc.From, Display: "Demo caller", ToneHz: callerTone})
	if err != nil {
		return Result{}, fmt.Errorf("the caller's phone: %w", err)
	}
	defer func() { _ = caller.Close() }()
	p := &play{Script: sc, state: st, tell: tell, caller: caller, do: make(chan func(), 64), over: make(chan struct{})}
	defer p.end(context.WithoutCancel(ctx))
	if sc.AbandonAfter == 0 {
		if err := p.enterRep(ctx); err != nil {
			return Result{}, err
		}
	}
	p.line, err = caller.Call(ctx, st.Number)
	if err != nil {
		return Result{}, fmt.Errorf("call %s: %w", st.Number, err)
	}
	p.async(func() func() {
		_, err := p.line.WaitEnded(ctx)
		return func() { p.hungUp(ctx, err) }
	})
	return p.run(ctx, events)
}

// follow opens the stream of events. A hub that has just started asks for a
// moment's patience (503).
func follow(ctx context.Context, hub *client.Client) (*client.Events, error) {
	for deadline := time.Now().Add(setUp); ; {
		events, err := hub.Events(ctx)
		var gone *client.UnreachableError
		var no *client.Problem
		switch {
		case err == nil:
			return events, nil
		case errors.As(err, &gone):
			return nil, ErrNotRunning
		case !errors.As(err, &no) || no.Status != http.StatusServiceUnavailable || time.Now().After(deadline):
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// play is a call being played. One goroutine owns it; others post to do.
type play struct {
	Script
	state  State
	tell   Teller
	caller *softphone.Phone
	rep    *softphone.Phone // nil: nobody is to answer
	line   *softphone.Dialog
	do     chan func()
	over   chan struct{} // closed with the play

	result  Result
	slot    string
	talking bool // the built-in rep has the caller
	gone    bool // the caller's leg is over
	ended   bool
	err     error
}

// async runs work beside the play and then what it returns within it.
func (p *play) async(work func() func()) {
	go func() {
		then := work()
		select {
		case p.do <- then:
		case <-p.over:
		}
	}()
}

// after runs f within the play some time from now.
func (p *play) after(d time.Duration, f func()) {
	p.async(func() func() {
		select {
		case <-time.After(d):
		case <-p.over:
		}
		return f
	})
}

// enterRep registers the built-in rep's phone.
func (p *play) enterRep(ctx context.Context) error {
	var err error
	p.rep, err = softphone.New(softphone.Config{Hub: p.state.SIP, User: Rep, Password: Password(Rep), Display: "Ben", ToneHz: repTone})
	if err != nil {
		return fmt.Errorf("%s's phone: %w", Rep, err)
	}
	soon, cancel := context.WithTimeout(ctx, setUp)
	defer cancel()
	if err := p.rep.Register(soon, 5*time.Minute); err != nil {
		return fmt.Errorf("register %s's phone: %w", Rep, err)
	}
	go func() {
		for d := range p.rep.Incoming() {
			d.Ring()
			select {
			case p.do <- func() { p.rings(ctx, d) }:
			case <-p.over:
			}
		}
	}()
	return nil
}

// end takes the phones away.
func (p *play) end(ctx context.Context) {
	close(p.over)
	if p.rep == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = p.rep.Unregister(ctx) // it would lapse by itself
	_ = p.rep.Close()
}

// run plays until the ledger says that the call has ended.
func (p *play) run(ctx context.Context, events *client.Events) (Result, error) {
	begun := time.Now()
	go func() {
		for {
			f, err := events.Next()
			then := func() { p.fact(ctx, f) }
			if err != nil {
				then = func() { p.fail(fmt.Errorf("follow the call: %w", err)) }
			}
			select {
			case p.do <- then:
			case <-p.over:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	for !p.ended && p.err == nil {
		select {
		case f := <-p.do:
			f()
		case <-ctx.Done():
			p.line.Hangup()
			if time.Since(begun) >= longest {
				return p.result, fmt.Errorf("the call did not come to an end within %s", longest)
			}
			return p.result, ctx.Err()
		}
	}
	return p.result, p.err
}

// hungUp: the caller's leg is over. The ledger says so soon, or something is wrong.
func (p *play) hungUp(ctx context.Context, err error) {
	if err != nil {
		return // the play itself is over
	}
	p.gone = true
	p.after(closing, func() {
		if p.ended {
			return
		}
		if err := p.line.WaitAnswered(ctx); err != nil {
			p.fail(fmt.Errorf("the hub did not take the call to %s: %w", p.state.Number, err))
			return
		}
		p.fail(fmt.Errorf("the call to %s is over, but the ledger does not say so", p.state.Number))
	})
}

func (p *play) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// fact follows the ledger.
func (p *play) fact(ctx context.Context, f client.Fact) {
	if p.result.Call == "" {
		if f.Type != call.Offered || text(f, "from") != p.From || text(f, "to") != p.state.Number {
			return
		}
		p.result.Call = f.Call
	}
	if f.Call != p.result.Call {
		return
	}
	p.tell.Fact(f)
	switch f.Type { //nolint:exhaustive // the others are only told
	case call.Parked:
		p.parked(ctx, f.Slot)
	case call.Connected:
		p.result.Rep = f.Actor.User
		if p.result.Rep != Rep {
			p.tell.Note(fmt.Sprintf("the call is %s's: hang up there to end it", f.Actor.User))
		}
	case call.ParkExpired:
		p.after(leavesWord, p.line.Hangup)
	case call.Ended:
		p.result.Outcome = text(f, "outcome")
		p.ended = true
	}
}

// parked: the caller waits; the script begins.
func (p *play) parked(ctx context.Context, slot string) {
	if p.slot != "" {
		return
	}
	p.slot = slot
	p.async(func() func() {
		ctx, cancel := context.WithTimeout(ctx, listening)
		defer cancel()
		err := p.line.HearsSomething(ctx)
		return func() {
			p.result.Music = err == nil
			p.tell.Note("the caller hears music: " + yes(err == nil))
		}
	})
	switch {
	case p.AbandonAfter > 0:
		p.after(p.AbandonAfter, p.line.Hangup)
	case !p.Escalate:
		p.after(p.AnswerAfter, func() { p.take(ctx) })
	}
}

// take dials the slot.
func (p *play) take(ctx context.Context) {
	if p.gone || p.ended || p.result.Rep != "" {
		return
	}
	d, err := p.rep.Call(ctx, p.slot)
	if err != nil {
		p.fail(fmt.Errorf("%s dials %s: %w", Rep, p.slot, err))
		return
	}
	p.tell.Note(Rep + " dials " + p.slot)
	p.await(ctx, d, "dials "+p.slot)
}

// rings: the hub rings the rep's phone.
func (p *play) rings(ctx context.Context, d *softphone.Dialog) {
	if !p.Escalate || p.talking || p.ended {
		return // it stops when somebody takes the call
	}
	p.tell.Note(fmt.Sprintf("%s's phone rings and shows: %s", Rep, d.From().Display))
	p.after(ringsFor, func() {
		if p.talking || p.ended || d.Answer() != nil {
			return // somebody was quicker
		}
		p.await(ctx, d, "answers")
	})
}

// await sees to it that the two talk once the rep's leg is up.
func (p *play) await(ctx context.Context, d *softphone.Dialog, how string) {
	p.async(func() func() {
		soon, cancel := context.WithTimeout(ctx, setUp)
		defer cancel()
		err := d.WaitAnswered(soon)
		return func() {
			switch {
			case err == nil:
				p.talk(ctx, d)
			case !p.ended:
				p.tell.Note(fmt.Sprintf("%s %s: %v", Rep, how, err))
			}
		}
	})
}

// talk listens at both ends, lets them talk, and has the rep hang up.
func (p *play) talk(ctx context.Context, rep *softphone.Dialog) {
	p.talking = true
	p.async(func() func() {
		ctx, cancel := context.WithTimeout(ctx, listening)
		defer cancel()
		there := make(chan bool, 1)
		go func() { there <- rep.Hears(ctx, callerTone) == nil }()
		back := p.line.Hears(ctx, repTone) == nil
		forth := <-there
		return func() {
			p.result.CallerHearsRep, p.result.RepHearsCaller = &back, &forth
			p.tell.Note(fmt.Sprintf("the caller hears %s: %s; %s hears the caller: %s", Rep, yes(back), Rep, yes(forth)))
			p.after(p.Talk, rep.Hangup)
		}
	})
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

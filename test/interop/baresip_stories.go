package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/softphone"
)

var baresipStories = []story{
	{"baresip", "is called over UDP, both hear", func(ctx context.Context, y *yard) error { return baresipAnswers(ctx, y, "udp", "") }},
	{"baresip", "is called over TCP, both hear", func(ctx context.Context, y *yard) error { return baresipAnswers(ctx, y, "tcp", "") }},
	{"baresip", "is called over TLS, both hear", func(ctx context.Context, y *yard) error { return baresipAnswers(ctx, y, "tls", "") }},
	{"baresip", "is called with SRTP over TLS, both hear", func(ctx context.Context, y *yard) error {
		return baresipAnswers(ctx, y, "tls", ";mediaenc=srtp-mand")
	}},
	{"baresip", "calls another rep with SRTP over TLS", func(ctx context.Context, y *yard) error {
		return baresipCallsWith(ctx, y, "tls", ";mediaenc=srtp-mand")
	}},
	{"baresip", "holds and resumes", baresipHolds},
	{"baresip", "a rep calls another and hangs up", baresipCalls},
	{"baresip", "a rep calls another over TLS", func(ctx context.Context, y *yard) error { return baresipCallsWith(ctx, y, "tls", "") }},
	{"baresip", "presses a key of a menu", baresipKeys},
	{"baresip", "is rung, the caller gives up", baresipRings},
	{"baresip", "declines", baresipDeclines},
	{"baresip", "parks by REFER, another retrieves", baresipParks},
	{"baresip", "retrieves by dialling the slot", baresipRetrieves},
	{"baresip", "is transferred a caller blindly", baresipTransfers},
}

// baresipUp has a caller of ours reach rep1's baresip.
func (y *yard) baresipUp(ctx context.Context, transport, params string) (*baresip, *softphone.Dialog, error) {
	b, err := y.baresip(ctx, "rep1", transport, params)
	if err != nil {
		return nil, nil, err
	}
	d, err := y.dial(ctx, rings)
	if err != nil {
		return nil, nil, err
	}
	if err := b.saw(ctx, "CALL_INCOMING"); err != nil {
		return nil, nil, err
	}
	if err := b.do("accept", ""); err != nil {
		return nil, nil, err
	}
	if err := b.saw(ctx, "CALL_ESTABLISHED"); err != nil {
		return nil, nil, err
	}
	return b, d, errors.Join(hears(ctx, "the caller", d, repHz["rep1"]), pause(ctx, 1100*time.Millisecond)) // its recordings are named by the second
}

func baresipAnswers(ctx context.Context, y *yard, transport, params string) error {
	b, d, err := y.baresipUp(ctx, transport, params)
	if err != nil {
		return err
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	d.Hangup()
	if err := b.saw(ctx, "CALL_CLOSED"); err != nil {
		return err
	}
	if err := b.secured(params); err != nil {
		return err
	}
	return b.heardInOrder(callerHz)
}

// secured says if SRTP was asked for and is not on.
func (b *baresip) secured(params string) error {
	if !strings.Contains(params, "srtp") {
		return nil
	}
	log, err := os.ReadFile(b.process.log)
	if err == nil && !strings.Contains(string(log), "RTP/SAVP") {
		err = fmt.Errorf("SRTP was not negotiated, see %s", b.process.log)
	}
	return err
}

func baresipHolds(ctx context.Context, y *yard) error {
	b, d, err := y.baresipUp(ctx, "udp", "")
	if err != nil {
		return err
	}
	if err := b.do("hold", ""); err != nil {
		return err
	}
	if err := hears(ctx, "the caller on hold", d, musicHz); err != nil {
		return err
	}
	if err := b.do("resume", ""); err != nil {
		return err
	}
	if err := hears(ctx, "the caller", d, repHz["rep1"]); err != nil {
		return err
	}
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	if err := b.do("hangup", ""); err != nil {
		return err
	}
	return errors.Join(ends(ctx, "the caller", d), b.heardInOrder(callerHz))
}

func baresipCalls(ctx context.Context, y *yard) error { return baresipCallsWith(ctx, y, "udp", "") }

// baresipCallsWith has rep1's baresip dial rep2's extension.
func baresipCallsWith(ctx context.Context, y *yard, transport, params string) error {
	other, err := y.rep(ctx, "rep2", softphone.Manual)
	if err != nil {
		return err
	}
	b, err := y.baresip(ctx, "rep1", transport, params)
	if err != nil {
		return err
	}
	if err := b.do("dial", "202"); err != nil {
		return err
	}
	d, err := incoming(ctx, other)
	if err != nil {
		return err
	}
	d.Ring()
	if err := d.Answer(); err != nil {
		return err
	}
	if err := errors.Join(b.saw(ctx, "CALL_ESTABLISHED"), hears(ctx, "rep2", d, repHz["rep1"]), pause(ctx, time.Second)); err != nil {
		return err
	}
	if err := b.do("hangup", ""); err != nil {
		return err
	}
	return errors.Join(ends(ctx, "rep2", d), b.secured(params), b.heardInOrder(repHz["rep2"]))
}

// incoming is the next call of a phone of ours.
func incoming(ctx context.Context, p *softphone.Phone) (*softphone.Dialog, error) {
	select {
	case d := <-p.Incoming():
		return d, nil
	case <-time.After(10 * time.Second):
		return nil, errors.New("our phone was not rung")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// baresipKeys is a caller by baresip who presses 7: the menu then rings rep2.
func baresipKeys(ctx context.Context, y *yard) error {
	other, err := y.rep(ctx, "rep2", softphone.Always)
	if err != nil {
		return err
	}
	b, err := y.baresip(ctx, "rep1", "udp", "")
	if err != nil {
		return err
	}
	if err := b.do("dial", keys); err != nil {
		return err
	}
	if err := b.saw(ctx, "CALL_ESTABLISHED"); err != nil {
		return err
	}
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	if err := b.do("sndcode", "7"); err != nil {
		return err
	}
	d, err := incoming(ctx, other)
	if err != nil {
		return fmt.Errorf("the key did not ring rep2: %w", err)
	}
	if err := errors.Join(hears(ctx, "rep2", d, repHz["rep1"]), pause(ctx, time.Second)); err != nil {
		return err
	}
	d.Hangup()
	return errors.Join(b.saw(ctx, "CALL_CLOSED"), b.heardInOrder(musicHz, repHz["rep2"]))
}

func baresipRings(ctx context.Context, y *yard) error {
	b, err := y.baresip(ctx, "rep1", "udp", "")
	if err != nil {
		return err
	}
	d, err := y.dial(ctx, rings)
	if err != nil {
		return err
	}
	if err := b.saw(ctx, "CALL_INCOMING"); err != nil {
		return err
	}
	if err := d.WaitRinging(ctx); err != nil {
		return err
	}
	d.Hangup()
	return errors.Join(ends(ctx, "the caller", d), b.saw(ctx, "CALL_CLOSED"))
}

func baresipDeclines(ctx context.Context, y *yard) error {
	b, err := y.baresip(ctx, "rep1", "udp", "")
	if err != nil {
		return err
	}
	d, err := y.dial(ctx, rings)
	if err != nil {
		return err
	}
	if err := b.saw(ctx, "CALL_INCOMING"); err != nil {
		return err
	}
	if err := b.do("hangup", ""); err != nil {
		return err
	}
	var refused *softphone.StatusError
	if err := d.WaitAnswered(ctx); !errors.As(err, &refused) || refused.Status < 400 {
		return fmt.Errorf("the caller should be refused, not: %w", err)
	}
	return nil
}

func baresipParks(ctx context.Context, y *yard) error {
	b, d, err := y.baresipUp(ctx, "udp", "")
	if err != nil {
		return err
	}
	if err := b.do("transfer", "sip:720@"+y.sip); err != nil {
		return err
	}
	if err := hears(ctx, "the parked caller", d, musicHz); err != nil {
		return err
	}
	if err := b.saw(ctx, "CALL_CLOSED"); err != nil {
		return err
	}
	if err := y.retrieves(ctx, d, "721"); err != nil {
		return err
	}
	return b.heardInOrder(callerHz)
}

// retrieves has a phone of ours take a caller out of a slot.
func (y *yard) retrieves(ctx context.Context, caller *softphone.Dialog, slot string) error {
	p, err := y.rep(ctx, "rep2", softphone.Manual)
	if err != nil {
		return err
	}
	r, err := p.Call(ctx, slot)
	if err != nil {
		return err
	}
	if err := r.WaitAnswered(ctx); err != nil {
		return fmt.Errorf("retrieve %s: %w", slot, err)
	}
	if err := errors.Join(hears(ctx, "the caller", caller, repHz["rep2"]), hears(ctx, "rep2", r, callerHz)); err != nil {
		return err
	}
	caller.Hangup()
	return ends(ctx, "rep2", r)
}

func baresipRetrieves(ctx context.Context, y *yard) error {
	d, err := y.call(ctx, taken)
	if err != nil {
		return err
	}
	if err := hears(ctx, "the parked caller", d, musicHz); err != nil {
		return err
	}
	b, err := y.baresip(ctx, "rep1", "udp", "")
	if err != nil {
		return err
	}
	if err := b.do("dial", "711"); err != nil {
		return err
	}
	if err := errors.Join(b.saw(ctx, "CALL_ESTABLISHED"), hears(ctx, "the caller", d, repHz["rep1"]), pause(ctx, time.Second)); err != nil {
		return err
	}
	if err := b.do("hangup", ""); err != nil {
		return err
	}
	return errors.Join(ends(ctx, "the caller", d), b.heardInOrder(callerHz))
}

// baresipTransfers sends the caller on to rep2.
func baresipTransfers(ctx context.Context, y *yard) error {
	if _, err := y.rep(ctx, "rep2", softphone.Always); err != nil {
		return err
	}
	b, d, err := y.baresipUp(ctx, "udp", "")
	if err != nil {
		return err
	}
	if err := b.do("transfer", "sip:202@"+y.sip); err != nil {
		return err
	}
	if err := errors.Join(hears(ctx, "the caller", d, repHz["rep2"]), b.saw(ctx, "CALL_CLOSED")); err != nil {
		return err
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"time"

	"github.com/callyard/callyard/internal/softphone"
)

var linphoneStories = []story{
	{"linphone", "registers with SHA-256", linphoneRegisters},
	{"linphone", "is called, holds and resumes", func(ctx context.Context, y *yard) error { return linphoneAnswers(ctx, y, "udp") }},
	{"linphone", "is called over TCP, holds and resumes", func(ctx context.Context, y *yard) error { return linphoneAnswers(ctx, y, "tcp") }},
	{"linphone", "calls another rep", linphoneCalls},
	{"linphone", "parks by REFER, another retrieves", linphoneParks},
	{"linphone", "retrieves by dialling the slot", linphoneRetrieves},
	{"linphone", "transfers with Replaces", linphoneTransfers},
}

func linphoneRegisters(ctx context.Context, y *yard) error {
	_, err := y.linphone(ctx, "rep1", "udp")
	return err
}

// linphoneUp has a caller of ours reach rep1's linphone.
func (y *yard) linphoneUp(ctx context.Context, transport string) (*linphone, *softphone.Dialog, error) {
	l, err := y.linphone(ctx, "rep1", transport)
	if err != nil {
		return nil, nil, err
	}
	d, err := y.dial(ctx, rings)
	if err != nil {
		return nil, nil, err
	}
	if err := l.says(ctx, "receiving new incoming call"); err != nil {
		return nil, nil, err
	}
	if err := l.do("answer"); err != nil {
		return nil, nil, err
	}
	return l, d, hears(ctx, "the caller", d, repHz["rep1"])
}

func linphoneAnswers(ctx context.Context, y *yard, transport string) error {
	l, d, err := y.linphoneUp(ctx, transport)
	if err != nil {
		return err
	}
	if err := errors.Join(pause(ctx, time.Second), l.do("pause"), hears(ctx, "the caller on hold", d, musicHz), l.do("resume 1"), hears(ctx, "the caller", d, repHz["rep1"]), pause(ctx, time.Second)); err != nil {
		return err
	}
	if err := l.do("terminate"); err != nil {
		return err
	}
	return errors.Join(ends(ctx, "the caller", d), l.heard(callerHz))
}

func linphoneCalls(ctx context.Context, y *yard) error {
	other, err := y.rep(ctx, "rep2", softphone.Manual)
	if err != nil {
		return err
	}
	l, err := y.linphone(ctx, "rep1", "udp")
	if err != nil {
		return err
	}
	if err := l.do("call 202"); err != nil {
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
	if err := errors.Join(hears(ctx, "rep2", d, repHz["rep1"]), pause(ctx, time.Second)); err != nil {
		return err
	}
	d.Hangup()
	return errors.Join(l.says(ctx, "call", "ended"), l.heard(repHz["rep2"]))
}

func linphoneParks(ctx context.Context, y *yard) error {
	l, d, err := y.linphoneUp(ctx, "udp")
	if err != nil {
		return err
	}
	if err := errors.Join(pause(ctx, time.Second), l.do("transfer sip:720@"+y.sip), hears(ctx, "the parked caller", d, musicHz)); err != nil {
		return err
	}
	return errors.Join(l.says(ctx, "call", "ended"), y.retrieves(ctx, d, "721"), l.heard(callerHz))
}

func linphoneRetrieves(ctx context.Context, y *yard) error {
	d, err := y.call(ctx, taken)
	if err != nil {
		return err
	}
	if err := hears(ctx, "the parked caller", d, musicHz); err != nil {
		return err
	}
	l, err := y.linphone(ctx, "rep1", "udp")
	if err != nil {
		return err
	}
	if err := errors.Join(l.do("call 711"), hears(ctx, "the caller", d, repHz["rep1"]), pause(ctx, time.Second), l.do("terminate")); err != nil {
		return err
	}
	return errors.Join(ends(ctx, "the caller", d), l.heard(callerHz))
}

// linphoneTransfers is an attended one: rep1 asks rep2 and leaves the caller there.
func linphoneTransfers(ctx context.Context, y *yard) error {
	other, err := y.rep(ctx, "rep2", softphone.Always)
	if err != nil {
		return err
	}
	l, d, err := y.linphoneUp(ctx, "udp")
	if err != nil {
		return err
	}
	if err := errors.Join(pause(ctx, time.Second), l.do("pause"), hears(ctx, "the caller on hold", d, musicHz), l.do("call 202")); err != nil {
		return err
	}
	r, err := incoming(ctx, other)
	if err != nil {
		return err
	}
	if err := errors.Join(hears(ctx, "rep2", r, repHz["rep1"]), l.do("transfer 1 --to-call 2")); err != nil {
		return err
	}
	return errors.Join(hears(ctx, "rep2", r, callerHz), hears(ctx, "the caller", d, repHz["rep2"]), l.says(ctx, "call", "ended"))
}

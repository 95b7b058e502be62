package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var sippStories = []story{
	{"sipp", "a caller is parked and hangs up", func(ctx context.Context, y *yard) error {
		return y.caller(ctx, "caller_talk", waits, "-d", "2000")
	}},
	{"sipp", "the same over TCP", func(ctx context.Context, y *yard) error {
		return y.callerBy(ctx, scenario{file: "caller_talk", tcp: true, args: []string{"-s", waits, "-d", "2000"}})
	}},
	{"sipp", "a rep registers and retrieves by dialling the slot", func(ctx context.Context, y *yard) error {
		if err := y.enrol(ctx, "rep2", "secret-rep2", y.port()); err != nil {
			return err
		}
		c, err := y.sipp(scenario{file: "caller_talk", args: []string{"-s", taken, "-d", "6000"}})
		if err != nil {
			return err
		}
		if err := pause(ctx, 1500*time.Millisecond); err != nil {
			return err
		}
		if err := y.asRep(ctx, "rep_retrieve", "rep2", "711", "-d", "1000"); err != nil {
			return err
		}
		return y.hungUpByHub(c.wait(ctx)) // the rep has hung up: the hub ends the caller
	}},
	{"sipp", "a wrong password is refused", func(ctx context.Context, y *yard) error {
		c, err := y.credentials(ctx, "REGISTER", "sip:"+y.sip, "rep1", "not-it")
		if err != nil {
			return err
		}
		at := y.port()
		return y.callerBy(ctx, scenario{file: "rep_wrong_password", port: at, args: []string{"-key", "rep", "rep1", "-key", "phone", fmt.Sprintf("%s:%d", y.ip, at), "-key", "credentials", c}})
	}},
	{"sipp", "a caller gives up while the phone rings", func(ctx context.Context, y *yard) error {
		p, err := y.desk(ctx, "phone_rings", "rep1")
		if err != nil {
			return err
		}
		return errors.Join(y.caller(ctx, "caller_cancel", rings), p.wait(ctx))
	}},
	{"sipp", "a rep parks by REFER and another retrieves", func(ctx context.Context, y *yard) error {
		p, err := y.desk(ctx, "phone_refers", "rep1", "-key", "park", "sip:720@"+y.sip)
		if err != nil {
			return err
		}
		c, err := y.sipp(scenario{file: "caller_talk", args: []string{"-s", rings, "-d", "8000"}})
		if err != nil {
			return err
		}
		if err := p.wait(ctx); err != nil {
			return err
		}
		if err := y.asRep(ctx, "rep_retrieve", "rep2", "721", "-d", "1000"); err != nil {
			return err
		}
		return y.hungUpByHub(c.wait(ctx))
	}},
	{"sipp", "a queue rings all and one answers", func(ctx context.Context, y *yard) error {
		p, err := y.desk(ctx, "phone_answers", "rep1")
		if err != nil {
			return err
		}
		q, err := y.desk(ctx, "phone_loses", "rep2")
		if err != nil {
			return err
		}
		return errors.Join(y.caller(ctx, "caller_talk", queues, "-d", "3000"), p.wait(ctx), q.wait(ctx))
	}},
	{"sipp", "the offer comes late", func(ctx context.Context, y *yard) error { return y.caller(ctx, "caller_late_offer", answers) }},
	{"sipp", "hold and resume", func(ctx context.Context, y *yard) error { return y.caller(ctx, "caller_hold", waits) }},
	{"sipp", "nobody has the number", func(ctx context.Context, y *yard) error { return y.caller(ctx, "caller_unknown_number", nobody) }},
	{"sipp", "no codec in common", func(ctx context.Context, y *yard) error { return y.caller(ctx, "caller_no_codec", answers) }},
	{"sipp", "a phone that redirects elsewhere (302) ends its own ringing", func(ctx context.Context, y *yard) error {
		p, err := y.desk(ctx, "phone_redirects", "rep1", "-key", "elsewhere", "sip:202@"+y.sip)
		if err != nil {
			return err
		}
		d, err := y.dial(ctx, rings)
		if err != nil {
			return err
		}
		return errors.Join(p.wait(ctx), ends(ctx, "the caller", d))
	}},
	{"sipp", "a phone's early media is heard or rung over", func(ctx context.Context, y *yard) error {
		p, err := y.desk(ctx, "phone_early", "rep1")
		if err != nil {
			return err
		}
		return errors.Join(y.caller(ctx, "caller_talk", rings, "-d", "1500"), p.wait(ctx))
	}},
	{"sipp", "a caller insists on 100rel", func(ctx context.Context, y *yard) error { return y.caller(ctx, "caller_100rel", answers) }},
	{"sipp", "a session timer is agreed on and refreshed", func(ctx context.Context, y *yard) error { return y.caller(ctx, "caller_timer", waits) }},
	{"sipp", "a session timer that is too small", func(ctx context.Context, y *yard) error { return y.caller(ctx, "caller_timer_small", waits) }},
	{"sipp", "a lamp follows a slot", lampFollows},
	{"sipp", "an unknown event package", func(ctx context.Context, y *yard) error {
		return y.subscribed(ctx, "rep_subscribe_unknown", "rep1", "711")
	}},
}

// subscribed runs a scenario in which a rep subscribes to something.
func (y *yard) subscribed(ctx context.Context, file, rep, to string) error {
	c, err := y.credentials(ctx, "SUBSCRIBE", "sip:"+to+"@"+y.sip, rep, "secret-"+rep)
	if err != nil {
		return err
	}
	return y.caller(ctx, file, to, "-key", "rep", rep, "-key", "credentials", c)
}

func lampFollows(ctx context.Context, y *yard) error {
	lamp := make(chan error, 1)
	go func() { lamp <- y.subscribed(ctx, "rep_lamp", "rep1", "711") }()
	if err := pause(ctx, 1500*time.Millisecond); err != nil {
		return err
	}
	d, err := y.call(ctx, taken)
	if err != nil {
		return errors.Join(err, <-lamp)
	}
	if err := hears(ctx, "the caller", d, musicHz); err != nil {
		return err
	}
	d.Hangup()
	return <-lamp
}

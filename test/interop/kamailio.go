package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/softphone"
)

//go:embed kamailio.cfg
var kamailioConfig string

// proxy is a Kamailio before the hub.
type proxy struct {
	process *process
	addr    string
}

// proxy starts one that speaks transport with the hub.
func (y *yard) proxy(ctx context.Context, transport string) (*proxy, error) {
	port := y.port()
	_, hubPort, err := net.SplitHostPort(y.sip)
	if err != nil {
		return nil, err
	}
	modules, err := filepath.Glob("/usr/lib/*/kamailio/modules")
	if err != nil || len(modules) == 0 {
		return nil, errors.New("the modules of Kamailio are not found")
	}
	dir, err := os.MkdirTemp(y.hub.Dir, "kamailio-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "kamailio.cfg")
	text := strings.NewReplacer("{ip}", y.ip, "{port}", fmt.Sprint(port), "{hub}", y.sip, "{hubport}", hubPort, "{transport}", transport, "{modules}", modules[0]+"/").Replace(kamailioConfig)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	p := &proxy{addr: fmt.Sprintf("%s:%d", y.ip, port)}
	if p.process, err = y.begin("kamailio", "kamailio", "-DD", "-E", "-f", file, "-Y", dir, "-w", dir, "-m", "32", "-M", "4", "-P", filepath.Join(dir, "pid")); err != nil {
		return nil, err
	}
	var d net.Dialer
	err = until(ctx, 8*time.Second, "Kamailio", func() bool {
		c, err := d.DialContext(ctx, "tcp", p.addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	if err != nil {
		err = fmt.Errorf("%w, see %s", err, p.process.log)
	}
	return p, err
}

// saw says which requests the proxy lacks, written as in its log: "BYE from hub".
func (p *proxy) saw(ctx context.Context, want ...string) error {
	for _, w := range want {
		err := until(ctx, 3*time.Second, "Kamailio: "+w, func() bool {
			b, _ := os.ReadFile(p.process.log)
			return bytes.Contains(b, []byte("saw "+w))
		})
		if err != nil {
			return fmt.Errorf("%w, see %s", err, p.process.log)
		}
	}
	b, err := os.ReadFile(p.process.log)
	if err == nil && bytes.Contains(b, []byte("lost ")) {
		err = fmt.Errorf("a request came to Kamailio without its route, see %s", p.process.log)
	}
	return err
}

var kamailioStories = []story{
	{"kamailio", "a caller by UDP: hold, resume, BYE", func(ctx context.Context, y *yard) error { return proxiedCaller(ctx, y, "udp", "udp") }},
	{"kamailio", "a caller by TCP, the hub by UDP", func(ctx context.Context, y *yard) error { return proxiedCaller(ctx, y, "tcp", "udp") }},
	{"kamailio", "a caller by UDP, the hub by TCP", func(ctx context.Context, y *yard) error { return proxiedCaller(ctx, y, "udp", "tcp") }},
	{"kamailio", "a rep by UDP: called, hold, resume, hung up on", func(ctx context.Context, y *yard) error { return proxiedRep(ctx, y, "udp", "udp") }},
	{"kamailio", "a rep by TCP, the hub by UDP", func(ctx context.Context, y *yard) error { return proxiedRep(ctx, y, "tcp", "udp") }},
	{"kamailio", "a rep by UDP, the hub by TCP", func(ctx context.Context, y *yard) error { return proxiedRep(ctx, y, "udp", "tcp") }},
	{"kamailio", "a rep parks by REFER", func(ctx context.Context, y *yard) error { return proxiedPark(ctx, y, "udp", "udp") }},
	{"kamailio", "a rep by TCP parks by REFER", func(ctx context.Context, y *yard) error { return proxiedPark(ctx, y, "tcp", "udp") }},
	{"kamailio", "a rep transfers with Replaces", proxiedTransfer},
	{"kamailio", "a caller gives up while a proxied rep rings", proxiedCancel},
}

func proxiedCaller(ctx context.Context, y *yard, phone, hub string) error {
	p, err := y.proxy(ctx, hub)
	if err != nil {
		return err
	}
	c, err := y.phone(softphone.Config{Hub: p.addr, User: "15550100", ToneHz: callerHz, Transport: phone})
	if err != nil {
		return err
	}
	d, err := c.Call(ctx, taken)
	if err != nil {
		return err
	}
	if err := d.WaitAnswered(ctx); err != nil {
		return err
	}
	if err := hears(ctx, "the caller", d, musicHz); err != nil {
		return err
	}
	for _, on := range []bool{true, false} {
		if err := d.Hold(ctx, on); err != nil {
			return fmt.Errorf("hold %v: %w", on, err)
		}
		// The proxy's processes may turn the ACK and the next INVITE round: 491 then.
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	if err := y.retrieves(ctx, d, "711"); err != nil {
		return err
	}
	// A second one is hung up on by the hub.
	if d, err = c.Call(ctx, taken); err != nil {
		return err
	}
	if err := d.WaitAnswered(ctx); err != nil {
		return err
	}
	if err := hears(ctx, "the caller", d, musicHz); err != nil {
		return err
	}
	r, err := y.rep(ctx, "rep1", softphone.Manual)
	if err != nil {
		return err
	}
	u, err := r.Call(ctx, "711")
	if err != nil {
		return err
	}
	if err := u.WaitAnswered(ctx); err != nil {
		return err
	}
	if err := hears(ctx, "the caller", d, repHz["rep1"]); err != nil {
		return err
	}
	u.Hangup()
	return errors.Join(ends(ctx, "the caller", d), p.saw(ctx, "INVITE from phone", "ACK from phone", "BYE from hub"))
}

// proxiedUp has a caller reach rep1, whose phone is behind a proxy.
func (y *yard) proxiedUp(ctx context.Context, phone, hub string) (p *proxy, caller, rep *softphone.Dialog, err error) {
	if p, err = y.proxy(ctx, hub); err != nil {
		return
	}
	r, err := y.phone(softphone.Config{Hub: p.addr, User: "rep1", Password: "secret-rep1", ToneHz: repHz["rep1"], Transport: phone})
	if err != nil {
		return
	}
	if err = r.Register(ctx, 5*time.Minute); err != nil {
		return
	}
	if caller, err = y.dial(ctx, rings); err != nil {
		return
	}
	if rep, err = incoming(ctx, r); err != nil {
		return
	}
	rep.Ring()
	return p, caller, rep, nil
}

// proxiedTalk answers too.
func (y *yard) proxiedTalk(ctx context.Context, phone, hub string) (*proxy, *softphone.Dialog, *softphone.Dialog, error) {
	p, caller, rep, err := y.proxiedUp(ctx, phone, hub)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := rep.Answer(); err != nil {
		return nil, nil, nil, err
	}
	return p, caller, rep, errors.Join(hears(ctx, "the caller", caller, repHz["rep1"]), hears(ctx, "the rep", rep, callerHz))
}

func proxiedRep(ctx context.Context, y *yard, phone, hub string) error {
	p, caller, rep, err := y.proxiedTalk(ctx, phone, hub)
	if err != nil {
		return err
	}
	if err := rep.Hold(ctx, true); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	if err := hears(ctx, "the caller on hold", caller, musicHz); err != nil {
		return err
	}
	if err := rep.Hold(ctx, false); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if err := hears(ctx, "the caller", caller, repHz["rep1"]); err != nil {
		return err
	}
	caller.Hangup()
	return errors.Join(ends(ctx, "the rep", rep), p.saw(ctx, "INVITE from hub", "ACK from hub", "INVITE from phone", "BYE from hub"))
}

func proxiedPark(ctx context.Context, y *yard, phone, hub string) error {
	p, caller, rep, err := y.proxiedTalk(ctx, phone, hub)
	if err != nil {
		return err
	}
	r, err := rep.Refer(ctx, "sip:720@"+y.sip)
	if err != nil {
		return err
	}
	if r.Status != 200 {
		return fmt.Errorf("the NOTIFY says %d, not that the caller is parked", r.Status)
	}
	if err := hears(ctx, "the parked caller", caller, musicHz); err != nil {
		return err
	}
	rep.Hangup()
	return errors.Join(y.retrieves(ctx, caller, "721"), p.saw(ctx, "REFER from phone", "NOTIFY from hub"))
}

// proxiedTransfer is an attended one: rep1 calls rep2 and leaves the caller with them.
func proxiedTransfer(ctx context.Context, y *yard) error {
	if _, err := y.rep(ctx, "rep2", softphone.Always); err != nil {
		return err
	}
	p, caller, rep, err := y.proxiedTalk(ctx, "udp", "udp")
	if err != nil {
		return err
	}
	if err := rep.Hold(ctx, true); err != nil {
		return err
	}
	asks, err := y.phones[len(y.phones)-2].Call(ctx, "202") // rep1's phone, the caller's is the last
	if err != nil {
		return err
	}
	if err := asks.WaitAnswered(ctx); err != nil {
		return err
	}
	if err := hears(ctx, "rep1", asks, repHz["rep2"]); err != nil {
		return err
	}
	r, err := rep.ReferReplacing(ctx, asks)
	if err != nil {
		return err
	}
	if r.Status != 200 {
		return fmt.Errorf("the NOTIFY says %d", r.Status)
	}
	return errors.Join(hears(ctx, "the caller", caller, repHz["rep2"]), p.saw(ctx, "REFER from phone", "NOTIFY from hub"))
}

func proxiedCancel(ctx context.Context, y *yard) error {
	p, caller, rep, err := y.proxiedUp(ctx, "udp", "udp")
	if err != nil {
		return err
	}
	if err := caller.WaitRinging(ctx); err != nil {
		return err
	}
	caller.Hangup()
	return errors.Join(ends(ctx, "the rep", rep), p.saw(ctx, "CANCEL from hub"))
}

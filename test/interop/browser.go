package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/softphone"
)

// browserCache holds what npm brings, from one run to the next.
const browserCache = "bin/interop-browser"

// prepareBrowser fetches JsSIP and Playwright and makes the page's script.
func prepareBrowser(ctx context.Context, _ *yard) error {
	here, err := scenarios()
	if err != nil {
		return err
	}
	for _, p := range []string{"node", "npm"} {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("%s is not installed", p)
		}
	}
	if err := os.MkdirAll(browserCache, 0o755); err != nil {
		return err
	}
	for _, f := range []string{"package.json", "page.js", "driver.mjs"} {
		b, err := os.ReadFile(filepath.Join(here, "browser", f))
		if err == nil {
			err = os.WriteFile(filepath.Join(browserCache, f), b, 0o644)
		}
		if err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for _, c := range [][]string{
		{"npm", "install", "--no-audit", "--no-fund", "--silent"},
		{"node_modules/.bin/esbuild", "page.js", "--bundle", "--format=iife", "--outfile=bundle.js", "--log-level=error"},
	} {
		cmd := exec.CommandContext(ctx, c[0], c[1:]...)
		if c[0] != "npm" {
			cmd.Path, _ = filepath.Abs(filepath.Join(browserCache, c[0]))
			cmd.Err = nil
		}
		cmd.Dir = browserCache
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %.200s", c[0], err, out)
		}
	}
	return nil
}

// browser is Chromium with a rep's phone on a page.
type browser struct {
	process *process
	in      io.WriteCloser
	answers chan browserLine

	mu     sync.Mutex
	events []browserLine
}

type browserLine struct {
	Event  string          `json:"event"`
	Done   json.RawMessage `json:"done"`
	Error  string          `json:"error"`
	Status int             `json:"status"`
	Cause  string          `json:"cause"`
	By     string          `json:"by"`
}

// browser starts one and registers it for rep.
func (y *yard) browser(ctx context.Context, rep string) (*browser, error) {
	sound, err := y.sound(rep, repHz[rep], 48000)
	if err != nil {
		return nil, err
	}
	b := &browser{answers: make(chan browserLine, 8)}
	b.process = &process{cmd: exec.Command("node", "driver.mjs", strconv.Itoa(y.page), sound, "bundle.js"), log: filepath.Join(y.hub.Dir, y.story+".browser.log"), exited: make(chan struct{})}
	b.process.cmd.Dir = browserCache
	if b.in, err = b.process.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	if err := y.start(b.process, w); err != nil {
		return nil, err
	}
	go b.read(r)
	go func() { <-b.process.exited; _ = w.Close() }()
	y.clean = append(y.clean, func() {
		_, _ = io.WriteString(b.in, `{"do":"quit"}`+"\n")
		select {
		case <-b.process.exited:
		case <-time.After(3 * time.Second):
		}
	})
	if err := b.saw(ctx, "ready", 0); err != nil {
		return nil, err
	}
	return b, b.enrol(ctx, y, rep)
}

// enrol makes the page, or the tab opened last, a rep's phone.
func (b *browser) enrol(ctx context.Context, y *yard, rep string) error {
	n := b.seen()
	_, err := b.do(ctx, "start", map[string]string{
		"socket": "ws://" + y.hub.Web.String() + "/sip", "uri": "sip:" + rep + "@" + y.ip, "user": rep, "password": "secret-" + rep,
	})
	if err != nil {
		return err
	}
	return b.saw(ctx, "registered", n)
}

func (b *browser) read(r io.Reader) {
	for sc := bufio.NewScanner(r); sc.Scan(); {
		var l browserLine
		if json.Unmarshal(sc.Bytes(), &l) != nil {
			continue
		}
		if l.Event == "" {
			b.answers <- l
			continue
		}
		b.mu.Lock()
		b.events = append(b.events, l)
		b.mu.Unlock()
	}
}

// do asks the page for something and returns what it answers.
func (b *browser) do(ctx context.Context, what string, args ...any) (json.RawMessage, error) {
	line, err := json.Marshal(map[string]any{"do": what, "args": args})
	if err != nil {
		return nil, err
	}
	if _, err := b.in.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("browser: %s: %w", what, err)
	}
	select {
	case l := <-b.answers:
		if l.Error != "" {
			return nil, fmt.Errorf("browser: %s: %s", what, l.Error)
		}
		return l.Done, nil
	case <-time.After(15 * time.Second):
		return nil, fmt.Errorf("browser: %s: no answer in 15 s", what)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// seen is how many events there were.
func (b *browser) seen() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.events)
}

// count is how often something has happened after the first so many events.
func (b *browser) count(event string, after int) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events[min(after, len(b.events)):] {
		if e.Event == event {
			n++
		}
	}
	return n
}

// saw waits until something has happened after the first so many events.
func (b *browser) saw(ctx context.Context, event string, after int) error {
	err := until(ctx, 20*time.Second, "browser: "+event, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.events[min(after, len(b.events)):] {
			if e.Event == event {
				return true
			}
		}
		return false
	})
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		return fmt.Errorf("%w; it saw %+v, see %s", err, b.events, b.process.log)
	}
	return nil
}

// hears waits until the page hears a tone.
func (b *browser) hears(ctx context.Context, want int) error {
	var last int
	err := until(ctx, 10*time.Second, fmt.Sprintf("the browser should hear %d Hz", want), func() bool {
		r, err := b.do(ctx, "heard")
		if err == nil {
			_ = json.Unmarshal(r, &last)
		}
		return last > want-20 && last < want+20
	})
	if err != nil {
		err = fmt.Errorf("%w, it hears %d Hz; %s", err, last, b.stats(ctx))
	}
	return err
}

func (b *browser) stats(ctx context.Context) string {
	r, err := b.do(ctx, "stats")
	if err != nil {
		return err.Error()
	}
	return string(r)
}

// flows says if packets do not go both ways, encrypted.
func (b *browser) flows(ctx context.Context) error {
	var s struct {
		Received, Sent int
		DTLS, ICE      string
	}
	return until(ctx, 10*time.Second, "a hundred packets both ways over DTLS", func() bool {
		r, err := b.do(ctx, "stats")
		return err == nil && json.Unmarshal(r, &s) == nil && s.Received > 100 && s.Sent > 100 && s.DTLS == "connected"
	})
}

var browserStories = []story{
	{"browser", "registers over WebSocket, again when the socket is cut", func(ctx context.Context, y *yard) error {
		b, err := y.browser(ctx, "rep1")
		if err != nil {
			return err
		}
		n := b.seen()
		if _, err := b.do(ctx, "cut"); err != nil {
			return err
		}
		return errors.Join(b.saw(ctx, "disconnected", n), b.saw(ctx, "registered", n))
	}},
	{"browser", "is called, both hear, the caller hangs up", func(ctx context.Context, y *yard) error {
		b, d, err := y.browserUp(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(b.hears(ctx, callerHz), b.flows(ctx)); err != nil {
			return err
		}
		d.Hangup()
		return b.saw(ctx, "ended", 0)
	}},
	{"browser", "calls another rep, both hear, hangs up", func(ctx context.Context, y *yard) error {
		other, err := y.rep(ctx, "rep2", softphone.Always)
		if err != nil {
			return err
		}
		b, err := y.browser(ctx, "rep1")
		if err != nil {
			return err
		}
		if _, err := b.do(ctx, "call", "sip:202@"+y.ip); err != nil {
			return err
		}
		d, err := incoming(ctx, other)
		if err != nil {
			return err
		}
		if err := errors.Join(hears(ctx, "rep2", d, repHz["rep1"]), b.hears(ctx, repHz["rep2"])); err != nil {
			return err
		}
		if _, err := b.do(ctx, "hangup"); err != nil {
			return err
		}
		return ends(ctx, "rep2", d)
	}},
	{"browser", "holds, resumes, mutes", func(ctx context.Context, y *yard) error {
		b, d, err := y.browserUp(ctx)
		if err != nil {
			return err
		}
		if _, err := b.do(ctx, "hold"); err != nil {
			return err
		}
		if err := hears(ctx, "the caller on hold", d, musicHz); err != nil {
			return err
		}
		if _, err := b.do(ctx, "resume"); err != nil {
			return err
		}
		if err := errors.Join(hears(ctx, "the caller", d, repHz["rep1"]), b.hears(ctx, callerHz)); err != nil {
			return err
		}
		if _, err := b.do(ctx, "mute", true); err != nil {
			return err
		}
		quiet, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := d.HearsNothing(quiet, time.Second); err != nil {
			return fmt.Errorf("muted: %w", err)
		}
		if _, err := b.do(ctx, "mute", false); err != nil {
			return err
		}
		return hears(ctx, "the caller", d, repHz["rep1"])
	}},
	{"browser", "presses a key of a menu", func(ctx context.Context, y *yard) error {
		other, err := y.rep(ctx, "rep2", softphone.Always)
		if err != nil {
			return err
		}
		b, err := y.browser(ctx, "rep1")
		if err != nil {
			return err
		}
		if _, err := b.do(ctx, "call", "sip:"+keys+"@"+y.ip); err != nil {
			return err
		}
		if err := errors.Join(b.saw(ctx, "confirmed", 0), b.hears(ctx, musicHz)); err != nil {
			return err
		}
		if _, err := b.do(ctx, "keys", "7"); err != nil {
			return err
		}
		d, err := incoming(ctx, other)
		if err != nil {
			return fmt.Errorf("the key did not ring rep2: %w", err)
		}
		return errors.Join(hears(ctx, "rep2", d, repHz["rep1"]), b.hears(ctx, repHz["rep2"]))
	}},
	{"browser", "parks by keys, as RFC 4733 has them", func(ctx context.Context, y *yard) error {
		b, d, err := y.browserUp(ctx)
		if err != nil {
			return err
		}
		if _, err := b.do(ctx, "keys", "*7"); err != nil {
			return err
		}
		return hears(ctx, "the parked caller", d, musicHz)
	}},
	{"browser", "parks by REFER, another retrieves", func(ctx context.Context, y *yard) error {
		b, d, err := y.browserUp(ctx)
		if err != nil {
			return err
		}
		r, err := b.do(ctx, "refer", "sip:720@"+y.ip)
		if err != nil {
			return err
		}
		if string(r) != "200" {
			return fmt.Errorf("the NOTIFY says %s, not that the caller is parked", r)
		}
		if err := hears(ctx, "the parked caller", d, musicHz); err != nil {
			return err
		}
		return y.retrieves(ctx, d, "721")
	}},
	{"browser", "retrieves by dialling the slot", func(ctx context.Context, y *yard) error {
		d, err := y.call(ctx, taken)
		if err != nil {
			return err
		}
		if err := hears(ctx, "the parked caller", d, musicHz); err != nil {
			return err
		}
		b, err := y.browser(ctx, "rep1")
		if err != nil {
			return err
		}
		if _, err := b.do(ctx, "call", "sip:711@"+y.ip); err != nil {
			return err
		}
		return errors.Join(hears(ctx, "the caller", d, repHz["rep1"]), b.hears(ctx, callerHz))
	}},
	{"browser", "transfers with Replaces", func(ctx context.Context, y *yard) error {
		other, err := y.rep(ctx, "rep2", softphone.Always)
		if err != nil {
			return err
		}
		b, d, err := y.browserUp(ctx)
		if err != nil {
			return err
		}
		if _, err := b.do(ctx, "hold"); err != nil {
			return err
		}
		n := b.seen()
		if _, err := b.do(ctx, "consult", "sip:202@"+y.ip); err != nil {
			return err
		}
		r, err := incoming(ctx, other)
		if err != nil {
			return err
		}
		if err := errors.Join(b.saw(ctx, "confirmed", n), hears(ctx, "rep2", r, repHz["rep1"]), hears(ctx, "the caller on hold", d, musicHz)); err != nil {
			return err
		}
		told, err := b.do(ctx, "give")
		if err != nil {
			return err
		}
		if string(told) != "200" {
			return fmt.Errorf("the NOTIFY says %s", told)
		}
		return errors.Join(hears(ctx, "rep2", r, callerHz), hears(ctx, "the caller", d, repHz["rep2"]))
	}},
	{"browser", "is loaded again in a call: the call ends, the phone is there", func(ctx context.Context, y *yard) error {
		b, d, err := y.browserUp(ctx)
		if err != nil {
			return err
		}
		if _, err := b.do(ctx, "reload"); err != nil {
			return err
		}
		if err := errors.Join(ends(ctx, "the caller", d), b.enrol(ctx, y, "rep1")); err != nil {
			return err
		}
		n := b.seen()
		again, err := y.dial(ctx, rings)
		if err != nil {
			return err
		}
		err = b.saw(ctx, "rung", n)
		again.Hangup()
		return err
	}},
	{"browser", "two tabs of a rep ring, one answers", func(ctx context.Context, y *yard) error {
		b, err := y.browser(ctx, "rep1")
		if err != nil {
			return err
		}
		if _, err := b.do(ctx, "tab"); err != nil {
			return err
		}
		if err := b.enrol(ctx, y, "rep1"); err != nil {
			return err
		}
		n := b.seen()
		d, err := y.dial(ctx, rings)
		if err != nil {
			return err
		}
		err = until(ctx, 10*time.Second, "both tabs ring", func() bool { return b.count("rung", n) == 2 })
		if err != nil {
			return err
		}
		if _, err := b.do(ctx, "answer"); err != nil {
			return err
		}
		return errors.Join(b.saw(ctx, "confirmed", n), b.saw(ctx, "failed", n), hears(ctx, "the caller", d, repHz["rep1"]), b.hears(ctx, callerHz))
	}},
}

// browserUp has a caller of ours reach rep1's browser.
func (y *yard) browserUp(ctx context.Context) (*browser, *softphone.Dialog, error) {
	b, err := y.browser(ctx, "rep1")
	if err != nil {
		return nil, nil, err
	}
	d, err := y.dial(ctx, rings)
	if err != nil {
		return nil, nil, err
	}
	if err := b.saw(ctx, "rung", 0); err != nil {
		return nil, nil, err
	}
	if _, err := b.do(ctx, "answer"); err != nil {
		return nil, nil, err
	}
	if err := b.saw(ctx, "confirmed", 0); err != nil {
		return nil, nil, err
	}
	return b, d, hears(ctx, "the caller", d, repHz["rep1"])
}

// freeLoopback is a TCP port that is free now on loopback, for the page: only
// there may a page without TLS use the microphone.
func freeLoopback() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

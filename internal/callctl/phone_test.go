package callctl_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// phone is a leg without a network: the far end does what a test tells it to.
type phone struct {
	r       *rig
	id      call.LegID
	name    string
	remote  callctl.Party
	inbound bool
	tape    *tape
	ack     time.Duration // from our 200 to the ACK; below zero it never comes
	bye     time.Duration // from Hangup to the end of the dialog
	inv     callctl.Invitation

	mu       sync.Mutex
	post     func(callctl.LegEvent) bool
	backlog  []callctl.LegEvent
	rung     bool // Ring was called
	answered bool // Answer was called, or the phone was picked up
	up       bool
	closing  bool // Hangup was called
	ended    bool
	cause    call.Cause // of Hangup
	note     string
	shown    callctl.Party
	met      []callctl.Party // whom it was told of while it was up
	ends     int
	crosses  bool // it is answered as it is hung up
	bomb     bool // the next Hangup panics
	refers   []*referral
}

type referral struct {
	to      string
	mu      sync.Mutex
	results []int
}

var (
	_ callctl.Leg    = (*phone)(nil)
	_ callctl.Dialer = (*exchange)(nil)
)

func (p *phone) ID() call.LegID        { return p.id }
func (p *phone) Remote() callctl.Party { return p.remote }

func (p *phone) Watch(post func(callctl.LegEvent) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.post = post
	late := p.backlog
	p.backlog = nil
	for _, ev := range late {
		p.emit(ev)
	}
}

// emit tells the watcher; the phone is locked.
func (p *phone) emit(ev callctl.LegEvent) {
	if p.post == nil {
		p.backlog = append(p.backlog, ev)
		return
	}
	if !p.post(ev) && !p.ended {
		p.ended = true
		p.ends++
	}
}

func (p *phone) Ring() { p.with(func() { p.rung = true }) }
func (p *phone) Early() {
	p.with(p.tape.unmute)
}

func (p *phone) Answer(shown callctl.Party) {
	p.with(func() {
		if p.answered || p.closing || p.ended {
			return
		}
		p.answered, p.shown = true, shown
		p.tape.unmute()
		if p.ack < 0 {
			return
		}
		time.AfterFunc(p.ack, p.confirm)
	})
}

// confirm is the ACK.
func (p *phone) confirm() {
	p.with(func() {
		if p.ended || p.closing || p.up {
			return
		}
		p.up = true
		p.emit(callctl.LegAnswered{Leg: p})
	})
}

func (p *phone) Connected(shown callctl.Party) {
	p.with(func() {
		if p.ended || p.closing || (shown.Number == p.shown.Number && shown.Name == p.shown.Name && shown.Agent == p.shown.Agent) {
			return
		}
		p.shown = shown
		p.met = append(p.met, shown)
	})
}

func (p *phone) Hangup(cause call.Cause, note string) {
	p.with(func() {
		if p.bomb {
			p.bomb = false
			panic("SIP stack: hangup")
		}
		if p.closing || p.ended {
			return
		}
		if p.crosses && !p.up { // its 200 came before, and waits in the mailbox
			p.answered, p.up = true, true
			p.emit(callctl.LegAnswered{Leg: p})
		}
		p.closing, p.cause, p.note = true, cause, note
		time.AfterFunc(p.bye, func() { p.end(cause, false) })
	})
}

func (p *phone) Media() callctl.Media {
	p.r.audio.Lock()
	defer p.r.audio.Unlock()
	if !p.tape.open && !p.tape.shut {
		return nil
	}
	return p.tape
}

func (p *phone) with(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

func (p *phone) end(cause call.Cause, remote bool) {
	p.endWith(callctl.LegEnded{Cause: cause, Remote: remote})
}

// deflects is a 302.
func (p *phone) deflects(to string) {
	p.endWith(callctl.LegEnded{Cause: call.Unavailable, Status: 302, Remote: true, Redirect: to})
}

func (p *phone) endWith(ev callctl.LegEnded) {
	ev.Leg = p
	p.with(func() {
		if p.ended {
			return
		}
		p.ended = true
		p.ends++
		p.emit(ev)
	})
	p.tape.close()
}

// What the far end does.

func (p *phone) hangUp() {
	p.mu.Lock()
	cause := call.Normal
	if p.inbound && !p.answered {
		cause = call.Cancelled
	}
	p.mu.Unlock()
	p.end(cause, true)
}

func (p *phone) refuses(cause call.Cause) { p.end(cause, true) }

func (p *phone) rings() {
	p.with(func() {
		if !p.ended && !p.closing && !p.up {
			p.emit(callctl.LegRang{Leg: p})
		}
	})
}

// speaks is early media.
func (p *phone) speaks() {
	p.with(func() {
		if !p.ended && !p.closing && !p.up {
			p.tape.unmute()
			p.emit(callctl.LegRang{Leg: p, Early: true})
		}
	})
}

// pickUp answers an outbound leg. A 200 that crosses our CANCEL is ACKed and
// BYEd by the leg itself.
func (p *phone) pickUp() {
	p.with(func() {
		if p.ended || p.closing || p.up {
			return
		}
		p.answered, p.up = true, true
		p.tape.unmute()
		p.emit(callctl.LegAnswered{Leg: p})
	})
}

func (p *phone) press(keys string) {
	p.with(func() {
		for _, k := range keys {
			p.emit(callctl.LegDigit{Leg: p, Digit: k})
		}
	})
}

func (p *phone) hold(on bool) { p.with(func() { p.emit(callctl.LegHeld{Leg: p, On: on}) }) }

func (p *phone) refer(to string) *referral { return p.referTo(to, nil) }

// replaces asks that whom p talks to take the place of other, a leg of the same
// phone: an attended transfer.
func (p *phone) replaces(other *phone) *referral { return p.referTo("", other) }

func (p *phone) referTo(to string, other *phone) *referral {
	ref := &referral{to: to}
	var place callctl.Leg
	if other != nil {
		place = other
	}
	p.with(func() {
		p.refers = append(p.refers, ref)
		p.emit(callctl.LegReferred{Leg: p, To: to, Replaces: place, By: p.remote, Result: func(status int, _ string) {
			ref.mu.Lock()
			defer ref.mu.Unlock()
			ref.results = append(ref.results, status)
		}})
	})
	return ref
}

func (f *referral) status() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.results) == 0 {
		return 0
	}
	return f.results[0]
}

func (p *phone) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// told is how our side hung the leg up.
func (p *phone) told() (call.Cause, string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause, p.note
}

// introduced is whom it was told of while it was up.
func (p *phone) introduced() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, m := range p.met {
		names = append(names, first(m.Agent, string(m.Number)))
	}
	return strings.Join(names, " ")
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (p *phone) isUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.up && !p.ended && !p.closing
}

func (p *phone) wasRung() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rung
}

func (p *phone) wasAnswered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered
}

// tape is the audio sent to a phone. All tapes of a rig share one lock.
type tape struct {
	r       *rig
	owner   string
	open    bool
	what    string // "music:hold", "clip:beep", ""
	partner *tape
	done    func(bool)
	gen     int
	heard   []string
	shut    bool   // its leg has ended: it can be called, and does nothing
	bomb    string // the method that panics, once
}

func (t *tape) set(what string, done func(bool)) int {
	if t.shut {
		if done != nil {
			go done(false)
		}
		return t.gen
	}
	if t.done != nil {
		go t.done(false)
	}
	if p := t.partner; p != nil && p.partner == t {
		p.partner, p.what = nil, ""
		p.gen++
	}
	t.partner, t.what, t.done = nil, what, done
	t.gen++
	if what != "" {
		t.heard = append(t.heard, what)
	}
	return t.gen
}

func (t *tape) unmute() {
	t.r.audio.Lock()
	defer t.r.audio.Unlock()
	t.open = true
}

func (t *tape) blow(method string) {
	if t.bomb == method {
		t.bomb = ""
		panic("media engine: " + method)
	}
}

func (t *tape) Music(name string) {
	t.r.audio.Lock()
	defer t.r.audio.Unlock()
	t.blow("music")
	t.set("music:"+name, nil)
}

func (t *tape) Play(clips []callctl.Clip, done func(bool)) {
	t.r.audio.Lock()
	defer t.r.audio.Unlock()
	t.blow("play")
	var names []string
	for _, c := range clips {
		names = append(names, c.Prompt+c.Digits)
	}
	gen := t.set("clip:"+strings.Join(names, "+"), done)
	time.AfterFunc(time.Duration(len(clips))*time.Second, func() {
		t.r.audio.Lock()
		defer t.r.audio.Unlock()
		if t.gen == gen && t.done != nil {
			t.done, t.what = nil, ""
			go done(true)
		}
	})
}

func (t *tape) Silence() {
	t.r.audio.Lock()
	defer t.r.audio.Unlock()
	t.set("", nil)
}

func (t *tape) Join(with callctl.Media) {
	t.r.audio.Lock()
	defer t.r.audio.Unlock()
	t.blow("join")
	o := with.(*tape)
	if t.shut || o.shut {
		return
	}
	t.set("talk:"+o.owner, nil)
	o.set("talk:"+t.owner, nil)
	t.partner, o.partner = o, t
}

// Quality counts what the phone was made to hear: no two of a story are the same.
func (t *tape) Quality() callctl.Quality {
	t.r.audio.Lock()
	defer t.r.audio.Unlock()
	return callctl.Quality{Codec: "PCMU", Sent: uint64(len(t.heard)), MOS: 4.4}
}

// RecordWith notes in the file what the two were.
func (t *tape) RecordWith(other callctl.Media, path string, _ time.Duration) (callctl.Recording, error) {
	t.r.audio.Lock()
	defer t.r.audio.Unlock()
	t.blow("record")
	r := &cassette{path: path, text: t.owner + "," + other.(*tape).owner, began: time.Now()}
	return r, os.WriteFile(path, []byte(r.text), 0o644)
}

// cassette is a recording: a text that says whom, and when it was paused.
type cassette struct {
	mu         sync.Mutex
	path, text string
	began      time.Time
	paused     bool
	stopped    bool
	length     time.Duration
}

func (c *cassette) Pause(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on != c.paused {
		c.paused = on
		c.text += map[bool]string{true: " paused", false: " resumed"}[on]
	}
}

func (c *cassette) Stop() (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		c.stopped, c.length = true, time.Since(c.began)
	}
	return c.length, os.WriteFile(c.path, []byte(c.text), 0o644)
}

func (t *tape) Record(string, time.Duration) (func() (time.Duration, error), error) {
	t.r.audio.Lock()
	defer t.r.audio.Unlock()
	t.blow("record")
	if !t.open {
		return nil, errors.New("not open")
	}
	began := time.Now()
	return func() (time.Duration, error) {
		length := time.Since(began)
		time.Sleep(t.r.disk)
		return length, nil
	}, nil
}

func (t *tape) close() {
	t.r.audio.Lock()
	defer t.r.audio.Unlock()
	t.set("", nil)
	t.open, t.shut = false, true
}

func (p *phone) hears() string {
	p.r.audio.Lock()
	defer p.r.audio.Unlock()
	return p.tape.what
}

func (p *phone) hasHeard(what string) bool {
	p.r.audio.Lock()
	defer p.r.audio.Unlock()
	for _, h := range p.tape.heard {
		if strings.Contains(h, what) {
			return true
		}
	}
	return false
}

// device is what one phone of an agent does when it is called.
type device struct {
	does  string // "answer", "busy", "reject", "never", "gone", "302:<where>"
	after time.Duration
	bye   time.Duration // how long it takes to be cancelled; 5 ms

	crosses bool          // it is answered as it is hung up
	early   time.Duration // when it has something to say (183), 0: never
}

func answersAfter(d time.Duration) device { return device{does: "answer", after: d} }

// exchange is a Dialer whose phones follow their scripts.
type exchange struct {
	r *rig

	mu      sync.Mutex
	devices map[string][]device
	rung    []*phone // every phone that was ever dialled
	texts   map[string][]string
}

func (x *exchange) has(who string, devices ...device) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.devices[who] = devices
}

func (x *exchange) Dial(to callctl.Target, inv callctl.Invitation) ([]callctl.Leg, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	who := to.Agent
	if who == "" {
		who = string(to.Number)
	}
	var legs []callctl.Leg
	for i, d := range x.devices[who] {
		if d.does == "explode" {
			panic("dialler")
		}
		p := x.r.newPhone(who, false)
		p.remote = callctl.Party{Agent: to.Agent, Number: to.Number, Device: fmt.Sprintf("%s-%d", who, i)}
		p.inv, p.shown, p.crosses = inv, inv.Shown, d.crosses
		if d.bye > 0 {
			p.bye = d.bye
		}
		x.rung = append(x.rung, p)
		legs = append(legs, p)
		time.AfterFunc(100*time.Millisecond, p.rings)
		if d.early > 0 {
			time.AfterFunc(d.early, p.speaks)
		}
		act := map[string]func(){
			"answer": p.pickUp, "never": func() {},
			"busy":   func() { p.refuses(call.Busy) },
			"reject": func() { p.refuses(call.Rejected) },
			"gone":   func() { p.refuses(call.Unavailable) },
		}[d.does]
		if to, ok := strings.CutPrefix(d.does, "302:"); ok {
			act = func() { p.deflects(to) }
		}
		time.AfterFunc(d.after, act)
	}
	if len(legs) == 0 {
		return nil, callctl.ErrUnreachable
	}
	return legs, nil
}

func (x *exchange) Message(agent, text string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.texts[agent] = append(x.texts[agent], text)
}

func (x *exchange) textsTo(agent string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.texts[agent]
}

// calls are the phones of who that were dialled, in order.
func (x *exchange) calls(who string) []*phone {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []*phone
	for _, p := range x.rung {
		if p.name == who {
			out = append(out, p)
		}
	}
	return out
}

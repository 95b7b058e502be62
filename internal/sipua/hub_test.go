package sipua_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/internal/sipua/sdp"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const realm = "hub.example"

// hub is a server under test with what it hands over.
type hub struct {
	*sipua.Server
	t     *testing.T
	udp   string
	tcp   string
	calls chan callctl.Incoming
	ports *ports
}

// quick are timers a test can wait for.
var quick = sipua.Timers{T1: 30 * time.Millisecond, T2: 120 * time.Millisecond, GiveUp: 600 * time.Millisecond}

type accounts map[string]sipua.Account

func (a accounts) Account(user string) (sipua.Account, bool) { x, ok := a[user]; return x, ok }

func account(name, password string) sipua.Account {
	return sipua.Account{Agent: name, Display: "Rep " + name, Extension: "201", HA1: queues.HA1{
		MD5: sum(md5.New, name+":"+realm+":"+password), SHA256: sum(sha256.New, name+":"+realm+":"+password),
	}}
}

// start runs a server: rep1 and rep2 have accounts, and 127.0.0.1 is a trunk's.
func start(t *testing.T, change ...func(*sipua.Config)) *hub {
	t.Helper()
	h := &hub{t: t, calls: make(chan callctl.Incoming, 1000), ports: &ports{}}
	cfg := sipua.Config{
		Listen:    []sipua.Interface{{Transport: "udp", Bind: "127.0.0.1:0"}, {Transport: "tcp", Bind: "127.0.0.1:0"}},
		Realm:     realm,
		Accounts:  accounts{"rep1": account("rep1", "pw1"), "rep2": account("rep2", "pw2")},
		Trunks:    func() []routing.Trunk { return []routing.Trunk{{Name: "carrier", Sources: []string{"127.0.0.0/8"}}} },
		OpenMedia: h.ports.open,
		OnCall:    func(in callctl.Incoming) { h.calls <- in },
		Log:       slog.New(slog.NewTextHandler(logWriter{t}, nil)),
		Timers:    quick,
		StopWait:  300 * time.Millisecond,
	}
	for _, f := range change {
		f(&cfg)
	}
	h.Server = sipua.New(cfg)
	if err := h.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Stop)
	for _, a := range h.Addrs() {
		network, addr, _ := strings.Cut(a, " ")
		switch {
		case network == "udp" && h.udp == "":
			h.udp = addr
		case network == "tcp" && h.tcp == "":
			h.tcp = addr
		}
	}
	return h
}

// addr is the first address listened on that begins so: "tls ", "udp [::1]".
func (h *hub) addr(prefix string) string {
	h.t.Helper()
	for _, a := range h.Addrs() {
		if strings.HasPrefix(a, prefix) {
			_, addr, _ := strings.Cut(a, " ")
			return addr
		}
	}
	h.t.Fatalf("nothing listens on %s", prefix)
	return ""
}

// trunkAt is one trunk, at an address.
func trunkAt(source string) func() []routing.Trunk {
	return func() []routing.Trunk { return []routing.Trunk{{Name: "carrier", Sources: []string{source}}} }
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "panic") {
		w.t.Errorf("%s", b)
	}
	return len(b), nil
}

// party is a leg with its events in order.
type party struct {
	t      *testing.T
	leg    callctl.Leg
	events chan callctl.LegEvent
}

func (h *hub) watch(l callctl.Leg) *party {
	p := &party{t: h.t, leg: l, events: make(chan callctl.LegEvent, 100)}
	l.Watch(func(ev callctl.LegEvent) bool { p.events <- ev; return true })
	return p
}

// incoming waits for a call.
func (h *hub) incoming() (*party, callctl.Incoming) {
	h.t.Helper()
	select {
	case in := <-h.calls:
		return h.watch(in.Leg), in
	case <-time.After(patience):
		h.t.Fatal("no call came in")
		return nil, callctl.Incoming{}
	}
}

// event waits for the next event, which must be of that type.
func event[E callctl.LegEvent](p *party) E {
	p.t.Helper()
	select {
	case ev := <-p.events:
		e, ok := ev.(E)
		if !ok {
			p.t.Fatalf("event %T %+v, want %T", ev, ev, e)
		}
		return e
	case <-time.After(patience):
		var e E
		p.t.Fatalf("no %T", e)
		return e
	}
}

// silent fails if an event comes within d.
func (p *party) silent(d time.Duration) {
	p.t.Helper()
	select {
	case ev := <-p.events:
		p.t.Fatalf("unexpected %T %+v", ev, ev)
	case <-time.After(d):
	}
}

// ports stands in for the media engine.
type ports struct {
	mu   sync.Mutex
	all  []*port
	fail atomic.Bool
}

type port struct {
	n       int
	streams chan sdp.Stream
	closed  chan struct{}
	once    sync.Once
	digit   func(rune)
	silent  func()
	broken  func()

	received atomic.Uint64
	music    atomic.Pointer[string] // asked for last
}

func (ps *ports) open(call.LegID, netip.Addr) (sipua.MediaPort, error) {
	if ps.fail.Load() {
		return nil, context.DeadlineExceeded
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := &port{n: 41000 + 2*len(ps.all), streams: make(chan sdp.Stream, 50), closed: make(chan struct{})}
	ps.all = append(ps.all, p)
	return p, nil
}

// last is the port opened last.
func (ps *ports) last() *port {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.all[len(ps.all)-1]
}

// stream waits for what was negotiated next.
func (p *port) stream(t *testing.T) sdp.Stream {
	t.Helper()
	select {
	case st := <-p.streams:
		return st
	case <-time.After(patience):
		t.Fatal("nothing was negotiated")
		return sdp.Stream{}
	}
}

// left counts ports that are open.
func (ps *ports) left() (n int) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.all {
		select {
		case <-p.closed:
		default:
			n++
		}
	}
	return n
}

func (p *port) Media() callctl.Media                { return p }
func (p *port) LocalPort() int                      { return p.n }
func (p *port) Negotiated(s sdp.Stream)             { p.streams <- s }
func (p *port) OnDigit(f func(rune))                { p.digit = f }
func (p *port) OnSilent(f func())                   { p.silent = f }
func (p *port) OnBroken(f func())                   { p.broken = f }
func (p *port) Close()                              { p.once.Do(func() { close(p.closed) }) }
func (p *port) Music(name string)                   { p.music.Store(&name) }
func (p *port) Play(_ []callctl.Clip, _ func(bool)) {}
func (p *port) Silence()                            {}
func (p *port) Join(callctl.Media)                  {}
func (p *port) Quality() callctl.Quality            { return callctl.Quality{Received: p.received.Load()} }

func (p *port) RecordWith(callctl.Media, string, time.Duration) (callctl.Recording, error) {
	return nil, nil
}

func (p *port) Record(string, time.Duration) (func() (time.Duration, error), error) {
	return nil, nil
}

// answeredCall is an inbound call from the trunk that is up.
func (h *hub) answeredCall(p *peer) (*talk, *party) {
	h.t.Helper()
	k := p.talk("+34600000001", "700")
	k.do("INVITE", offer())
	leg, _ := h.incoming()
	leg.leg.Answer(callctl.Party{})
	k.up(p.status("INVITE", 200))
	k.ack("")
	event[callctl.LegAnswered](leg)
	return k, leg
}

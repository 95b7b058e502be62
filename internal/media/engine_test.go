package media

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/callyard/callyard/internal/callctl"
)

// clock is one that is set by hand, on top of the real one.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// freeRange is n ports that nobody else has bound a moment ago.
func freeRange(t *testing.T, n int) (lowest, highest int) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	lowest = min(int(addressOf(c).Port())+2, 65000) &^ 1
	return lowest, lowest + n - 1
}

func TestPorts(t *testing.T) {
	t.Parallel()
	c := &clock{}
	low, high := freeRange(t, 4)
	e := newEngine(t, Config{PortMin: low, PortMax: high, Clock: c.now})
	a, b := openPort(t, e), openPort(t, e)
	if a.LocalPort() == b.LocalPort() || a.LocalPort()%2 != 0 || b.LocalPort()%2 != 0 {
		t.Errorf("ports %d and %d", a.LocalPort(), b.LocalPort())
	}

	t.Run("running out names the range", func(t *testing.T) {
		_, err := e.Open("leg_3", false)
		if !errors.Is(err, ErrNoPorts) || !strings.Contains(err.Error(), "leg_3") {
			t.Fatalf("err = %v", err)
		}
		for _, n := range []int{low, high} {
			if want := netip.AddrPortFrom(loopback, uint16(n)).String()[len("127.0.0.1:"):]; !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not name %s", err, want)
			}
		}
	})
	t.Run("a released port is given out again, later", func(t *testing.T) {
		was := a.LocalPort()
		a.Close()
		a.Close()
		if _, err := e.Open("leg_4", false); !errors.Is(err, ErrNoPorts) {
			t.Fatalf("err = %v", err)
		}
		c.advance(quarantine)
		eventually(t, "the port", func() bool {
			p, err := e.Open("leg_5", false)
			return err == nil && p.LocalPort() == was
		})
		if e.Ports() != 2 {
			t.Errorf("%d ports open", e.Ports())
		}
	})
}

func TestQuarantineIsFiveSeconds(t *testing.T) {
	t.Parallel()
	r, err := newPortRange(4000, 4001)
	if err != nil {
		t.Fatal(err)
	}
	bind := func(int) error { return nil }
	began := time.Now()
	if n, err := r.take(began, bind); n != 4000 || err != nil {
		t.Fatal(n, err)
	}
	r.release(4000, began)
	if _, err := r.take(began.Add(4999*time.Millisecond), bind); !errors.Is(err, ErrNoPorts) {
		t.Errorf("err = %v", err)
	}
	if _, err := r.take(began.Add(5*time.Second), bind); err != nil {
		t.Error(err)
	}
}

func TestPortsTakenByOthersArePassedOver(t *testing.T) {
	t.Parallel()
	low, high := freeRange(t, 4)
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: low + 1}) // an RTCP port
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	e := newEngine(t, Config{PortMin: low, PortMax: high})
	if p := openPort(t, e); p.LocalPort() != low+2 {
		t.Errorf("got %d", p.LocalPort())
	}
}

func TestPortRangesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]int{{0, 10}, {30000, 30000}, {30001, 30002}, {70000, 70010}, {40000, 30000}} {
		if _, err := New(Config{IP: loopback, PortMin: c[0], PortMax: c[1]}); err == nil {
			t.Errorf("%v was accepted", c)
		}
	}
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		p, _ := connected(t, e, pcmu)
		p.Music("")
		if err := e.Start(); err != nil {
			t.Error("a second start:", err)
		}
		e.Stop()
		e.Stop()
		if _, err := e.Open("leg", false); !errors.Is(err, ErrStopped) {
			t.Errorf("err = %v", err)
		}
		p.Music("") // harmless
		p.SendDTMF("1")
		p.Close()
		if err := e.Start(); err != nil {
			t.Fatal(err)
		}
		q, ph := connected(t, e, pcmu)
		q.Music("")
		ph.hear(2)
	})
}

func TestSwitchingFromManySides(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		var ports []*Port
		var peers []*peer
		for range 4 {
			p, ph := connected(t, e, pcmu)
			ports, peers = append(ports, p), append(peers, ph)
		}
		var calls, told sync.WaitGroup
		for i, p := range ports {
			calls.Go(func() {
				for n := range 200 {
					switch (n + i) % 5 {
					case 0:
						p.Music("tone440")
					case 1, 2:
						p.Join(ports[(i+n)%4])
					case 3:
						told.Add(1)
						p.Play([]callctl.Clip{{Prompt: "beep"}}, func(bool) { told.Done() })
					case 4:
						p.SendDTMF("1")
						p.Silence()
					}
					peers[i].frame(make([]byte, frameSamples))
				}
			})
		}
		calls.Wait()
		for _, p := range ports {
			p.Close()
		}
		told.Wait() // every Play was told of, once: twice panics
		for i, p := range ports {
			if p.feed.Load() != nothing {
				t.Errorf("port %d is still fed", i)
			}
		}
	})
}

func TestSilenceIsTold(t *testing.T) {
	t.Parallel()
	c := &clock{}
	e := newEngine(t, Config{Clock: c.now})
	p, ph := connected(t, e, pcmu)
	told := make(chan struct{}, 10)
	p.OnSilent(func() { told <- struct{}{} })
	heard := func() bool {
		select {
		case <-told:
			return true
		case <-time.After(300 * time.Millisecond): // three rounds of upkeep
			return false
		}
	}
	c.advance(29 * time.Second)
	if heard() {
		t.Error("told before 30 s")
	}
	c.advance(2 * time.Second)
	if !heard() || heard() {
		t.Error("not told once")
	}
	ph.frame(make([]byte, frameSamples))
	eventually(t, "the packet", func() bool { return p.Stats().Received == 1 })
	c.advance(31 * time.Second)
	if !heard() {
		t.Error("not told again")
	}
	for what, send := range map[string]func(){
		"comfort noise": func() {
			b := make([]byte, headerSize+1)
			put(b, false, comfortNoise, ph.seq, ph.ts, ph.ssrc)
			ph.send(b)
		},
		"a report": func() {
			b, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: ph.ssrc}})
			if err != nil {
				t.Fatal(err)
			}
			ph.send(b)
		},
	} {
		c.advance(9 * time.Second) // with the 20 of before still too little to be told
		before := c.now()
		send()
		eventually(t, what, func() bool {
			p.in.mu.Lock()
			defer p.in.mu.Unlock()
			return p.in.lastAt >= before.Sub(e.started)
		})
		c.advance(20 * time.Second)
		if heard() {
			t.Errorf("%s was not taken for life", what)
		}
	}
	for _, dir := range []Direction{RecvOnly, Inactive} {
		p.SetRemote(ph.addr(), pcmu, dir, Options{})
		c.advance(61 * time.Second)
		if heard() {
			t.Errorf("told of one that is %s", dir)
		}
	}
}

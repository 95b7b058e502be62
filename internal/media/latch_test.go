package media

import (
	"net/netip"
	"testing"
	"testing/quick"
	"time"
)

func TestLatch(t *testing.T) {
	t.Parallel()
	sdp := netip.MustParseAddrPort("192.0.2.1:4000")
	sameHost := netip.MustParseAddrPort("192.0.2.1:4100")
	signalling := netip.MustParseAddrPort("198.51.100.7:5000")
	stranger := netip.MustParseAddrPort("203.0.113.9:6000")
	type sent struct {
		from netip.AddrPort
		at   time.Duration
		seq  uint16
		ssrc uint32
	}
	four := func(from netip.AddrPort, at time.Duration) []sent {
		return []sent{{from, at, 1, 7}, {from, at, 2, 7}, {from, at, 3, 7}, {from, at, 4, 7}}
	}
	join := func(s ...[]sent) (all []sent) {
		for _, s := range s {
			all = append(all, s...)
		}
		return all
	}
	for _, c := range []struct {
		name     string
		nat      bool
		sent     []sent
		admitted int
		ends     netip.AddrPort
	}{
		{"the SDP address is heard at once", false, four(sdp, 0), 4, sdp},
		{"another port of the host, from the fourth packet on", false, four(sameHost, 0), 1, sameHost},
		{"the signalling's host", false, four(signalling, 0), 1, signalling},
		{"not a stranger", false, four(stranger, 0), 0, sdp},
		{"a stranger, behind NAT", true, four(stranger, 0), 1, stranger},
		{"not after the window", true, four(stranger, 6*time.Second), 0, sdp},
		{"the SDP address after the window", false, four(sdp, 6*time.Second), 4, sdp},
		{"not three packets", true, four(stranger, 0)[:3], 0, sdp},
		{"not with a gap", true, []sent{{stranger, 0, 1, 7}, {stranger, 0, 2, 7}, {stranger, 0, 4, 7}, {stranger, 0, 5, 7}}, 0, sdp},
		{"not with two SSRCs", true, []sent{{stranger, 0, 1, 7}, {stranger, 0, 2, 7}, {stranger, 0, 3, 8}, {stranger, 0, 4, 8}}, 0, sdp},
		{"nobody after the lock", true, join(four(sameHost, 0), four(stranger, 1)), 1, sameHost},
		{"nobody once the SDP address has spoken", true, join(four(sdp, 0), four(stranger, 1)), 4, sdp},
		{"not mixed with another source", true, []sent{{stranger, 0, 1, 7}, {stranger, 0, 2, 7}, {sdp, 0, 9, 1}, {stranger, 0, 3, 7}, {stranger, 0, 4, 7}}, 1, sdp},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l latch
			l.open(&remote{addr: sdp, opts: Options{NAT: c.nat, Signalling: signalling.Addr()}}, 0)
			at, admitted := &destination{addr: sdp}, 0
			for _, s := range c.sent {
				ok, moved := l.admit(s.from, at, header{seq: s.seq, ssrc: s.ssrc}, s.at)
				if ok {
					admitted++
				}
				if moved {
					at = &destination{addr: s.from}
				}
			}
			if admitted != c.admitted || at.addr != c.ends {
				t.Errorf("admitted %d, at %v; want %d at %v", admitted, at.addr, c.admitted, c.ends)
			}
		})
	}
}

func TestAForeignSourceIsRefusedAfterTheLock(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		p, ph := connected(t, e, pcmu)
		thief := newPeer(t, p, pcmu)
		for range 4 {
			ph.frame(make([]byte, frameSamples))
		}
		eventually(t, "the lock", func() bool { return p.Stats().Received == 4 })
		p.Music("tone440")
		for range 10 {
			thief.frame(make([]byte, frameSamples))
		}
		eventually(t, "the refusal", func() bool { return p.Stats().Foreign == 10 })
		ph.hear(3)
		if _, ok := thief.next(50 * time.Millisecond); ok {
			t.Error("the thief hears music")
		}
		if s := p.Stats(); s.Received != 4 {
			t.Errorf("%d packets counted", s.Received)
		}

		t.Run("until a re-INVITE opens the latch", func(t *testing.T) {
			p.SetRemote(ph.addr(), pcmu, SendRecv, Options{})
			for range 4 {
				thief.frame(make([]byte, frameSamples)) // the same host: it may move
			}
			thief.hear(3)
		})
	})
}

func TestWhatIsNoRTPIsCountedAndDropped(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	a, pa := connected(t, e, pcmu)
	b, pb := connected(t, e, pcmu)
	a.Join(b)
	wrongType := make([]byte, 172)
	put(wrongType, false, 18, 1, 1, 1)
	badPadding := make([]byte, 20)
	put(badPadding, false, 0, 1, 1, 1)
	badPadding[0] |= 0x20
	badPadding[19] = 200
	for _, b := range [][]byte{{1}, []byte("OPTIONS sip:"), wrongType, badPadding, {0x9f, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}} {
		pa.send(b)
	}
	eventually(t, "five counted", func() bool { return a.Stats().Invalid == 5 })
	if _, ok := pb.next(30 * time.Millisecond); ok {
		t.Error("something was passed on")
	}
}

func TestParseNeverReachesBeyondThePacket(t *testing.T) {
	t.Parallel()
	if err := quick.Check(func(b []byte) bool {
		if len(b) > 0 {
			b[0] = 0x80 | b[0]&0x3f
		}
		h, ok := parse(b)
		return !ok || h.start >= headerSize && h.start <= h.end && h.end <= len(b)
	}, &quick.Config{MaxCount: 20000}); err != nil {
		t.Error(err)
	}
}

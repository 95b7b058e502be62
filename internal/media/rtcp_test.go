package media

import (
	"math"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

func TestReports(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		c := &clock{}
		e = newEngine(t, Config{Clock: c.now, Portable: e.cfg.Portable})
		p := openPort(t, e)
		ph := newPeer(t, p, pcmu)
		p.SetRemote(ph.addr(), pcmu, SendRecv, Options{RTCPMux: true})
		for i := range 10 {
			if i != 5 {
				ph.frame(make([]byte, frameSamples))
			} else {
				ph.seq++
				ph.ts += frameSamples
			}
		}
		eventually(t, "what was said", func() bool { return p.Stats().Received == 9 })
		p.Music("tone440")
		ph.hear(3)
		c.advance(10 * time.Second)

		sr := report[*rtcp.SenderReport](t, ph.conn)
		if sr.PacketCount < 3 || sr.OctetCount < 3*frameSamples || len(sr.Reports) != 1 {
			t.Fatalf("%+v", sr)
		}
		if r := sr.Reports[0]; r.TotalLost != 1 || r.FractionLost != 25 || r.SSRC != ph.ssrc || uint16(r.LastSequenceNumber) != ph.seq-1 {
			t.Errorf("%+v", r)
		}

		// The peer answers 200 ms after our report, of which it kept it for 150.
		c.advance(200 * time.Millisecond)
		b, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: ph.ssrc, Reports: []rtcp.ReceptionReport{{
			SSRC: sr.SSRC, FractionLost: 64, Jitter: 80,
			LastSenderReport: uint32(sr.NTPTime >> 16), Delay: 65536 * 150 / 1000,
		}}}})
		if err != nil {
			t.Fatal(err)
		}
		ph.send(b)
		eventually(t, "the round trip", func() bool { return p.Stats().RTT > 0 })
		s := p.Stats()
		if s.RTT < 45*time.Millisecond || s.RTT > 150*time.Millisecond || s.RemoteLoss != 25 || s.RemoteJitter != 10*time.Millisecond {
			t.Errorf("%+v", s)
		}
		if s.Lost != 1 || math.Abs(s.LossPercent-10) > 0.01 || s.MOS < 2 || s.MOS > 4 {
			t.Errorf("%+v", s)
		}
	})
}

// report is the next packet of that kind which comes on a socket.
func report[T rtcp.Packet](t *testing.T, conn *net.UDPConn) T {
	t.Helper()
	buf := make([]byte, largest)
	_ = conn.SetReadDeadline(time.Now().Add(3 * time.Second))
	for {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal("no report:", err)
		}
		if !isRTCP(buf[:n]) {
			continue
		}
		packets, err := rtcp.Unmarshal(buf[:n])
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packets {
			if p, ok := p.(T); ok {
				return p
			}
		}
	}
}

func TestReportsGoToThePortAboveWithoutMux(t *testing.T) {
	t.Parallel()
	c := &clock{}
	e := newEngine(t, Config{Clock: c.now})
	p := openPort(t, e)
	low, _ := freeRange(t, 2)
	above, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: low + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = above.Close() }()
	ph := newPeer(t, p, pcmu)
	to := ph.addr()
	p.SetRemote(netip.AddrPortFrom(to.Addr(), uint16(low)), pcmu, SendRecv, Options{})
	c.advance(10 * time.Second)
	if rr := report[*rtcp.ReceiverReport](t, above); len(rr.Reports) != 0 {
		t.Errorf("reports on what was not heard: %+v", rr)
	}
}

func TestFlow(t *testing.T) {
	t.Parallel()
	feed := func(f *flow, seqs ...uint16) {
		for _, s := range seqs {
			f.count(header{seq: s, ts: uint32(s) * 160, ssrc: 1}, 0, 8000, true)
		}
	}
	t.Run("counts over the wrap", func(t *testing.T) {
		var f flow
		feed(&f, 65534, 65535, 1, 2)
		if f.expected() != 5 || f.lost() != 1 {
			t.Errorf("expected %d, lost %d", f.expected(), f.lost())
		}
	})
	t.Run("a late packet is not lost", func(t *testing.T) {
		var f flow
		feed(&f, 10, 12, 11, 13)
		if f.lost() != 0 {
			t.Errorf("lost %d", f.lost())
		}
	})
	t.Run("a new source is no loss", func(t *testing.T) {
		var f flow
		feed(&f, 10, 11, 13)
		feed(&f, 50000, 50001)
		if f.expected() != 6 || f.lost() != 1 {
			t.Errorf("expected %d, lost %d", f.expected(), f.lost())
		}
	})
	t.Run("jitter follows RFC 3550", func(t *testing.T) {
		var f flow
		for i := range 200 {
			at := time.Second + time.Duration(i)*20*time.Millisecond
			if i%2 == 1 {
				at += 10 * time.Millisecond
			}
			f.count(header{seq: uint16(i), ts: uint32(i) * 160, ssrc: 1}, at, 8000, true)
		}
		if math.Abs(f.jitter-80) > 1 { // every other packet is 10 ms late
			t.Errorf("jitter %v", f.jitter)
		}
	})
}

func TestOpinion(t *testing.T) {
	t.Parallel()
	best := opinion("PCMU", 0, 0, 0, 0)
	if best < 4.35 || best > 4.45 {
		t.Errorf("a perfect G.711 call scores %v", best)
	}
	worse := opinion("PCMU", 100*time.Millisecond, 5*time.Millisecond, 0, 2)
	bad := opinion("PCMU", 900*time.Millisecond, 40*time.Millisecond, 0, 20)
	if worse >= best || bad >= worse || bad < 1 {
		t.Errorf("%v, %v, %v", best, worse, bad)
	}
}

package media

import (
	"flag"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/callyard/callyard/internal/media/tone"
)

// TestMain lets more tests run at once than there are processors: they mostly
// wait for audio.
func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := p.Value.Set("6"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

var loopback = netip.MustParseAddr("127.0.0.1")

var (
	pcmu = Codec{Name: "PCMU", PT: 0, Clock: 8000, Ptime: 20 * time.Millisecond, DTMFPT: 101}
	pcma = Codec{Name: "PCMA", PT: 8, Clock: 8000, Ptime: 20 * time.Millisecond, DTMFPT: 96}
)

// onEachNetwork runs a test on epoll and on plain net.
func onEachNetwork(t *testing.T, test func(t *testing.T, e *Engine)) {
	for name, portable := range map[string]bool{"fast": false, "portable": true} {
		t.Run(name, func(t *testing.T) { test(t, newEngine(t, Config{Portable: portable})) })
	}
}

func newEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	cfg.IP = loopback
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Stop)
	return e
}

func openPort(t testing.TB, e *Engine) *Port {
	t.Helper()
	p, err := e.Open("leg_test", false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// peer is a scripted phone's RTP: it sends what it is told and hears what comes.
type peer struct {
	t    testing.TB
	conn *net.UDPConn
	to   netip.AddrPort

	pt, dtmf uint8
	ssrc     uint32
	seq      uint16
	ts       uint32
}

func newPeer(t testing.TB, p *Port, c Codec) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{
		t: t, conn: conn, to: netip.AddrPortFrom(loopback, uint16(p.LocalPort())),
		pt: c.PT, dtmf: c.DTMFPT, ssrc: 0xabcd, seq: 65530, ts: 4_294_967_000,
	}
}

// connected is a port and its peer, negotiated.
func connected(t testing.TB, e *Engine, c Codec) (*Port, *peer) {
	t.Helper()
	p := openPort(t, e)
	ph := newPeer(t, p, c)
	p.SetRemote(ph.addr(), c, SendRecv, Options{})
	return p, ph
}

func (ph *peer) addr() netip.AddrPort { return addressOf(ph.conn) }

func addressOf(c *net.UDPConn) netip.AddrPort { return netip.MustParseAddrPort(c.LocalAddr().String()) }

// frame sends a packet of audio and moves on by a frame.
func (ph *peer) frame(payload []byte) {
	b := make([]byte, headerSize, headerSize+len(payload))
	put(b, false, ph.pt, ph.seq, ph.ts, ph.ssrc)
	ph.send(append(b, payload...))
	ph.seq++
	ph.ts += uint32(len(payload))
}

func (ph *peer) send(b []byte) {
	ph.t.Helper()
	if _, err := ph.conn.WriteToUDPAddrPort(b, ph.to); err != nil {
		ph.t.Fatal(err)
	}
}

// say speaks a tone for so many frames, at the pace of speech, on a goroutine.
func (ph *peer) say(hz float64, frames int) (said <-chan struct{}) {
	codec := map[uint8]coding{0: codeUlaw, 8: codeAlaw, 9: codeG722}[ph.pt]
	b := encodeAll(codec, tone.Generate(hz, time.Duration(frames)*20*time.Millisecond, codec.sampled()))
	var packets [][]byte
	for ; len(b) > 0; b = b[frameSamples:] {
		packets = append(packets, b[:frameSamples])
	}
	return ph.sayAll(packets, rate)
}

// packet is one that a peer heard.
type packet struct {
	header
	payload []byte
	at      time.Time
}

// next is the next packet, or none within the time.
func (ph *peer) next(within time.Duration) (packet, bool) {
	ph.t.Helper()
	buf := make([]byte, largest)
	_ = ph.conn.SetReadDeadline(time.Now().Add(within))
	n, _, err := ph.conn.ReadFromUDPAddrPort(buf)
	if err != nil {
		return packet{}, false
	}
	h, ok := parse(buf[:n])
	if !ok {
		ph.t.Fatalf("%d bytes that are no RTP", n)
	}
	return packet{header: h, payload: buf[h.start:h.end], at: time.Now()}, true
}

// hear is the next n packets; it fails when they do not come.
func (ph *peer) hear(n int) []packet {
	ph.t.Helper()
	var heard []packet
	for range n {
		p, ok := ph.next(3 * time.Second)
		if !ok {
			ph.t.Fatalf("heard %d packets of %d", len(heard), n)
		}
		heard = append(heard, p)
	}
	return heard
}

// flush forgets what has come until now.
func (ph *peer) flush() {
	for {
		if _, ok := ph.next(time.Millisecond); !ok {
			return
		}
	}
}

// soundOf is the audio of packets, at 8 kHz.
func soundOf(packets []packet) (pcm []int16) {
	decoders := map[uint8]*decoder{0: newDecoder(codeUlaw, rate), 8: newDecoder(codeAlaw, rate), 9: newDecoder(codeG722, rate)}
	for _, p := range packets {
		if d := decoders[p.pt]; d != nil {
			pcm = d.decode(pcm, p.payload)
		}
	}
	return pcm
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline.C:
			t.Fatalf("never came: %s", what)
		case <-tick.C:
		}
	}
}

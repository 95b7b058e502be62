package media

import (
	"bytes"
	"crypto/rand"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"

	"github.com/callyard/callyard/internal/media/g711"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
)

// newKey is a random key of a suite.
func newKey(suite string) Key {
	k := Key{Suite: suite, Key: make([]byte, 30)}
	if suite == "AEAD_AES_128_GCM" {
		k.Key = k.Key[:28]
	}
	_, _ = rand.Read(k.Key)
	return k
}

// cipher is a peer's own SRTP, made without any of ours.
type cipher struct {
	t       testing.TB
	in, out *srtp.Context
	before  *srtp.Context // of the key before in; nil: there was none
}

func newCipher(t testing.TB, in, out Key) *cipher {
	t.Helper()
	ctx := func(k Key) *srtp.Context {
		profile := map[string]srtp.ProtectionProfile{
			"AES_CM_128_HMAC_SHA1_80": srtp.ProtectionProfileAes128CmHmacSha1_80, "AES_CM_128_HMAC_SHA1_32": srtp.ProtectionProfileAes128CmHmacSha1_32,
			"AEAD_AES_128_GCM": srtp.ProtectionProfileAeadAes128Gcm,
		}[k.Suite]
		c, err := srtp.CreateContext(k.Key[:16], k.Key[16:], profile)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return &cipher{t: t, in: ctx(in), out: ctx(out)}
}

func (c *cipher) seal(b []byte) []byte {
	c.t.Helper()
	out, err := c.out.EncryptRTP(nil, b, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// hear is the next n packets of audio, opened.
func (c *cipher) hear(ph *peer, n int) (heard []packet) {
	c.t.Helper()
	buf := make([]byte, largest)
	for len(heard) < n {
		_ = ph.conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		size, err := ph.conn.Read(buf)
		if err != nil {
			c.t.Fatalf("heard %d packets of %d: %v", len(heard), n, err)
		}
		if isSTUN(buf) || isDTLS(buf) || isRTCP(buf) {
			continue
		}
		b, err := c.in.DecryptRTP(nil, buf[:size], nil)
		if err != nil && c.before != nil {
			if _, late := c.before.DecryptRTP(nil, buf[:size], nil); late == nil {
				continue // it had left before the key was changed
			}
		}
		if err != nil {
			c.t.Fatalf("what came cannot be opened: %v", err)
		}
		h, ok := parse(b)
		if !ok {
			c.t.Fatal("no RTP")
		}
		heard = append(heard, packet{header: h, payload: b[h.start:h.end]})
	}
	return heard
}

// sealed is a leg with SDES and the peer's side of it.
func sealed(t testing.TB, e *Engine, suite string) (*Port, *peer, *cipher) {
	t.Helper()
	ours, theirs := newKey(suite), newKey(suite)
	p := openPort(t, e)
	ph := newPeer(t, p, pcmu)
	p.SetRemote(ph.addr(), pcmu, SendRecv, Options{Protection: &Protection{Send: ours, Receive: theirs}})
	return p, ph, newCipher(t, ours, theirs)
}

// rtp is the peer's next packet, in the clear.
func (ph *peer) rtp(payload []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(payload))
	put(b, false, ph.pt, ph.seq, ph.ts, ph.ssrc)
	ph.seq++
	ph.ts += uint32(len(payload))
	return append(b, payload...)
}

func TestProtectedAndPlainLegsHearEachOther(t *testing.T) {
	t.Parallel()
	for _, suite := range []string{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"} {
		t.Run(suite, func(t *testing.T) {
			onEachNetwork(t, func(t *testing.T, e *Engine) {
				a, pa, ca := sealed(t, e, suite)
				b, pb := connected(t, e, pcma)
				a.Join(b)
				speech := g711.Ulaw(tone.Generate(440, time.Second, rate))
				for i := range 10 {
					pa.send(ca.seal(pa.rtp(speech[i*160 : i*160+160])))
				}
				got := pb.hear(10)
				want := append([]byte(nil), speech[:160]...)
				g711.UlawToAlaw(want)
				if got[0].pt != 8 || !bytes.Equal(got[0].payload, want) {
					t.Errorf("the plain leg heard type %d, other audio than was said", got[0].pt)
				}
				for range 10 {
					pb.frame(bytes.Repeat([]byte{0x55}, 160))
				}
				back := ca.hear(pa, 10)
				if back[0].pt != 0 || len(back[0].payload) != 160 {
					t.Errorf("the protected leg heard %+v", back[0])
				}
				pb.send(dtmfPacket(pb, 5)) // a key of the plain leg
				key := ca.hear(pa, 1)[0]
				if key.pt != 101 || key.payload[0] != 5 {
					t.Errorf("the protected leg heard %+v instead of the key 5", key)
				}
				if s := a.Stats(); !s.Protected || s.Received != 10 || s.Unauthentic != 0 || b.Stats().Protected {
					t.Errorf("stats %+v", s)
				}
			})
		})
	}
}

// dtmfPacket is the first packet of a key.
func dtmfPacket(ph *peer, key byte) []byte {
	b := make([]byte, headerSize+4)
	put(b, true, ph.dtmf, ph.seq, ph.ts, ph.ssrc)
	ph.seq++
	copy(b[headerSize:], []byte{key, 10, 0, 160})
	return b
}

func TestMusicAndReportsAreProtected(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	p, ph, c := sealed(t, e, "AES_CM_128_HMAC_SHA1_80")
	p.Music("tone440")
	heard := c.hear(ph, 20)
	for i, h := range heard[1:] {
		if h.seq != heard[i].seq+1 {
			t.Errorf("sequence %d after %d", h.seq, heard[i].seq)
		}
	}
	p.out.mu.Lock()
	p.out.nextReport = 0
	p.out.mu.Unlock()
	// RTCP goes to the port above the peer's, where nobody is: let it share the port.
	r := *p.remote.Load()
	r.opts.RTCPMux = true
	p.remote.Store(&r)
	var report []byte
	eventually(t, "a report", func() bool {
		buf := make([]byte, largest)
		_ = ph.conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := ph.conn.Read(buf)
		if err == nil && isRTCP(buf[:n]) {
			report = buf[:n]
		}
		return report != nil
	})
	if _, err := rtcp.Unmarshal(report); err == nil {
		if packets, _ := rtcp.Unmarshal(report); len(packets) > 1 {
			t.Error("a report in the clear")
		}
	}
	plain, err := c.in.DecryptRTCP(nil, report, nil)
	if err != nil {
		t.Fatal(err)
	}
	packets, err := rtcp.Unmarshal(plain)
	if err != nil {
		t.Fatal(err)
	}
	sr, ok := packets[0].(*rtcp.SenderReport)
	if !ok || sr.PacketCount < 20 {
		t.Fatalf("reported %+v", packets[0])
	}
	// And theirs is believed when it is theirs.
	rr, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 7, Reports: []rtcp.ReceptionReport{{SSRC: sr.SSRC, FractionLost: 128}}}})
	ph.send(rr) // in the clear: from anybody
	sealedReport, err := c.out.EncryptRTCP(nil, rr, nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the clear one is refused", func() bool { return p.Stats().Unauthentic == 1 })
	if p.Stats().RemoteLoss != 0 {
		t.Error("a report in the clear was believed")
	}
	ph.send(sealedReport)
	eventually(t, "the report is believed", func() bool { return p.Stats().RemoteLoss == 50 })
}

func TestNothingUnprovenIsHeard(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		p, ph, c := sealed(t, e, "AES_CM_128_HMAC_SHA1_80")
		other := newPeer(t, p, pcmu)
		frame := bytes.Repeat([]byte{0xff}, 160)

		for range 10 { // in the clear, with good numbers, enough of them to be latched on to
			other.frame(frame)
		}
		eventually(t, "what is in the clear is refused", func() bool { return p.Stats().Unauthentic == 10 })
		if at := p.Stats().Remote; at != ph.addr().String() {
			t.Errorf("audio goes to %s, who proved nothing", at)
		}
		first := c.seal(ph.rtp(frame))
		spoilt := bytes.Clone(first)
		spoilt[20] ^= 1
		ph.send(spoilt)
		eventually(t, "what was tampered with is refused", func() bool { return p.Stats().Unauthentic == 11 })
		ph.send(first)
		eventually(t, "the true one is heard", func() bool { return p.Stats().Received == 1 })
		other.send(first) // recorded, and sent again from elsewhere
		eventually(t, "a replay is refused", func() bool { return p.Stats().Unauthentic == 12 })
		if n, _ := e.Refused(); n != 12 {
			t.Errorf("the engine counted %d", n)
		}
		// Who has the keys may come from another host than signalling said.
		r := *p.remote.Load()
		p.SetRemote(netip.MustParseAddrPort("192.0.2.1:4000"), pcmu, SendRecv, r.opts)
		for range latchRun {
			other.send(c.seal(ph.rtp(frame)))
		}
		eventually(t, "the true peer is followed", func() bool { return p.Stats().Remote == other.addr().String() })
	})
}

func TestKeysOverOffersAndAnswers(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	ours, theirs := newKey("AES_CM_128_HMAC_SHA1_80"), newKey("AES_CM_128_HMAC_SHA1_80")
	p := openPort(t, e)
	ph := newPeer(t, p, pcmu)
	ph.seq = 65530
	negotiate := func(send, receive Key) {
		p.SetRemote(ph.addr(), pcmu, SendRecv, Options{Protection: &Protection{Send: send, Receive: receive}})
	}
	negotiate(ours, theirs)
	c := newCipher(t, ours, theirs)
	heard := uint64(0)
	say := func(n int) {
		t.Helper()
		for range n {
			ph.send(c.seal(ph.rtp(make([]byte, 160))))
			heard++
			eventually(t, "it is heard", func() bool { return p.Stats().Received == heard })
		}
	}
	say(10) // past the end of the sequence: a round is counted

	t.Run("the same keys go on", func(t *testing.T) {
		negotiate(ours, theirs)
		say(3)
	})
	t.Run("new keys and rounds counted anew", func(t *testing.T) {
		ours, theirs = newKey("AEAD_AES_128_GCM"), newKey("AEAD_AES_128_GCM")
		negotiate(ours, theirs)
		c = newCipher(t, ours, theirs)
		say(3)
	})
	t.Run("new keys and rounds counted on", func(t *testing.T) {
		for ph.seq = 65534; ph.seq > 60000; {
			say(1) // once more past the end
		}
		say(2)
		ours, theirs = newKey("AES_CM_128_HMAC_SHA1_80"), newKey("AES_CM_128_HMAC_SHA1_80")
		negotiate(ours, theirs)
		c = newCipher(t, ours, theirs)
		c.out.SetROC(ph.ssrc, 1)
		say(3)
	})
	t.Run("one key is new, the other goes on with its rounds", func(t *testing.T) {
		c.t = t
		p.out.mu.Lock()
		p.out.seq = 65533 // past the end of our sequence, too
		p.out.mu.Unlock()
		p.Music("tone440")
		c.hear(ph, 5)
		p.Silence()
		theirs = newKey("AES_CM_128_HMAC_SHA1_80")
		negotiate(ours, theirs)
		next := newCipher(t, ours, theirs)
		c.out = next.out // their own is new, and begins anew
		p.Music("tone440")
		c.hear(ph, 5)
		p.Silence()
		say(2)
		last := c.seal(ph.rtp(make([]byte, 160)))
		ph.send(last)
		heard++
		eventually(t, "it is heard", func() bool { return p.Stats().Received == heard })
		ours = newKey("AES_CM_128_HMAC_SHA1_80")
		negotiate(ours, theirs)
		before := p.Stats().Unauthentic
		ph.send(last)
		eventually(t, "what was heard under their key is not heard again", func() bool { return p.Stats().Unauthentic == before+1 })
		c.before, c.in = c.in, newCipher(t, ours, theirs).in
		say(1)
		p.Music("tone440")
		c.hear(ph, 5)
		p.Silence()
	})
	t.Run("old keys are worth nothing", func(t *testing.T) {
		old := c
		ours, theirs = newKey("AES_CM_128_HMAC_SHA1_80"), newKey("AES_CM_128_HMAC_SHA1_80")
		negotiate(ours, theirs)
		before := p.Stats().Unauthentic
		ph.send(old.seal(ph.rtp(make([]byte, 160))))
		eventually(t, "it is refused", func() bool { return p.Stats().Unauthentic == before+1 })
	})
}

// What is done with a leg's audio is done with what was protected.
func TestEncryptedLegsAreRecordedTranslatedAndGiveKeys(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	a, pa, ca := sealed(t, e, "AEAD_AES_128_GCM")
	b, pb := connected(t, e, wideband)
	keys := make(chan rune, 2)
	a.OnDigit(func(k rune) { keys <- k })
	a.Join(b)
	path := filepath.Join(t.TempDir(), "call.wav")
	rec, err := a.RecordWith(b, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	speech := g711.Ulaw(tone.Generate(600, 500*time.Millisecond, rate))
	for at := 0; at < len(speech); at += 160 {
		pa.send(ca.seal(pa.rtp(speech[at : at+160])))
	}
	heard := pb.hear(25)
	if pcm := soundOf(heard); heard[0].pt != 9 || !tone.Has(pcm, 600) {
		t.Errorf("the other leg heard type %d, and no 600 Hz", heard[0].pt)
	}
	pa.send(ca.seal(dtmfPacket(pa, 7)))
	if k := <-keys; k != '7' {
		t.Errorf("heard the key %c", k)
	}
	if k := pb.hear(1)[0]; k.pt != 101 || k.payload[0] != 7 {
		t.Errorf("the other leg got %+v for the key", k)
	}
	if _, err := rec.Stop(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := wav.Parse(file); err != nil || !tone.Has(got.PCM, 600) {
		t.Errorf("recorded %d samples without 600 Hz: %v", len(got.PCM), err)
	}
}

// A stream that is protected has each number once.
func TestWhatComesTwiceIsSentOnce(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	a, pa := connected(t, e, pcmu)
	b, pb, cb := sealed(t, e, "AEAD_AES_128_GCM")
	a.Join(b)
	one, two, three := pa.rtp(make([]byte, 160)), pa.rtp(make([]byte, 160)), pa.rtp(make([]byte, 160))
	other := bytes.Clone(two)
	other[20] ^= 0x55
	for _, d := range [][]byte{one, three, two, other, three, one} {
		pa.send(d)
	}
	eventually(t, "all have come", func() bool { return a.Stats().Received == 6 })
	cb.hear(pb, 3) // the reader counts before it passes on
	if n := b.Stats().Sent; n != 3 {
		t.Errorf("%d packets were sent", n)
	}
}

func TestProtectionAllocatesLittle(t *testing.T) {
	for _, suite := range []string{"AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"} {
		t.Run(suite, func(t *testing.T) {
			e := newEngine(t, Config{})
			a, pa, ca := sealed(t, e, suite)
			b, _, _ := sealed(t, e, suite)
			a.Join(b)
			// The packets are made before, as the peer's work is none of ours.
			packets := make([][]byte, 600)
			for i := range packets {
				packets[i] = ca.seal(pa.rtp(make([]byte, 160)))
			}
			i, from := 0, pa.addr()
			n := testing.AllocsPerRun(500, func() {
				a.received(packets[i], from)
				i++
			})
			if n > 2 {
				t.Errorf("%v allocations for a packet opened and sealed again", n)
			}
			if got := b.Stats().Sent; got < 500 {
				t.Errorf("%d packets were passed on", got)
			}
		})
	}
}

package media

import (
	"net/netip"
	"runtime"
	"testing"
)

// relay is a joined pair and the packet that one of them is about to say.
func relay(t testing.TB, e *Engine, one, other Codec) (say func()) {
	a, pa := connected(t, e, one)
	b, _ := connected(t, e, other)
	a.Join(b)
	from := pa.addr()
	payload := make([]byte, frameSamples)
	if one.Name == "opus" {
		payload = opusPackets(t, "speech.opus")[10]
	}
	packet := make([]byte, headerSize+len(payload))
	seq := uint16(0)
	return func() {
		copy(packet[headerSize:], payload)
		put(packet, false, one.PT, seq, uint32(seq)*uint32(one.Clock/framesPerSecond), 42)
		seq++
		a.received(packet, from)
	}
}

// through sends a packet through sockets, and returns when it was taken.
func through(ph *peer, c Codec, taken func() bool) func() {
	packet := make([]byte, headerSize+frameSamples)
	return func() {
		ph.seq++
		ph.ts += frameSamples
		put(packet, false, c.PT, ph.seq, ph.ts, ph.ssrc)
		ph.send(packet)
		for !taken() {
			runtime.Gosched()
		}
	}
}

func TestNothingIsAllocatedPerPacket(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		times := func(t *testing.T, runs int, what func()) {
			t.Helper()
			what()
			if n := testing.AllocsPerRun(runs, what); n != 0 {
				t.Errorf("%v allocations", n)
			}
		}
		none := func(t *testing.T, what func()) { t.Helper(); times(t, 200, what) }
		const paced = 40 // each waits for a reader
		t.Run("relayed", func(t *testing.T) { none(t, relay(t, e, pcmu, pcmu)) })
		t.Run("relayed in the other law", func(t *testing.T) { none(t, relay(t, e, pcmu, pcma)) })
		t.Run("made wideband", func(t *testing.T) { none(t, relay(t, e, pcmu, wideband)) })
		t.Run("made narrow", func(t *testing.T) { none(t, relay(t, e, wideband, pcma)) })
		t.Run("Opus made narrow", func(t *testing.T) { none(t, relay(t, e, opus48, pcmu)) })
		t.Run("Opus passed", func(t *testing.T) { none(t, relay(t, e, opus48, opus48)) })
		t.Run("music", func(t *testing.T) {
			p, _ := connected(t, e, pcmu)
			f := &feed{kind: feedMusic, music: e.library.music("")}
			tick := int64(0)
			none(t, func() {
				p.emit(f, tick, f.music, int(tick)%f.music.frames, e.now())
				tick++
			})
		})
		t.Run("drained", func(t *testing.T) {
			p, ph := connected(t, e, pcmu)
			times(t, paced, through(ph, pcmu, func() bool {
				p.in.mu.Lock()
				defer p.in.mu.Unlock()
				return p.in.flow.received == p.in.flow.expected() && uint16(p.in.flow.highest) == ph.seq
			}))
		})
		t.Run("bridged", func(t *testing.T) {
			a, pa := connected(t, e, pcmu)
			b, _ := connected(t, e, pcmu)
			a.Join(b)
			sent := uint32(0)
			times(t, paced, through(pa, pcmu, func() bool {
				b.out.mu.Lock()
				defer b.out.mu.Unlock()
				if b.out.packets == sent {
					return false
				}
				sent = b.out.packets
				return true
			}))
		})
		t.Run("refused", func(t *testing.T) {
			p, _ := connected(t, e, pcmu)
			b := make([]byte, 172)
			put(b, false, 0, 1, 1, 1)
			from := netip.MustParseAddrPort("192.0.2.1:4000")
			none(t, func() { p.received(b, from) })
		})
	})
}

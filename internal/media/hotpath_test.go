package media

import (
	"net/netip"
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

func TestNothingIsAllocatedPerPacket(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		none := func(t *testing.T, what func()) {
			t.Helper()
			what()
			if n := testing.AllocsPerRun(500, what); n != 0 {
				t.Errorf("%v allocations", n)
			}
		}
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
		t.Run("refused", func(t *testing.T) {
			p, _ := connected(t, e, pcmu)
			b := make([]byte, 172)
			put(b, false, 0, 1, 1, 1)
			from := netip.MustParseAddrPort("192.0.2.1:4000")
			none(t, func() { p.received(b, from) })
		})
	})
}

package media

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/media/tone"
)

// sayAll sends packets of 20 ms at the pace of speech, on a goroutine.
func (ph *peer) sayAll(packets [][]byte, clock uint32) (said <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for _, b := range packets {
			ph.frame(b)
			ph.ts += clock/framesPerSecond - uint32(len(b))
			<-pace.C
		}
	}()
	return done
}

func TestLegsOfDifferentCodecsUnderstandEachOther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ a, b Codec }{
		"PCMU and G.722": {pcmu, wideband}, "G.722 and PCMA": {wideband, pcma}, "G.722 and G.722": {wideband, wideband},
	} {
		t.Run(name, func(t *testing.T) {
			onEachNetwork(t, func(t *testing.T, e *Engine) {
				a, pa := connected(t, e, c.a)
				b, pb := connected(t, e, c.b)
				a.Join(b)
				saidA, saidB := pa.say(600, 25), pb.say(900, 25)
				heardB, heardA := pb.hear(25), pa.hear(25)
				<-saidA
				<-saidB
				continuous(t, heardA)
				continuous(t, heardB)
				if pcm := soundOf(heardB); !tone.Has(pcm, 600) || tone.Has(pcm, 900) {
					t.Error("b does not hear a")
				}
				if pcm := soundOf(heardA); !tone.Has(pcm, 900) || tone.Has(pcm, 600) {
					t.Error("a does not hear b")
				}
				want := uint64(25)
				if c.a.Name == c.b.Name {
					want = 0
				}
				if sa, sb := a.Stats(), b.Stats(); sa.Transcoded != want || sb.Transcoded != want || sa.Untranslated+sb.Untranslated != 0 {
					t.Errorf("%+v, %+v", sa, sb)
				}
			})
		})
	}
}

func TestOpusIsHeardByOthers(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]Codec{"PCMU": pcmu, "G.722": wideband} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, Config{})
			a, pa := connected(t, e, opus48)
			b, pb := connected(t, e, other)
			a.Join(b)
			said := pa.sayAll(opusPackets(t, "speech.opus")[:25], 48000)
			heard := pb.hear(25)
			<-said
			continuous(t, heard)
			for i := range heard[1:] {
				if d := heard[i+1].ts - heard[i].ts; d != frameSamples {
					t.Fatalf("timestamp moved by %d", d)
				}
			}
			if !tone.Has(soundOf(heard), 600) {
				t.Error("not what was said")
			}
			pb.frame(make([]byte, frameSamples)) // nothing can be said to who takes Opus alone
			eventually(t, "the packet", func() bool { return a.Stats().Untranslated == 1 })
		})
	}
}

func TestOpusPassesBetweenLegsThatBothHaveIt(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		a, pa := connected(t, e, opus48)
		other := opus48
		other.PT, other.DTMFPT = 96, 97
		b, pb := connected(t, e, other)
		a.Join(b)
		packets := opusPackets(t, "music.opus")[:5]
		said := pa.sayAll(packets, 48000)
		heard := pb.hear(5)
		<-said
		for i, p := range heard {
			if p.pt != 96 || string(p.payload) != string(packets[i]) {
				t.Errorf("packet %d: type %d, %d bytes", i, p.pt, len(p.payload))
			}
			if i > 0 && p.ts-heard[i-1].ts != 960 {
				t.Errorf("timestamp moved by %d", p.ts-heard[i-1].ts)
			}
		}
		pa.press(9, 4, 3)
		keys := pb.hear(keyFrames + 2)
		if k := keys[len(keys)-1]; k.pt != 97 || k.payload[0] != 9 || int(k.payload[2])<<8|int(k.payload[3]) != keyFrames*960 {
			t.Errorf("key: type %d, % x", k.pt, k.payload)
		}
	})
}

func TestTranslationPutsPacketsInOrder(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	sent := func(b *Port) func() bool {
		n := b.Stats().Sent
		return func() bool { return b.Stats().Sent > n }
	}
	a, pa := connected(t, e, pcmu)
	b, pb := connected(t, e, wideband)
	a.Join(b)
	// say sends the n-th packet of a stream.
	base, baseTS := pa.seq, pa.ts
	say := func(n int) {
		pa.seq, pa.ts = base+uint16(n), baseTS+uint32(n*frameSamples)
		pa.frame(make([]byte, frameSamples))
	}
	say(0)
	first := pb.hear(1)[0]
	order := func(want ...int) {
		t.Helper()
		for _, p := range pb.hear(len(want)) {
			if got := int(p.seq - first.seq); got != want[0] || p.ts-first.ts != uint32(got*frameSamples) {
				t.Errorf("packet %d at timestamp %d, want %d", got, p.ts-first.ts, want[0])
			}
			want = want[1:]
		}
	}
	t.Run("two that changed places", func(t *testing.T) {
		say(2)
		say(1)
		order(1, 2)
	})
	t.Run("one that is lost is waited for a little", func(t *testing.T) {
		say(4)
		say(5)
		if _, early := pb.next(30 * time.Millisecond); early {
			t.Error("not waited for")
		}
		say(6)
		order(4, 5, 6)
	})
	t.Run("and does not come after all", func(t *testing.T) {
		say(3)
		say(7)
		order(7)
	})
	t.Run("nor are the last words of a sentence kept back", func(t *testing.T) {
		say(9)
		order(9)
	})
	t.Run("a long gap is not waited for", func(t *testing.T) {
		more := sent(b)
		say(40)
		eventually(t, "the packet", more)
		order(40)
	})
}

func TestMusicIsHeardInWideband(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	p, ph := connected(t, e, wideband)
	p.Music("tone440")
	heard := ph.hear(25)
	continuous(t, heard)
	if pcm := soundOf(heard); !tone.Has(pcm, 440) || heard[0].pt != 9 {
		hz, level := tone.Detect(pcm, rate)
		t.Errorf("type %d: %.0f Hz at %.0f dBFS", heard[0].pt, hz, level)
	}
}

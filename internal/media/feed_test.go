package media

import (
	"bytes"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/media/tone"
)

func TestMusicIsHeard(t *testing.T) {
	for name, c := range map[string]Codec{"PCMU": pcmu, "PCMA": pcma} {
		t.Run(name, func(t *testing.T) {
			onEachNetwork(t, func(t *testing.T, e *Engine) {
				p, ph := connected(t, e, c)
				p.Music("tone440")
				heard := ph.hear(25)
				if pcm := soundOf(heard); !tone.Has(pcm, 440) || len(pcm) != 25*frameSamples {
					hz, level := tone.Detect(pcm, rate)
					t.Errorf("%d samples of %.0f Hz at %.0f dBFS", len(pcm), hz, level)
				}
				continuous(t, heard)
				if !heard[0].marker || heard[1].marker {
					t.Error("the marker belongs on the first packet alone")
				}
			})
		})
	}
}

// continuous checks that packets are one stream: an SSRC, and no sequence left out.
func continuous(t *testing.T, packets []packet) {
	t.Helper()
	for i, p := range packets[1:] {
		q := packets[i]
		if p.ssrc != q.ssrc || p.seq != q.seq+1 {
			t.Errorf("packet %d: ssrc %x seq %d after ssrc %x seq %d", i+1, p.ssrc, p.seq, q.ssrc, q.seq)
		}
		if d := int32(p.ts - q.ts); d < frameSamples {
			t.Errorf("packet %d: timestamp moved by %d", i+1, d)
		}
	}
}

func TestAllListenersHearOnePosition(t *testing.T) {
	e := newEngine(t, Config{})
	a, pa := connected(t, e, pcmu)
	b, pb := connected(t, e, pcmu)
	a.Music("")
	pa.hear(5)
	b.Music("no such music") // becomes the default
	said := pb.hear(5)       // of which a busy machine may have left one out for a
	for _, p := range pa.hear(25) {
		for _, q := range said {
			if bytes.Equal(p.payload, q.payload) {
				return
			}
		}
	}
	t.Error("the second listener hears another position")
}

func TestPlay(t *testing.T) {
	play := func(p *Port, clips ...callctl.Clip) <-chan bool {
		done := make(chan bool, 2)
		p.Play(clips, func(whole bool) { done <- whole })
		return done
	}
	told := func(t *testing.T, done <-chan bool, want bool) {
		t.Helper()
		select {
		case got := <-done:
			if got != want {
				t.Errorf("done(%v), want %v", got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("nothing was told")
		}
	}

	t.Run("is heard to its end, once", func(t *testing.T) {
		onEachNetwork(t, func(t *testing.T, e *Engine) {
			p, ph := connected(t, e, pcmu)
			done := play(p, callctl.Clip{Prompt: "beep"})
			heard := ph.hear(e.library.sound("beep").frames)
			told(t, done, true)
			if !tone.Has(soundOf(heard), 1000) {
				t.Error("no beep")
			}
			continuous(t, heard)
			if _, more := ph.next(50 * time.Millisecond); more || len(done) > 0 {
				t.Error("something came after the end")
			}
		})
	})
	t.Run("reads digits one by one", func(t *testing.T) {
		e := newEngine(t, Config{})
		p, ph := connected(t, e, pcmu)
		done := play(p, callctl.Clip{Digits: "701"})
		frames := 0
		var want []byte
		for _, d := range []string{"7", "0", "1"} {
			s := e.library.sound("digits/" + d)
			frames += s.frames
			want = append(want, s.mu...)
		}
		var got []byte
		for _, packet := range ph.hear(frames) {
			got = append(got, packet.payload...)
		}
		if !bytes.Equal(got, want) {
			t.Error("not the digits seven, zero, one")
		}
		told(t, done, true)
	})
	t.Run("says so when it is replaced", func(t *testing.T) {
		e := newEngine(t, Config{})
		p, ph := connected(t, e, pcmu)
		done := play(p, callctl.Clip{Prompt: "default"})
		ph.hear(2)
		p.Music("tone440")
		told(t, done, false)
	})
	t.Run("says so when the leg goes", func(t *testing.T) {
		e := newEngine(t, Config{})
		p, _ := connected(t, e, pcmu)
		done := play(p, callctl.Clip{Prompt: "default"})
		p.Close()
		told(t, done, false)
		told(t, play(p, callctl.Clip{Prompt: "beep"}), false)
	})
	t.Run("passes over what there is not", func(t *testing.T) {
		e := newEngine(t, Config{})
		p, _ := connected(t, e, pcmu)
		told(t, play(p, callctl.Clip{Prompt: "nothing of the kind"}), true)
	})
}

func TestJoinPassesAudioBothWays(t *testing.T) {
	for name, c := range map[string]Codec{"as it is": pcmu, "translated": pcma} {
		t.Run(name, func(t *testing.T) {
			onEachNetwork(t, func(t *testing.T, e *Engine) {
				a, pa := connected(t, e, pcmu)
				b, pb := connected(t, e, c)
				a.Join(b)
				saidA, saidB := pa.say(600, 25), pb.say(900, 25)
				heardB, heardA := pb.hear(25), pa.hear(25)
				<-saidA
				<-saidB
				if pcm := soundOf(heardB); !tone.Has(pcm, 600) || tone.Has(pcm, 900) {
					t.Error("b does not hear a")
				}
				if pcm := soundOf(heardA); !tone.Has(pcm, 900) || tone.Has(pcm, 600) {
					t.Error("a does not hear b")
				}
				continuous(t, heardA)
				continuous(t, heardB)
			})
		})
	}
}

func TestSwitchingKeepsOneStream(t *testing.T) {
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		a, pa := connected(t, e, pcmu)
		b, pb := connected(t, e, pcmu)
		a.Music("tone440")
		heard := pa.hear(5)
		done := make(chan bool, 1)
		a.Play([]callctl.Clip{{Prompt: "beep"}}, func(whole bool) { done <- whole })
		heard = append(heard, pa.hear(5)...)
		b.Join(a)
		said := pb.say(900, 20)
		heard = append(heard, pa.hear(20)...)
		<-said
		a.Music("tone440")
		heard = append(heard, pa.hear(5)...)
		continuous(t, heard)

		markers := 0
		for _, p := range heard {
			if p.marker {
				markers++
			}
		}
		if markers != 4 {
			t.Errorf("%d markers, want one for each of 4 sources", markers)
		}
		// Timestamps go on from source to source, as time does between them.
		first, last := heard[0], heard[len(heard)-1]
		passed := last.at.Sub(first.at).Seconds() * rate
		if d := float64(last.ts-first.ts) - passed; d > rate || d < -rate {
			t.Errorf("timestamps are %.0f ms off the clock", d/8)
		}
		if <-done {
			t.Error("the beep was not played whole")
		}
	})
}

func TestMusicPartsAJoin(t *testing.T) {
	e := newEngine(t, Config{})
	a, pa := connected(t, e, pcmu)
	b, pb := connected(t, e, pcmu)
	a.Join(b)
	pa.frame(make([]byte, frameSamples))
	pb.hear(1)
	a.Music("tone440")
	heard := pa.hear(1) // sent after the parting
	pa.frame(make([]byte, frameSamples))
	pb.frame(make([]byte, frameSamples))
	if _, ok := pb.next(60 * time.Millisecond); ok {
		t.Error("b still hears a")
	}
	if b.feed.Load() != nothing || a.sink.Load() != nil || b.sink.Load() != nil {
		t.Error("something of the join is left")
	}
	if !tone.Has(soundOf(append(heard, pa.hear(20)...)), 440) {
		t.Error("a hears no music")
	}

	t.Run("but not one that came after", func(t *testing.T) {
		c, pc := connected(t, e, pcmu)
		a.Join(b)
		b.Join(c) // parts a
		a.Music("tone440")
		pb.flush()
		pc.frame(make([]byte, frameSamples))
		pb.hear(1)
		pb.frame(make([]byte, frameSamples))
		pc.hear(1)
	})
}

func TestLossStaysVisible(t *testing.T) {
	e := newEngine(t, Config{})
	a, pa := connected(t, e, pcmu)
	b, pb := connected(t, e, pcmu)
	a.Join(b)
	for i := range 10 {
		if i == 4 || i == 5 { // lost on the way
			pa.seq++
			pa.ts += frameSamples
			continue
		}
		pa.frame(make([]byte, frameSamples))
	}
	heard := pb.hear(8)
	if d := heard[4].seq - heard[3].seq; d != 3 {
		t.Errorf("sequence moved by %d over two lost packets", d)
	}
	if d := heard[4].ts - heard[3].ts; d != 3*frameSamples {
		t.Errorf("timestamp moved by %d over two lost packets", d)
	}
	if s := a.Stats(); s.Lost != 2 || s.Received != 8 {
		t.Errorf("%+v", s)
	}
}

func TestExtensionsAndPaddingAreNotPassedOn(t *testing.T) {
	e := newEngine(t, Config{})
	a, pa := connected(t, e, pcmu)
	b, pb := connected(t, e, pcmu)
	a.Join(b)
	pkt := make([]byte, headerSize)
	put(pkt, false, 0, 1, 2, 3)
	pkt[0] |= 0x20 | 0x10 | 1                  // padding, extension, one contributor
	pkt = append(pkt, 9, 9, 9, 9)              // the contributor
	pkt = append(pkt, 0xbe, 0xde, 0, 1)        // the extension's header
	pkt = append(pkt, 1, 2, 3, 4)              // and its word
	pkt = append(pkt, 'a', 'u', 'd', 'i', 'o') // what was said
	pkt = append(pkt, 0, 0, 3)                 // padding
	pa.send(pkt)
	if got := pb.hear(1)[0]; string(got.payload) != "audio" || got.start != headerSize {
		t.Errorf("%q after a header of %d", got.payload, got.start)
	}
}

func TestDirection(t *testing.T) {
	e := newEngine(t, Config{})
	p, ph := connected(t, e, pcmu)
	for _, c := range []struct {
		dir  Direction
		sent bool
	}{{SendOnly, false}, {Inactive, false}, {RecvOnly, true}, {SendRecv, true}} {
		t.Run(string(c.dir), func(t *testing.T) {
			p.SetRemote(ph.addr(), pcmu, c.dir, Options{})
			ph.flush()
			p.Music("tone440")
			if _, ok := ph.next(100 * time.Millisecond); ok != c.sent {
				t.Errorf("sent: %v", ok)
			}
		})
	}
}

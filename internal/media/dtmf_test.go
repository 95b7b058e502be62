package media

import (
	"encoding/binary"
	"testing"
	"time"
)

// press sends the packets of a key: as many as said, then as many ends.
func (ph *peer) press(event byte, packets, ends int) {
	for i := range packets + ends {
		b := make([]byte, headerSize+4)
		put(b, i == 0, ph.dtmf, ph.seq, ph.ts, ph.ssrc)
		b[headerSize], b[headerSize+1] = event, 10
		n := i + 1
		if i >= packets {
			b[headerSize+1] |= 0x80
			n = packets + 1
		}
		binary.BigEndian.PutUint16(b[headerSize+2:], uint16(n*frameSamples))
		ph.send(b)
		ph.seq++
	}
	ph.ts += uint32(packets+2) * frameSamples
}

func TestEachKeyIsHeardOnce(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		p, ph := connected(t, e, pcmu)
		keys := make(chan rune, 20)
		p.OnDigit(func(r rune) { keys <- r })
		ph.press(7, 4, 3)
		ph.press(7, 4, 0) // all ends lost
		ph.press(0, 0, 1) // all but an end lost
		ph.seq += 3       // the first packets lost
		ph.press(11, 2, 3)
		ph.press(1, 3, 2)
		ph.press(16, 3, 3) // a flash hook is no key
		ph.frame(make([]byte, frameSamples))
		eventually(t, "the last packet", func() bool { return p.Stats().Received == 29 })
		got := ""
		for len(keys) > 0 {
			got += string(<-keys)
		}
		if got != "770#1" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestKeyHearing(t *testing.T) {
	t.Parallel()
	type pkt struct {
		ts       uint32
		event    byte
		end      bool
		duration uint16
		seq      uint16
	}
	for _, c := range []struct {
		name string
		sent []pkt
		want string
	}{
		{"a late packet of an earlier key", []pkt{{100, 1, false, 160, 1}, {5000, 2, false, 160, 3}, {100, 1, true, 800, 2}}, "12"},
		{"a key held longer than a duration can say", []pkt{{0, 5, false, 160, 1}, {0, 5, false, 65535, 2}, {65535, 5, false, 160, 3}, {65535, 5, true, 800, 4}}, "5"},
		{"the same key again at once", []pkt{{0, 5, false, 800, 1}, {0, 5, true, 800, 2}, {800, 5, false, 160, 3}}, "55"},
		{"timestamps that wrap", []pkt{{0xffffff00, 3, true, 800, 65535}, {0x00000400, 3, true, 800, 0}}, "33"},
		// As phones do when a call is resumed: the SSRC stays, the clock does not.
		{"timestamps that begin anew", []pkt{{900000, 3, true, 800, 10}, {160, 4, true, 800, 30}, {1600, 4, true, 800, 40}}, "344"},
		{"all numbers begin anew", []pkt{{900000, 3, true, 800, 30000}, {160, 4, true, 800, 1}, {160, 4, true, 800, 2}}, "34"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k keyHearing
			got := ""
			for _, p := range c.sent {
				b := []byte{p.event, 10, byte(p.duration >> 8), byte(p.duration)}
				if p.end {
					b[1] |= 0x80
				}
				if r := k.hear(header{ts: p.ts, ssrc: 1, seq: p.seq}, b); r != 0 {
					got += string(r)
				}
			}
			if got != c.want {
				t.Errorf("heard %q, want %q", got, c.want)
			}
		})
	}
}

func TestKeysAreSent(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		p, ph := connected(t, e, pcmu)
		p.Music("tone440")
		ph.hear(2)
		p.SendDTMF("4#")
		heard := ph.hear(30)
		continuousSequence(t, heard)
		for i := range heard[2:] {
			if heard[i].pt == 101 && heard[i+1].pt == 0 && heard[i].payload[1]&0x80 == 0 {
				t.Error("audio within a key")
			}
		}
		events := map[uint32][]packet{}
		var order []uint32
		for _, k := range heard {
			if k.pt != 101 {
				continue
			}
			if len(events[k.ts]) == 0 {
				order = append(order, k.ts)
				if !k.marker {
					t.Error("a key begins without a marker")
				}
			} else if k.marker {
				t.Error("a marker within a key")
			}
			events[k.ts] = append(events[k.ts], k)
		}
		if len(order) != 2 {
			t.Fatalf("%d keys sent", len(order))
		}
		for i, want := range []byte{4, 11} {
			ends := 0
			for _, k := range events[order[i]] {
				if k.payload[0] != want {
					t.Errorf("key %d is %d, want %d", i, k.payload[0], want)
				}
				if k.payload[1]&0x80 != 0 {
					ends++
					if d := binary.BigEndian.Uint16(k.payload[2:]); d != keyFrames*frameSamples {
						t.Errorf("key of %d samples", d)
					}
				}
			}
			if ends != 3 || len(events[order[i]]) != keyFrames+2 {
				t.Errorf("key %d: %d packets, %d ends", i, len(events[order[i]]), ends)
			}
		}
		if last := heard[len(heard)-1]; last.pt != 0 {
			t.Error("the music does not go on")
		}
		// Time goes on while keys are sent: of each, the two repeated ends take none.
		frames := uint32(len(heard) - 1 - 2*len(order))
		if passed := heard[len(heard)-1].ts - heard[0].ts; passed < frames*frameSamples || passed > 2*frames*frameSamples {
			t.Errorf("%d samples passed in %d frames", passed, frames)
		}
	})
}

func continuousSequence(t *testing.T, packets []packet) {
	t.Helper()
	for i, p := range packets[1:] {
		if p.seq != packets[i].seq+1 || p.ssrc != packets[i].ssrc {
			t.Errorf("packet %d: seq %d after %d", i+1, p.seq, packets[i].seq)
		}
	}
}

func TestKeysPassAJoin(t *testing.T) {
	t.Parallel()
	onEachNetwork(t, func(t *testing.T, e *Engine) {
		a, pa := connected(t, e, pcmu)
		b, pb := connected(t, e, pcma) // telephone-event is 96 there
		keys := make(chan rune, 5)
		a.OnDigit(func(r rune) { keys <- r })
		a.Join(b)
		pa.frame(make([]byte, frameSamples))
		heard := pb.hear(1)
		pa.press(9, 4, 1)
		pa.frame(make([]byte, frameSamples)) // b's key is not over yet
		heard = append(heard, pb.hear(keyFrames+2)...)
		for _, k := range heard[1:] {
			if k.pt != 96 || k.payload[0] != 9 {
				t.Errorf("type %d, event %d", k.pt, k.payload[0])
			}
		}
		pa.frame(make([]byte, frameSamples))
		heard = append(heard, pb.hear(1)...)
		continuousSequence(t, heard)
		if r := <-keys; r != '9' {
			t.Errorf("heard %q", r)
		}
		// Where reading fell behind, the frame sent during the key follows it: only a key is one too many.
		for p, more := pb.next(100 * time.Millisecond); more; p, more = pb.next(100 * time.Millisecond) {
			if p.pt == 96 {
				t.Fatal("the key was sent twice")
			}
		}
		a.Press('5') // by SIP INFO
		a.Press('x')
		if k := pb.hear(keyFrames + 2); k[0].payload[0] != 5 || <-keys != '5' || len(keys) > 0 {
			t.Errorf("event %d", k[0].payload[0])
		}
	})
}

func TestAKeyThatIsNotPassedOnIsNoLoss(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	a, pa := connected(t, e, pcmu)
	b, pb := connected(t, e, Codec{Name: "PCMU"}) // no telephone-event
	a.Join(b)
	pa.frame(make([]byte, frameSamples))
	pa.press(9, 4, 3)
	pa.frame(make([]byte, frameSamples))
	continuousSequence(t, pb.hear(2))
}

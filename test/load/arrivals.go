//go:build linux

package load

import (
	"context"
	"encoding/binary"
	"time"
)

// stream is what comes from one port of the hub.
type stream struct {
	packets, lost int
	last          int64
	seq           uint16
	gaps          []float32 // in ms
	markedLast    int64
	speechBegan   int64  // when marked packets began to come, after a second of none
	sample        []byte // what is kept of the sound, while it is listened to
}

// took counts a packet from the hub's port.
func (s *Side) took(port uint16, b []byte, came int64) {
	if len(b) < rtpBytes || b[0]>>6 != 2 || b[1]&0x7f > 95 && b[1]&0x7f != 101 {
		return
	}
	h := s.heard[port]
	if h == nil {
		h = &stream{}
		s.heard[port] = h
	}
	if room := cap(h.sample) - len(h.sample); room > 0 && b[1]&0x7f == 0 {
		h.sample = append(h.sample, b[12:12+min(room, len(b)-12)]...)
	}
	if string(b[12:16]) == mark {
		if came-h.markedLast > int64(time.Second) {
			h.speechBegan = came
		}
		h.markedLast = came
		if s.count {
			s.marked++
			s.delays = append(s.delays, float64(came-readTime(b[16:32]))/1e6)
		}
	}
	if !s.count {
		return
	}
	seq := binary.BigEndian.Uint16(b[2:])
	if h.packets > 0 {
		h.gaps = append(h.gaps, float32(came-h.last)/1e6)
		if missed := seq - h.seq - 1; missed < 1000 {
			h.lost += int(missed)
		}
	}
	h.packets++
	h.last, h.seq = came, seq
}

// Record begins to count arrivals afresh; Tally ends it.
func (s *Side) Record() {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	for _, h := range s.heard {
		if h != nil {
			h.packets, h.lost, h.gaps = 0, 0, h.gaps[:0]
		}
	}
	s.sent, s.marked, s.delays, s.count = 0, 0, nil, true
}

// Tally is what came while arrivals were recorded.
type Tally struct {
	Streams, Packets, Lost int
	Sent, Marked           int
	Gaps, Delays           Spread // in ms, sorted
}

func (s *Side) Tally() (t Tally) {
	s.engine.mu.Lock()
	s.count = false
	t.Sent, t.Marked, t.Delays = s.sent, s.marked, s.delays
	for _, h := range s.heard {
		if h == nil || h.packets == 0 {
			continue
		}
		t.Streams++
		t.Packets += h.packets
		t.Lost += h.lost
		for _, g := range h.gaps {
			t.Gaps = append(t.Gaps, float64(g))
		}
	}
	s.engine.mu.Unlock()
	t.Gaps.Sorted()
	t.Delays.Sorted()
	return t
}

// Speech is when the latest stretch of a talker's audio began to come from the
// hub's port.
func (s *Side) Speech(port uint16) (time.Time, bool) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	if h := s.heard[port]; h != nil && h.speechBegan != 0 {
		return time.Unix(0, h.speechBegan), true
	}
	return time.Time{}, false
}

// Spoken is when the last of a talker's audio came from the hub's port.
func (s *Side) Spoken(port uint16) time.Time {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	if h := s.heard[port]; h != nil {
		return time.Unix(0, h.markedLast)
	}
	return time.Time{}
}

// Listen begins to keep n bytes of the µ-law sound that comes from the hub's
// port; Sound is what of them has come.
func (s *Side) Listen(port uint16, n int) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	if s.heard[port] == nil {
		s.heard[port] = &stream{}
	}
	s.heard[port].sample = make([]byte, 0, n)
}

// Sound ends Listen.
func (s *Side) Sound(port uint16) []byte {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	h := s.heard[port]
	if h == nil {
		return nil
	}
	b := h.sample
	h.sample = nil
	return b
}

// The time is written in hex digits: they survive a hub that decodes µ-law and
// encodes it again, which can turn 0x7f into 0xff.
func writeTime(b []byte, ns int64) {
	for i := range b {
		b[len(b)-1-i] = "0123456789abcdef"[ns&15]
		ns >>= 4
	}
}

func readTime(b []byte) (ns int64) {
	for _, c := range b {
		d := int64(c - '0')
		if c >= 'a' {
			d = int64(c-'a') + 10
		}
		ns = ns<<4 | d
	}
	return ns
}

// Pause waits, but not beyond ctx.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

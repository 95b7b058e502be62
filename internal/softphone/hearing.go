package softphone

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	windowSize = 800 // 100 ms
	windowGap  = 150 * time.Millisecond
	windowsMax = 18000 // half an hour is remembered
	silentDB   = -50.0 // dB below full scale
	dominance  = 0.7   // share of a tone in the energy of a window
	tolerance  = 15    // Hz
)

// Segment is a stretch of the same sound. Hz is 0 for a sound that is not one
// tone, such as music, speech, or the moment one tone follows another.
type Segment struct {
	Hz       float64
	Level    float64 // dB below full scale, loudest window
	From, To time.Time
}

func (s Segment) String() string {
	return fmt.Sprintf("%.0f Hz for %v", s.Hz, s.To.Sub(s.From).Round(time.Millisecond))
}

// hearing is what arrived. Guarded by the lock of its audio.
type hearing struct {
	stats   PacketStats
	last    time.Time // packet
	lastSeq map[uint32]uint16

	buf     [windowSize]int16
	n       int
	from    time.Time
	windows []Segment
	wanted  map[int]int // tones somebody waits for

	digits []rune
	events map[uint64]bool
}

func newHearing() hearing {
	return hearing{lastSeq: map[uint32]uint16{}, wanted: map[int]int{}, events: map[uint64]bool{}}
}

func (h *hearing) sound(decode *[256]int16, payload []byte, now time.Time) {
	if h.n > 0 && now.Sub(h.from) > windowSize*time.Second/8000+windowGap {
		h.n = 0 // there was a pause: what is left of the window is stale
	}
	if h.n == 0 {
		h.from = now.Add(-time.Duration(len(payload)) * time.Second / 8000)
	}
	for _, b := range payload {
		h.buf[h.n] = decode[b]
		if h.n++; h.n == windowSize {
			h.judge(now)
			h.n, h.from = 0, now
		}
	}
}

// judge says what a full window sounded like.
func (h *hearing) judge(now time.Time) {
	energy, inner, product := 0.0, 0.0, 0.0 // inner: without the first and the last sample
	for i, v := range h.buf {
		x := float64(v)
		energy += x * x
		if i > 0 && i < windowSize-1 {
			inner += x * x
			product += x * (float64(h.buf[i-1]) + float64(h.buf[i+1]))
		}
	}
	s := Segment{From: h.from, To: now, Level: level(h.buf[:])}
	if s.Level > silentDB {
		// A sine satisfies x[n-1]+x[n+1] = 2·cos(ω)·x[n]: least squares give ω.
		guess := math.Acos(max(-1, min(1, product/2/inner))) * 8000 / (2 * math.Pi)
		if h.share(guess, energy) >= dominance {
			s.Hz = guess
		} else {
			s.Hz = h.amongWanted(energy)
		}
	}
	if len(h.windows) >= windowsMax {
		h.windows = slices.Delete(h.windows, 0, windowsMax/10)
	}
	h.windows = append(h.windows, s)
}

// amongWanted looks for the tones that are waited for, which may dominate a
// mixture whose guessed frequency is off.
func (h *hearing) amongWanted(energy float64) float64 {
	for hz := range h.wanted {
		for _, off := range []int{0, -8, 8} {
			if h.share(float64(hz+off), energy) >= dominance {
				return float64(hz + off)
			}
		}
	}
	return 0
}

// share is the part of the window's energy that is at a frequency (Goertzel).
func (h *hearing) share(hz, energy float64) float64 {
	c := 2 * math.Cos(2*math.Pi*hz/8000)
	var s1, s2 float64
	for _, v := range h.buf {
		s1, s2 = float64(v)+c*s1-s2, s1
	}
	return (s1*s1 + s2*s2 - c*s1*s2) * 2 / windowSize / energy
}

// lastSound is when anything was heard last, the window being filled included.
func (h *hearing) lastSound() time.Time {
	if level(h.buf[:h.n]) > silentDB {
		return h.last
	}
	for _, w := range slices.Backward(h.windows) {
		if w.Level > silentDB {
			return w.To
		}
	}
	return time.Time{}
}

// level is the loudness in dB below full scale.
func level(samples []int16) float64 {
	energy := 0.0
	for _, v := range samples {
		energy += float64(v) * float64(v)
	}
	if energy == 0 {
		return math.Inf(-1)
	}
	return 10 * math.Log10(energy/float64(len(samples))/(32768*32768))
}

// key counts each digit once, however many of its packets come (RFC 4733 §2.5.1).
func (h *hearing) key(ssrc, stamp uint32, payload []byte) {
	id := uint64(ssrc)<<32 | uint64(stamp)
	if len(payload) < 4 || int(payload[0]) >= len(keypad) || h.events[id] {
		return
	}
	h.events[id] = true
	h.digits = append(h.digits, rune(keypad[payload[0]]))
}

// segments joins windows of the same sound, leaving out silence, from since on.
func (h *hearing) segments(since time.Time) []Segment {
	var list []Segment
	for _, w := range h.windows {
		if w.Level <= silentDB || w.From.Before(since) {
			continue
		}
		if n := len(list); n > 0 {
			last := &list[n-1]
			same := (w.Hz == 0) == (last.Hz == 0) && math.Abs(w.Hz-last.Hz) <= tolerance
			if same && w.From.Sub(last.To) < windowGap {
				last.To, last.Level = w.To, max(last.Level, w.Level)
				continue
			}
		}
		list = append(list, w)
	}
	return list
}

// run is how many of the last windows fit, without a break, since a moment.
func (h *hearing) run(since time.Time, fits func(Segment) bool) int {
	n := 0
	for i, w := range slices.Backward(h.windows) {
		if w.From.Before(since) || !fits(w) || (n > 0 && h.windows[i+1].From.Sub(w.To) >= windowGap) {
			break
		}
		n++
	}
	return n
}

// Hears waits until a tone, give or take 15 Hz, is heard for 200 ms from now on.
func (d *Dialog) Hears(ctx context.Context, hz int) error {
	a, since := d.audio, time.Now()
	a.mu.Lock()
	a.heard.wanted[hz]++
	a.mu.Unlock()
	err := a.await(ctx, func() bool {
		return a.heard.run(since, func(w Segment) bool { return w.Hz > 0 && math.Abs(w.Hz-float64(hz)) <= tolerance }) >= 2
	})
	a.mu.Lock()
	if a.heard.wanted[hz]--; a.heard.wanted[hz] == 0 {
		delete(a.heard.wanted, hz)
	}
	a.mu.Unlock()
	if err != nil {
		return fmt.Errorf("hear %d Hz, heard %v in %d packets: %w", hz, d.HeardSince(since), d.Stats().Received, err)
	}
	return nil
}

// HearsSomething waits until any sound, be it music, is heard for 200 ms from now on.
func (d *Dialog) HearsSomething(ctx context.Context) error {
	a, since := d.audio, time.Now()
	err := a.await(ctx, func() bool {
		return a.heard.run(since, func(w Segment) bool { return w.Level > silentDB }) >= 2
	})
	if err != nil {
		return fmt.Errorf("hear something in %d packets: %w", d.Stats().Received, err)
	}
	return nil
}

// HearsNothing waits for a stretch of that length without a sound; with or
// without packets.
func (d *Dialog) HearsNothing(ctx context.Context, length time.Duration) error {
	a, quiet := d.audio, time.Now()
	since := quiet
	for {
		a.mu.Lock()
		if last := a.heard.lastSound(); last.After(quiet) {
			quiet = last
		}
		changed := a.bell.wait()
		a.mu.Unlock()
		left := time.Until(quiet.Add(length))
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("hear nothing for %v, heard %v: %w", length, d.HeardSince(since), ctx.Err())
		}
		timer.Stop()
	}
}

// Heard is all that was heard so far.
func (d *Dialog) Heard() []Segment { return d.HeardSince(time.Time{}) }

// HeardSince is what was heard since a moment.
func (d *Dialog) HeardSince(t time.Time) []Segment {
	d.audio.mu.Lock()
	defer d.audio.mu.Unlock()
	return d.audio.heard.segments(t)
}

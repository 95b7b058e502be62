package softphone

import (
	"slices"
	"time"
)

// PacketStats counts a dialog's RTP since the last reset.
type PacketStats struct {
	Sent, Received, Lost int
	SSRCs                []uint32 // seen, in order of appearance
	Sources              []string // addresses packets came from
	MaxGap               time.Duration
}

// Stats is the RTP since the beginning or the last ResetStats.
func (d *Dialog) Stats() PacketStats {
	d.audio.mu.Lock()
	defer d.audio.mu.Unlock()
	s := d.audio.heard.stats
	s.SSRCs, s.Sources = slices.Clone(s.SSRCs), slices.Clone(s.Sources)
	return s
}

// ResetStats begins counting anew; the next gap counts from the last packet before.
func (d *Dialog) ResetStats() {
	d.audio.mu.Lock()
	defer d.audio.mu.Unlock()
	d.audio.heard.stats = PacketStats{}
}

// packet counts one. The lock of the audio is held.
func (h *hearing) packet(ssrc uint32, seq uint16, from string, now time.Time) {
	s := &h.stats
	s.Received++
	if !slices.Contains(s.SSRCs, ssrc) {
		s.SSRCs = append(s.SSRCs, ssrc)
	}
	if !slices.Contains(s.Sources, from) {
		s.Sources = append(s.Sources, from)
	}
	if !h.last.IsZero() {
		s.MaxGap = max(s.MaxGap, now.Sub(h.last))
	}
	h.last = now
	last, known := h.lastSeq[ssrc]
	step := seq - last
	switch {
	case !known || step == 1:
	case step > 1 && step < 0x8000:
		s.Lost += int(step) - 1
	default: // late or twice
		if s.Lost > 0 && step != 0 {
			s.Lost--
		}
		return
	}
	h.lastSeq[ssrc] = seq
}

package media

import (
	"encoding/binary"
	"os"
	"time"

	"github.com/callyard/callyard/internal/media/wav"
)

const (
	partSuffix = ".part"
	// tapeWindow is how much of a recording is in memory: what comes later than
	// that belongs nowhere any more.
	tapeWindow = rate
)

// tape is the file of a recording: 16-bit samples of some channels, at 8 kHz. The
// last second is in memory, because channels and late packets come in any order.
type tape struct {
	path     string
	file     *os.File
	channels int
	limit    int64 // samples

	length int64   // samples told to the file's reader: the end of what was written
	base   int64   // the first sample in memory; what is before is in the file
	window []int16 // interleaved, from base on
	bytes  []byte
}

func newTape(path string, channels int, longest time.Duration) (*tape, error) {
	file, err := os.Create(path + partSuffix)
	if err != nil {
		return nil, err
	}
	t := &tape{path: path, file: file, channels: channels, limit: samples(longest), window: make([]int16, tapeWindow*channels)}
	if err := t.patch(); err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

// discard undoes what newTape began; the recording never was.
func (t *tape) discard() {
	_ = t.file.Close()
	_ = os.Remove(t.path + partSuffix)
}

// write puts samples of a channel at a place. What is beyond the limit, or so late
// that its place has been written, is left out; what is never written is silence.
func (t *tape) write(channel int, pos int64, pcm []int16) error {
	for len(pcm) > 0 {
		if pos < t.base { // too late
			n := min(int64(len(pcm)), t.base-pos)
			pcm, pos = pcm[n:], pos+n
			continue
		}
		if pos >= t.limit {
			return nil
		}
		if pos >= t.base+tapeWindow {
			if err := t.roll(pos - tapeWindow/2); err != nil {
				return err
			}
			continue
		}
		n := min(int64(len(pcm)), t.base+tapeWindow-pos, t.limit-pos)
		for i, v := range pcm[:n] {
			t.window[(int(pos-t.base)+i)*t.channels+channel] = v
		}
		t.length = max(t.length, pos+n)
		pcm, pos = pcm[n:], pos+n
	}
	return nil
}

// roll makes base the first sample in memory, and writes what was before it.
func (t *tape) roll(base int64) error {
	n := min(base-t.base, tapeWindow)
	if err := t.store(n); err != nil {
		return err
	}
	kept := copy(t.window, t.window[n*int64(t.channels):])
	clear(t.window[kept:])
	t.base = base
	return nil
}

// store writes the first n samples of the window to the file, as far as there are so many.
func (t *tape) store(n int64) error {
	n = min(n, t.length-t.base)
	if n <= 0 {
		return nil
	}
	t.bytes = t.bytes[:0]
	for _, v := range t.window[:n*int64(t.channels)] {
		t.bytes = binary.LittleEndian.AppendUint16(t.bytes, uint16(v))
	}
	_, err := t.file.WriteAt(t.bytes, wav.HeaderSize+2*int64(t.channels)*t.base)
	return err
}

// flush writes all there is, so that a recording that is cut off can be heard.
func (t *tape) flush() error {
	if err := t.store(tapeWindow); err != nil {
		return err
	}
	return t.patch()
}

// patch writes the header for what is there.
func (t *tape) patch() error {
	h := wav.Header(rate, t.channels, uint32(2*int64(t.channels)*t.length))
	_, err := t.file.WriteAt(h[:], 0)
	return err
}

// complete gives the file its name.
func (t *tape) complete() error {
	err := t.flush()
	if e := t.file.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(t.path+partSuffix, t.path)
	}
	return err
}

func (t *tape) duration() time.Duration { return time.Duration(t.length) * time.Second / rate }

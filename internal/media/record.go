package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/media/wav"
)

var (
	// ErrRecording is returned by Record on a port that is being recorded.
	ErrRecording = errors.New("already being recorded")
	// ErrNotRecordable is returned by Record when the leg's codec cannot be decoded.
	ErrNotRecordable = errors.New("only G.711, G.722 and Opus can be recorded")
	// ErrClosed is returned by Record on a closed port.
	ErrClosed = errors.New("port is closed")
)

const (
	recordQueue  = 128 // frames that wait for the disk: 2.5 s
	patchEvery   = 5 * time.Second
	partSuffix   = ".part"
	mostOfAFrame = 640 // 60 ms of G.711, and any packet of Opus that is speech
)

// recorder writes what one leg says. The reader's goroutine queues frames and
// never waits: what the disk does not take in time is dropped and counted.
type recorder struct {
	port   *Port
	path   string
	file   *os.File
	limit  int64 // samples
	frames chan recorded
	finish chan struct{}
	once   sync.Once
	done   chan struct{} // closed when the file is complete
	began  time.Duration

	// The writer's own until done.
	length   int64 // samples in the file
	anchored bool
	ssrc, ts uint32 // of the packet at anchor
	anchor   int64
	decoder  *decoder
	pcm      []int16
	bytes    []byte
	err      error
}

type recorded struct {
	at   time.Duration // since the recording began
	ts   uint32
	ssrc uint32
	code coding
	tick int64 // RTP clock rate
	n    int
	b    [mostOfAFrame]byte
}

// Record writes what the leg says to a WAV file, 8 kHz mono, until stop, until
// the port is closed, or for max (0: an hour). Time in which nothing came is
// silence in the file. Until it is complete the file is path with ".part" after it.
// stop may be called after the end, and more than once.
func (p *Port) Record(path string, longest time.Duration) (stop func() (time.Duration, error), err error) {
	if r := p.remote.Load(); r != nil && r.code == codeNone {
		return nil, fmt.Errorf("record to %s: %s: %w", path, r.codec.Name, ErrNotRecordable)
	}
	if longest <= 0 {
		longest = time.Hour
	}
	file, err := os.Create(path + partSuffix)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r := &recorder{
		port: p, path: path, file: file, limit: samples(longest), began: p.engine.now(),
		frames: make(chan recorded, recordQueue), finish: make(chan struct{}), done: make(chan struct{}),
	}
	if err := r.patch(); err != nil {
		r.discard()
		return nil, fmt.Errorf("record to %s: %w", path, err)
	}
	if !p.recorder.CompareAndSwap(nil, r) {
		r.discard()
		return nil, fmt.Errorf("record to %s: %w", path, ErrRecording)
	}
	if p.closed.Load() {
		p.recorder.CompareAndSwap(r, nil)
		r.discard()
		return nil, fmt.Errorf("record to %s: %w", path, ErrClosed)
	}
	p.engine.spawn(func() { r.run(longest) })
	return func() (time.Duration, error) {
		r.end()
		<-r.done
		return time.Duration(r.length) * time.Second / rate, r.err
	}, nil
}

// discard undoes what Record began; the recording never was.
func (r *recorder) discard() {
	_ = r.file.Close()
	_ = os.Remove(r.path + partSuffix)
}

// push queues a packet's audio.
func (r *recorder) push(h header, from *remote, payload []byte) {
	if from.code == codeNone {
		return
	}
	f := recorded{at: r.port.engine.now() - r.began, ts: h.ts, ssrc: h.ssrc, code: from.code, tick: int64(from.codec.Clock)}
	if f.n = copy(f.b[:], payload); f.n < len(payload) {
		r.port.recordDropped.Add(1)
		return
	}
	select {
	case r.frames <- f:
	default:
		r.port.recordDropped.Add(1)
	}
}

// end has the writer finish.
func (r *recorder) end() { r.once.Do(func() { close(r.finish) }) }

func (r *recorder) run(longest time.Duration) {
	defer close(r.done)
	patch := time.NewTicker(patchEvery)
	defer patch.Stop()
	limit := time.NewTimer(longest)
	defer limit.Stop()
	for r.err == nil {
		select {
		case f := <-r.frames:
			r.err = r.write(&f)
			continue
		case <-patch.C:
			r.err = r.patch()
			continue
		case <-limit.C:
		case <-r.finish:
		}
		break
	}
	r.port.recorder.CompareAndSwap(r, nil)
	r.err = r.complete()
}

// complete writes what is still queued, and gives the file its name.
func (r *recorder) complete() error {
	for r.err == nil && len(r.frames) > 0 {
		f := <-r.frames
		r.err = r.write(&f)
	}
	if err := r.patch(); r.err == nil {
		r.err = err
	}
	if err := r.file.Close(); r.err == nil {
		r.err = err
	}
	if r.err == nil {
		r.err = os.Rename(r.path+partSuffix, r.path)
	}
	if r.err != nil {
		return fmt.Errorf("record to %s: %w", r.path, r.err)
	}
	return nil
}

// write puts a packet where its timestamp says. One that comes late fills its
// gap; what is never written reads as zeros, which is silence. A source that
// starts anew, or whose timestamps stray a second from the time of arrival, is
// placed by the time of arrival.
func (r *recorder) write(f *recorded) error {
	if r.decoder == nil || r.decoder.code != f.code {
		r.decoder, r.anchored = newDecoder(f.code, rate), false
	}
	r.pcm = r.decoder.decode(r.pcm[:0], f.b[:f.n])
	arrival := samples(f.at)
	pos := r.anchor + int64(int32(f.ts-r.ts))*rate/f.tick
	if stray := pos - arrival; !r.anchored || f.ssrc != r.ssrc || stray > rate || stray < -rate {
		pos = max(arrival, r.length)
		if !r.anchored {
			pos = max(r.length, arrival-int64(len(r.pcm))) // it was spoken before it came
		}
	}
	r.anchored, r.ssrc, r.ts, r.anchor = true, f.ssrc, f.ts, pos
	n := min(int64(len(r.pcm)), r.limit-pos)
	if pos < 0 || n <= 0 {
		return nil
	}
	r.bytes = r.bytes[:0]
	for _, v := range r.pcm[:n] {
		r.bytes = binary.LittleEndian.AppendUint16(r.bytes, uint16(v))
	}
	r.length = max(r.length, pos+n)
	_, err := r.file.WriteAt(r.bytes, wav.HeaderSize+2*pos)
	return err
}

// patch writes the header for what is there, so that a recording that was cut off can be heard.
func (r *recorder) patch() error {
	h := wav.Header(rate, uint32(2*r.length))
	_, err := r.file.WriteAt(h[:], 0)
	return err
}

func samples(d time.Duration) int64 { return d.Microseconds() * rate / 1e6 }

package media

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callyard/callyard/internal/callctl"
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
	recordQueue  = 256 // packets that wait for the disk: 2.5 s of two legs
	patchEvery   = 5 * time.Second
	mostOfAFrame = 640 // 60 ms of G.711, and any packet of Opus that is speech
)

// recorder writes what legs say, one channel each. The readers' goroutines queue
// packets and never wait: what the disk does not take in time is dropped and
// counted.
type recorder struct {
	engine *Engine
	tape   *tape
	frames chan recorded
	finish chan struct{}
	once   sync.Once
	done   chan struct{} // closed when the file is complete
	began  time.Duration
	paused atomic.Bool
	tracks []*track
	err    error // the writer's own until done
}

// track is one leg in a recording.
type track struct {
	rec     *recorder
	port    *Port
	channel int
	place   placing // the writer's own
}

type recorded struct {
	track *track
	at    time.Duration // since the recording began
	ts    uint32
	ssrc  uint32
	code  coding
	tick  int64 // RTP clock rate
	n     int
	b     [mostOfAFrame]byte
}

// Recording is a recording that runs.
type Recording struct{ r *recorder }

// Pause leaves out what is said until it is resumed: the file is silent there.
func (r *Recording) Pause(on bool) { r.r.paused.Store(on) }

// Stop completes the file and returns its length. It may be called after the end,
// and more than once.
func (r *Recording) Stop() (time.Duration, error) {
	r.r.end()
	<-r.r.done
	return r.r.tape.duration(), r.r.err
}

// Record writes what the leg says to a WAV file, 8 kHz mono, until it is stopped,
// until the port is closed, or for longest (0: an hour). Time in which nothing came
// is silence in the file. Until it is complete the file is path with ".part" after it.
func (p *Port) Record(path string, longest time.Duration) (stop func() (time.Duration, error), err error) {
	r, err := record(path, longest, p)
	if err != nil {
		return nil, err
	}
	return r.Stop, nil
}

// RecordWith is Record of two legs in one file: this one left, the other right.
// It ends with whichever port is closed first.
func (p *Port) RecordWith(other callctl.Media, path string, longest time.Duration) (callctl.Recording, error) {
	q, ok := other.(*Port)
	if !ok || q == p || q.engine != p.engine {
		return nil, fmt.Errorf("record to %s: not another port of this engine", path)
	}
	r, err := record(path, longest, p, q)
	if err != nil {
		return nil, err // a nil *Recording would be no nil callctl.Recording
	}
	return r, nil
}

func record(path string, longest time.Duration, ports ...*Port) (*Recording, error) {
	for _, p := range ports {
		if r := p.remote.Load(); r != nil && r.code == codeNone {
			return nil, fmt.Errorf("record to %s: %s: %w", path, r.codec.Name, ErrNotRecordable)
		}
	}
	if longest <= 0 {
		longest = time.Hour
	}
	file, err := newTape(path, len(ports), longest)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	e := ports[0].engine
	r := &recorder{
		engine: e, tape: file, began: e.now(),
		frames: make(chan recorded, recordQueue), finish: make(chan struct{}), done: make(chan struct{}),
	}
	for i, p := range ports {
		r.tracks = append(r.tracks, &track{rec: r, port: p, channel: i})
	}
	if err := r.attach(); err != nil {
		r.detach()
		file.discard()
		return nil, fmt.Errorf("record to %s: %w", path, err)
	}
	e.spawn(func() { r.run(longest) })
	return &Recording{r}, nil
}

// attach has the ports hand over what they hear.
func (r *recorder) attach() error {
	for _, t := range r.tracks {
		if !t.port.recorder.CompareAndSwap(nil, t) {
			return ErrRecording
		}
		if t.port.closed.Load() {
			return ErrClosed
		}
	}
	return nil
}

func (r *recorder) detach() {
	for _, t := range r.tracks {
		t.port.recorder.CompareAndSwap(t, nil)
	}
}

// push queues a packet's audio.
func (t *track) push(h header, from *remote, payload []byte) {
	r := t.rec
	if from.code == codeNone || r.paused.Load() {
		return
	}
	f := recorded{track: t, at: r.engine.now() - r.began, ts: h.ts, ssrc: h.ssrc, code: from.code, tick: int64(from.codec.Clock)}
	if f.n = copy(f.b[:], payload); f.n < len(payload) {
		t.port.recordDropped.Add(1)
		return
	}
	select {
	case r.frames <- f:
	default:
		t.port.recordDropped.Add(1)
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
			r.err = r.tape.flush()
			continue
		case <-limit.C:
		case <-r.finish:
		}
		break
	}
	r.detach()
	for r.err == nil && len(r.frames) > 0 {
		f := <-r.frames
		r.err = r.write(&f)
	}
	if err := r.tape.complete(); r.err == nil {
		r.err = err
	}
	if r.err != nil {
		r.err = fmt.Errorf("record to %s: %w", r.tape.path, r.err)
	}
}

func (r *recorder) write(f *recorded) error {
	pcm, pos := f.track.place.put(f)
	return r.tape.write(f.track.channel, pos, pcm)
}

// placing finds the place of a leg's packets in a recording.
type placing struct {
	decoder  *decoder
	pcm      []int16
	anchored bool
	ssrc, ts uint32 // of the packet at anchor
	anchor   int64
	next     int64 // where the newest packet ends
}

// put decodes a packet and says where it belongs: where its timestamp says. One
// that comes late fills its gap. A source that starts anew, or whose timestamps
// stray a second from the time of arrival, is placed by the time of arrival.
func (p *placing) put(f *recorded) ([]int16, int64) {
	if p.decoder == nil || p.decoder.code != f.code {
		p.decoder, p.anchored = newDecoder(f.code, rate), false
	}
	p.pcm = p.decoder.decode(p.pcm[:0], f.b[:f.n])
	arrival := samples(f.at)
	pos := p.anchor + int64(int32(f.ts-p.ts))*rate/f.tick
	if stray := pos - arrival; !p.anchored || f.ssrc != p.ssrc || stray > rate || stray < -rate {
		pos = max(arrival, p.next)
		if !p.anchored {
			pos = max(p.next, arrival-int64(len(p.pcm))) // it was spoken before it came
		}
	}
	p.anchored, p.ssrc, p.ts, p.anchor = true, f.ssrc, f.ts, pos
	p.next = max(p.next, pos+int64(len(p.pcm)))
	return p.pcm, pos
}

func samples(d time.Duration) int64 { return d.Microseconds() * rate / 1e6 }

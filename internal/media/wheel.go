package media

import (
	"sync"
	"time"
)

const (
	subTicks = 4
	subTick  = time.Second / framesPerSecond / subTicks
	// catchUp is how many sub-ticks are made good when the wheel is late: three
	// frames. More would be a burst that no jitter buffer takes.
	catchUp = 3 * subTicks
)

// wheel sends music, prompts and digits. Each port has one of its four slots,
// 5 ms apart, so that a thousand packets do not leave at once. Deadlines are
// absolute and all wheels count from one epoch: frame n of a music goes to all
// of its listeners within the same 20 ms.
type wheel struct {
	epoch time.Time

	mu       sync.Mutex // guards arrivals
	arrivals []*Port
	wake     chan struct{}

	slots [subTicks][]*Port // run's own
	ports int
}

func newWheel(epoch time.Time) *wheel {
	return &wheel{epoch: epoch, wake: make(chan struct{}, 1)}
}

// enlist has the wheel serve a port until it has nothing to send.
func (w *wheel) enlist(p *Port) {
	if p.onWheel.Swap(true) {
		return
	}
	w.mu.Lock()
	w.arrivals = append(w.arrivals, p)
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *wheel) run(stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	next := int64(0)
	for {
		w.admit()
		if w.ports == 0 {
			select {
			case <-stop:
				return
			case <-w.wake:
			}
			next = max(next, int64(time.Since(w.epoch)/subTick)+1)
			continue
		}
		timer.Reset(time.Until(w.epoch.Add(time.Duration(next) * subTick)))
		select {
		case <-stop:
			return
		case <-timer.C:
		}
		late := int64(time.Since(w.epoch)/subTick) - next
		next += max(0, late-catchUp)
		w.serve(int(next%subTicks), next/subTicks)
		next++
	}
}

func (w *wheel) admit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, p := range w.arrivals {
		w.slots[p.slot] = append(w.slots[p.slot], p)
		w.arrivals[i] = nil
	}
	w.ports += len(w.arrivals)
	w.arrivals = w.arrivals[:0]
}

func (w *wheel) serve(slot int, tick int64) {
	ports := w.slots[slot]
	kept := ports[:0]
	for _, p := range ports {
		if p.beat(tick) || p.stays() {
			kept = append(kept, p)
		}
	}
	clear(ports[len(kept):])
	w.slots[slot] = kept
	w.ports -= len(ports) - len(kept)
}

// stays takes a port off the wheel, unless it was given something meanwhile.
func (p *Port) stays() bool {
	p.onWheel.Store(false)
	return p.busy() && !p.onWheel.Swap(true)
}

// busy reports whether the port needs the wheel.
func (p *Port) busy() bool {
	if p.feed.Load().onWheel() {
		return true
	}
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	return !p.out.closed && p.out.keys.pending()
}

// beat sends what is due in this 20 ms; false when there is nothing more to send.
func (p *Port) beat(tick int64) bool {
	now := p.engine.now()
	keying := p.key(now)
	f := p.feed.Load()
	switch f.kind {
	case feedMusic:
		p.emit(f, tick, f.music, int(tick%int64(f.music.frames)), now)
		return true
	case feedClips:
		if !keying { // a prompt waits for a key to be sent
			p.playClips(f, tick, now)
		}
		return true
	case feedNothing, feedPartner:
	}
	return keying
}

// playClips sends the next frame of the clips; once all were heard, one frame
// after the last was sent, it tells so.
func (p *Port) playClips(f *feed, tick int64, now time.Duration) {
	for f.clip < len(f.clips) && f.frame == f.clips[f.clip].frames {
		f.clip, f.frame = f.clip+1, 0
	}
	if f.clip == len(f.clips) {
		if p.feed.CompareAndSwap(f, nothing) {
			f.end(p.engine, true)
		}
		return
	}
	p.emit(f, tick, f.clips[f.clip], f.frame, now)
	f.frame++
}

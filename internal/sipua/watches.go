package sipua

import (
	"cmp"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// How fast phones are told: a lamp that flickers is told of as it is at the end,
// and a change that many watch is spread out.
const (
	notifyGap  = 100 * time.Millisecond // between two NOTIFYs of one subscription
	notifyRate = 50.0                   // NOTIFYs per second of this node, and as many at once
)

// watches are all subscriptions of this node. One goroutine finds those whose
// lamp has changed and has them told, in turn.
type watches struct {
	now   func() time.Time
	lanes *lanes
	limit int           // of them
	wake  chan struct{} // capacity 1

	mu     sync.Mutex
	tags   map[string]*watch // by our tag
	agents map[string]int    // how many each rep has
	stale  bool              // what is shown may have changed
	due    bool              // it will be looked at soon
	queue  []*watch          // those to be told, first come first served
	tokens float64
	filled time.Time
	empty  chan struct{} // closed when there are none, if somebody waits
}

func newWatches(now func() time.Time, l *lanes, limit int) *watches {
	return &watches{limit: cmp.Or(limit, watchesInAll), now: now, lanes: l, wake: make(chan struct{}, 1), tags: map[string]*watch{}, agents: map[string]int{}, tokens: notifyRate, filled: now()}
}

// add takes a subscription in, or says how it is refused.
func (g *watches) add(w *watch) (code int, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case len(g.tags) >= g.limit:
		return 503, ""
	case g.agents[w.agent] >= watchesOfAgent:
		return 403, "Too Many Subscriptions"
	}
	g.tags[w.dialog.LocalTag] = w
	g.agents[w.agent]++
	return 0, ""
}

func (g *watches) remove(w *watch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.tags[w.dialog.LocalTag] != w {
		return
	}
	delete(g.tags, w.dialog.LocalTag)
	if g.agents[w.agent]--; g.agents[w.agent] == 0 {
		delete(g.agents, w.agent)
	}
	if len(g.tags) == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// find matches a request with a subscription by Call-ID and both tags.
func (g *watches) find(req *sip.Request, tag string) *watch {
	g.mu.Lock()
	defer g.mu.Unlock()
	w := g.tags[tag]
	if w == nil || w.dialog.CallID != req.CallID().Value() {
		return nil
	}
	if from, _ := req.From().Params.Get("tag"); from != w.dialog.RemoteTag {
		return nil
	}
	return w
}

// has says whether a tag of ours is a subscription's.
func (g *watches) has(tag string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tags[tag] != nil
}

func (g *watches) all() []*watch {
	g.mu.Lock()
	defer g.mu.Unlock()
	ws := make([]*watch, 0, len(g.tags))
	for _, w := range g.tags {
		ws = append(ws, w)
	}
	return ws
}

func (g *watches) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.tags)
}

// idle is closed once there is no subscription left.
func (g *watches) idle() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := make(chan struct{})
	if len(g.tags) == 0 {
		close(c)
		return c
	}
	g.empty = c
	return c
}

// stop ends all subscriptions; phones are asked to come back when we may be there
// again (RFC 6665 §4.1.3).
func (g *watches) stop() {
	for _, w := range g.all() {
		g.lanes.do(w.dialog.CallID, func() { w.end("probation;retry-after=10") })
	}
}

// changed has all lamps looked at. It never blocks.
func (g *watches) changed() {
	g.mu.Lock()
	g.stale = true
	g.mu.Unlock()
	g.poke()
}

// soon is changed for what may come in bursts: a storm of ringing phones is one
// look at all lamps in a while.
func (g *watches) soon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.due || len(g.tags) == 0 {
		return
	}
	g.due = true
	time.AfterFunc(notifyGap/2, func() {
		g.mu.Lock()
		g.due = false
		g.mu.Unlock()
		g.changed()
	})
}

func (g *watches) poke() {
	select {
	case g.wake <- struct{}{}:
	default: // it is told already
	}
}

// telling is called when a NOTIFY goes out: it returns what is to be shown.
func (g *watches) telling(w *watch) any {
	now, shown := g.now(), w.look()
	g.mu.Lock()
	defer g.mu.Unlock()
	w.asked++
	w.shown, w.told = shown, now
	g.fill(now)
	g.tokens = max(0, g.tokens-1) // also by those that cannot wait
	return shown
}

// heard is called when a NOTIFY is answered: what has changed since waits for that,
// so that a phone never has two to put in order.
func (g *watches) heard(w *watch) {
	g.mu.Lock()
	w.asked--
	g.mu.Unlock()
	if w.look() != w.shownNow(g) {
		g.put(w)
	}
}

func (w *watch) shownNow(g *watches) any {
	g.mu.Lock()
	defer g.mu.Unlock()
	return w.shown
}

// again tells a phone anew that could not take what it was told.
func (g *watches) again(w *watch) {
	g.mu.Lock()
	w.shown = nil
	g.mu.Unlock()
	g.put(w)
}

func (g *watches) put(w *watch) {
	g.mu.Lock()
	if !w.queued {
		w.queued = true
		g.queue = append(g.queue, w)
	}
	g.mu.Unlock()
	g.poke()
}

// run tells phones until quit is closed.
func (g *watches) run(quit <-chan struct{}) {
	later := time.NewTimer(time.Hour)
	defer later.Stop()
	for {
		select {
		case <-quit:
			return
		case <-g.wake:
		case <-later.C:
		}
		if wait := g.turn(); wait > 0 {
			later.Reset(wait)
		} else {
			later.Stop()
		}
	}
}

// turn has those told whose turn it is, and says how long the next must wait; 0:
// there is none.
func (g *watches) turn() (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	g.fill(now)
	if g.stale {
		g.stale = false
		for _, w := range g.tags {
			// What nobody has been told yet is told by who is about to.
			if !w.queued && w.shown != nil && w.look() != w.shown {
				w.queued = true
				g.queue = append(g.queue, w)
			}
		}
	}
	kept := g.queue[:0]
	for _, w := range g.queue {
		switch gap := notifyGap - now.Sub(w.told); {
		case g.tags[w.dialog.LocalTag] != w, w.asked > 0: // gone; or looked at again when it has answered
			w.queued = false
		case gap > 0:
			kept = append(kept, w)
			wait = shorter(wait, gap)
		case g.tokens < 1:
			kept = append(kept, w)
			wait = shorter(wait, time.Duration((1-g.tokens)/notifyRate*float64(time.Second))+time.Millisecond)
		default:
			g.tokens--
			w.queued = false
			w.asked++ // until the lane has looked
			g.lanes.do(w.dialog.CallID, func() { g.tell(w) })
		}
	}
	clear(g.queue[len(kept):])
	g.queue = kept
	return wait
}

// tell is a phone's turn, in its lane: unless all is meanwhile as it was told.
func (g *watches) tell(w *watch) {
	look := w.look()
	g.mu.Lock()
	w.asked--
	g.tokens++ // telling takes it
	same := look == w.shown
	g.mu.Unlock()
	if !same {
		w.notify()
	}
}

// fill adds what the time since has brought; mu is held.
func (g *watches) fill(now time.Time) {
	g.tokens = min(notifyRate, g.tokens+notifyRate*now.Sub(g.filled).Seconds())
	g.filled = now
}

// shorter is the shorter of two waits, of which 0 is none.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b < a {
		return b
	}
	return a
}

package sipua

import (
	"sync"

	"github.com/emiago/sipgo/sip"
)

// legs finds a leg by its local tag, and counts those alive per trunk.
type legs struct {
	mu     sync.Mutex
	tags   map[string]*Leg // until nothing more is to be said in the dialog
	alive  map[*Leg]struct{}
	trunks map[string]int
	empty  chan struct{} // closed when tags is empty, if somebody waits
}

func newLegs() *legs {
	return &legs{tags: map[string]*Leg{}, alive: map[*Leg]struct{}{}, trunks: map[string]int{}}
}

// add takes a leg in; false when its trunk carries limit calls already.
func (g *legs) add(l *Leg, limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if limit > 0 && g.trunks[l.trunk] >= limit {
		return false
	}
	g.tags[l.dialog.LocalTag] = l
	g.alive[l] = struct{}{}
	if l.trunk != "" {
		g.trunks[l.trunk]++
	}
	return true
}

// move counts a leg for another trunk from now on; false when that one carries
// limit calls already, or the leg has ended.
func (g *legs) move(l *Leg, trunk string, limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.alive[l]; !ok || (limit > 0 && g.trunks[trunk] >= limit) {
		return false
	}
	g.leave(l)
	l.trunk = trunk
	g.trunks[trunk]++
	return true
}

// leave stops counting a leg for its trunk. mu is held.
func (g *legs) leave(l *Leg) {
	if l.trunk == "" {
		return
	}
	if g.trunks[l.trunk]--; g.trunks[l.trunk] == 0 {
		delete(g.trunks, l.trunk)
	}
}

// of counts a trunk's legs.
func (g *legs) of(trunk string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.trunks[trunk]
}

// ended stops counting a leg; its dialog may still be found.
func (g *legs) ended(l *Leg) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.alive[l]; !ok {
		return
	}
	delete(g.alive, l)
	g.leave(l)
}

// remove forgets a leg's dialog.
func (g *legs) remove(l *Leg) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.tags, l.dialog.LocalTag)
	if len(g.tags) == 0 && g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// idle is closed once no dialog is left.
func (g *legs) idle() <-chan struct{} {
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

func (g *legs) byTag(tag string) *Leg {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tags[tag]
}

// find matches a request with a dialog by Call-ID and both tags (RFC 3261
// §12.2.2). Must be called in the lane of the request's Call-ID.
func (g *legs) find(req *sip.Request, tag string) *Leg {
	l := g.byTag(tag)
	if l == nil || l.key != req.CallID().Value() { // its dialog is not ours to read in another lane
		return nil
	}
	if from, _ := req.From().Params.Get("tag"); from != l.dialog.RemoteTag && !l.turnTo(from) {
		return nil
	}
	return l
}

func (g *legs) all() []*Leg {
	g.mu.Lock()
	defer g.mu.Unlock()
	ls := make([]*Leg, 0, len(g.alive))
	for l := range g.alive {
		ls = append(ls, l)
	}
	return ls
}

func (g *legs) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.alive)
}

// dialogs counts those that can be found.
func (g *legs) dialogs() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.tags)
}

package media

import (
	"sync/atomic"

	"github.com/callyard/callyard/internal/callctl"
)

// feed is what is sent to a leg. It is replaced as a whole by an atomic swap;
// whoever finds it replaced lets go of it.
type feed struct {
	kind feedKind

	music *sound // feedMusic: heard by all at one position

	clips    []*sound // feedClips; clip and frame are the wheel's own
	clip     int
	frame    int
	done     func(whole bool)
	finished atomic.Bool

	partner *Port // feedPartner: who is heard
	mate    *feed // what the same Join gave to the partner

	translator *translator // guarded by the out.mu of who is fed
}

type feedKind uint8

const (
	feedNothing feedKind = iota
	feedMusic
	feedClips
	feedPartner
)

var nothing = &feed{kind: feedNothing}

// route is where a leg's audio goes. It holds as long as the target is still fed by it.
type route struct {
	to   *Port
	feed *feed
}

// Music sends the music of that name from now on, at the position where every
// other listener is; an unknown or empty name is "default".
func (p *Port) Music(name string) {
	s := p.engine.library.music(name)
	if s == nil {
		p.log.Error("no music to send", "music", name)
		p.Silence()
		return
	}
	p.give(&feed{kind: feedMusic, music: s})
}

// Play sends clips one after the other, then nothing. done is called once, on a
// goroutine of its own: true when all was sent, false when something else took
// its place. A prompt that is not in the library is passed over.
func (p *Port) Play(clips []callctl.Clip, done func(whole bool)) {
	f := &feed{kind: feedClips, done: done}
	for _, c := range clips {
		for _, name := range namesOf(c) {
			if s := p.engine.library.sound(name); s != nil {
				f.clips = append(f.clips, s)
			} else {
				p.log.Warn("no such prompt", "prompt", name)
			}
		}
	}
	p.give(f)
}

// namesOf is the prompts that a clip is made of.
func namesOf(c callctl.Clip) []string {
	var names []string
	if c.Prompt != "" {
		names = append(names, c.Prompt)
	}
	for _, d := range c.Digits {
		names = append(names, "digits/"+string(d))
	}
	return names
}

// Silence stops whatever is sent.
func (p *Port) Silence() { p.give(nothing) }

// Join passes audio and digits both ways between p and with, which must be a port
// of the same engine. It lasts until either is given something else (Music, Play,
// Silence, another Join, Close), which parts them both ways: the one gets what it
// was given, the other silence.
func (p *Port) Join(with callctl.Media) {
	q, ok := with.(*Port)
	if !ok || q == p || q.engine != p.engine {
		p.log.Error("cannot join what is not another port of this engine")
		return
	}
	toP := &feed{kind: feedPartner, partner: q}
	toQ := &feed{kind: feedPartner, partner: p, mate: toP}
	toP.mate = toQ
	p.sink.Store(&route{to: q, feed: toQ})
	q.sink.Store(&route{to: p, feed: toP})
	p.give(toP)
	q.give(toQ)
	p.repace()
	q.repace()
	// Somebody may have given p something else before q had its part.
	if p.feed.Load() != toP && q.feed.CompareAndSwap(toQ, nothing) {
		q.let(toQ)
	}
}

// give makes f what is sent, and lets go of what was.
func (p *Port) give(f *feed) {
	if p.closed.Load() && f != nothing {
		p.let(f)
		return
	}
	p.let(p.feed.Swap(f))
	if f.onWheel() {
		p.wheel.enlist(p)
	}
	// A Close that came between must not leave this one sending.
	if f != nothing && p.closed.Load() && p.feed.CompareAndSwap(f, nothing) {
		p.let(f)
	}
}

// let lets go of a feed that was replaced.
func (p *Port) let(old *feed) {
	switch old.kind {
	case feedClips:
		old.end(p.engine, false)
	case feedPartner:
		old.partner.feed.CompareAndSwap(old.mate, nothing)
		if r := p.sink.Load(); r != nil && r.feed == old.mate {
			p.sink.CompareAndSwap(r, nil)
		}
		if r := old.partner.sink.Load(); r != nil && r.feed == old {
			old.partner.sink.CompareAndSwap(r, nil)
		}
		p.repace()
		old.partner.repace()
	case feedNothing, feedMusic:
	}
}

func (f *feed) onWheel() bool { return f.kind == feedMusic || f.kind == feedClips }

// end tells once what became of the clips.
func (f *feed) end(e *Engine, whole bool) {
	if f.kind == feedClips && f.done != nil && f.finished.CompareAndSwap(false, true) {
		e.spawn(func() { f.done(whole) })
	}
}

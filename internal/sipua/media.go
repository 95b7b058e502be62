package sipua

import (
	"fmt"
	"net/netip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
)

// MediaPort is one leg's audio as the media engine gives it. Its methods return
// at once and may be called from any goroutine.
type MediaPort interface {
	// Media is what the live call gets: the engine's own, so that two legs can be
	// joined.
	Media() callctl.Media
	// LocalPort is the UDP port told to the peer.
	LocalPort() int
	// Negotiated says where to send what; called again whenever it changes.
	Negotiated(s sdp.Stream)
	// OnDigit is told of keys (RFC 4733); OnSilent that nothing has come for the
	// engine's limit while something should. Both before Negotiated.
	OnDigit(f func(digit rune))
	OnSilent(f func())
	// OnBroken is told that audio cannot be protected as was agreed on.
	OnBroken(f func())
	// Close frees the port. The leg's Media stays callable and does nothing.
	Close()
}

// openMedia opens the leg's port if it has none. It may be called from any
// goroutine, so that Media is there when Answer or Early return.
func (l *Leg) openMedia() (MediaPort, error) {
	l.mediaMu.Lock()
	defer l.mediaMu.Unlock()
	if l.mediaShut {
		return nil, errEnded
	}
	if p := l.port; p != nil {
		return p, nil
	}
	var told netip.Addr
	if l.iface != nil {
		told = l.iface.media
	}
	p, err := l.srv.cfg.OpenMedia(l.id, told)
	if err != nil {
		return nil, fmt.Errorf("open media of %s: %w", l.id, err)
	}
	p.OnDigit(func(d rune) { l.do(func() { l.emit(callctl.LegDigit{Leg: l, Digit: d}) }) })
	p.OnSilent(func() { l.do(l.probe) })
	p.OnBroken(func() { l.do(func() { l.hangup(call.Failed, "audio cannot be protected") }) })
	l.port = p
	return p, nil
}

// closeMedia frees the port; one that was not opened yet never will be.
func (l *Leg) closeMedia() {
	l.mediaMu.Lock()
	p := l.port
	l.mediaShut = true
	l.mediaMu.Unlock()
	if p != nil {
		p.Close()
	}
}

// Media is the leg's audio.
func (l *Leg) Media() callctl.Media {
	l.mediaMu.Lock()
	defer l.mediaMu.Unlock()
	if l.port == nil || !l.shown {
		return nil
	}
	return l.port.Media()
}

// showMedia lets Media return the port.
func (l *Leg) showMedia() {
	l.mediaMu.Lock()
	l.shown = true
	l.mediaMu.Unlock()
}

// negotiated gives the port what was agreed. Lane only.
func (l *Leg) negotiated(st sdp.Stream) {
	l.dir, l.heard = st.Theirs().Mirror(), l.dialog.RemoteTag
	l.dialog.Codec = st.Codec.Name
	l.secure.settle(st.Protect)
	codec := st.Codec.Name
	l.codec.Store(&codec)
	l.mediaMu.Lock()
	p := l.port
	l.shown = p != nil
	l.mediaMu.Unlock()
	if p != nil {
		st.Signalling = ipOf(l.dialog.Flow.Remote)
		st.NAT = l.agent != "" && st.Signalling != st.Remote.Addr()
		p.Negotiated(st)
	}
}

// Codec is the codec in use, "" before it is negotiated.
func (l *Leg) Codec() string {
	if c := l.codec.Load(); c != nil {
		return *c
	}
	return ""
}

// Beside has the leg take the codec of another that it will be joined with, if
// its far end offers it: audio then passes through as it is.
func (l *Leg) Beside(other callctl.Leg) {
	if c := codecOf(other); c != "" {
		l.do(func() { l.prefer = c })
	}
}

// local is our side of the session, as it is now. Lane only, or before the leg
// is known to anyone else.
func (l *Leg) local(p MediaPort) sdp.Local {
	loc := sdp.Local{
		Addr: l.iface.media, Port: p.LocalPort(), ID: l.dialog.SDPID, Version: l.dialog.SDPVersion,
		Codecs: l.codecs, Prefer: l.prefer,
	}
	l.secure.into(&loc)
	return loc
}

// offer is a fresh offer of everything; remembered as last sent.
func (l *Leg) offer(p MediaPort) []byte {
	l.dialog.SDPVersion++
	l.secure.offer()
	b := sdp.Offer(l.local(p))
	l.dialog.SDP = string(b)
	return b
}

// reoffer is an offer within the dialog: of these codecs, or with none of what is
// in use, as the session is. A description that does not differ keeps its
// version (RFC 3264 §8).
func (l *Leg) reoffer(p MediaPort, codecs []string) []byte {
	loc := l.local(p)
	loc.Codecs, loc.Dir = codecs, l.dir
	if codecs == nil {
		loc.Codecs = []string{l.dialog.Codec}
	}
	b := sdp.Offer(loc)
	if string(b) != l.dialog.SDP {
		l.dialog.SDPVersion++
		loc.Version = l.dialog.SDPVersion
		b = sdp.Offer(loc)
	}
	l.dialog.SDP = string(b)
	return b
}

// answer answers an offer and tells the port. Nothing changes on an error.
func (l *Leg) answer(offer []byte) ([]byte, error) {
	d, err := sdp.Parse(offer)
	if err != nil {
		return nil, fmt.Errorf("offer of %s: %w", l.id, err)
	}
	p, err := l.openMedia()
	if err != nil {
		return nil, err
	}
	keys := l.secure.renewed(d)
	loc := l.local(p)
	keys.into(&loc)
	loc.Version++
	b, st, err := sdp.Answer(d, loc)
	if err != nil {
		return nil, fmt.Errorf("offer of %s: %w", l.id, err)
	}
	l.dialog.SDPVersion, l.dialog.SDP, l.secure = loc.Version, string(b), keys
	l.negotiated(st)
	l.held(d.Held())
	return b, nil
}

// accept takes the answer to our offer.
func (l *Leg) accept(answer []byte) error {
	d, err := sdp.Parse(answer)
	if err != nil {
		return fmt.Errorf("answer of %s: %w", l.id, err)
	}
	p, err := l.openMedia()
	if err != nil {
		return err
	}
	st, err := sdp.Accept(d, l.local(p))
	if err != nil {
		return fmt.Errorf("answer of %s: %w", l.id, err)
	}
	l.negotiated(st)
	l.held(d.Held())
	return nil
}

// held tells the watcher when the far end puts us on hold or takes us back.
func (l *Leg) held(on bool) {
	if on != l.onHold {
		l.onHold = on
		l.emit(callctl.LegHeld{Leg: l, On: on})
	}
}

package sdp

import (
	"net/netip"
	"slices"
	"strings"
)

// Events is the name of the DTMF format (RFC 4733).
const Events = "telephone-event"

// offered are the codecs as we offer them.
var offered = map[string]Format{
	"PCMU": {0, "PCMU", 8000},
	"PCMA": {8, "PCMA", 8000},
	"G722": {9, "G722", 8000}, // RFC 3551 §4.5.2: its clock is not its sampling rate
	opus:   {96, opus, 48000},
}

// events are the DTMF formats as we offer them: one for each clock, as RFC 4733
// §2.1 wants the clock of the audio.
var events = map[int]Format{8000: {101, Events, 8000}, 48000: {97, Events, 48000}}

const (
	opus = "OPUS" // RFC 7587
	// noise is comfort noise (RFC 3389). It is taken when offered and not offered: a
	// phone that is asked for it stops sending in every pause.
	noise = "CN"
)

// Codecs are the audio codecs that are offered, in the default order.
func Codecs() []string { return []string{"PCMU", "PCMA", "G722"} }

// Known tells whether a codec can be offered at all; case does not matter.
func Known(codec string) bool {
	_, ok := offered[strings.ToUpper(codec)]
	return ok
}

// Local is our side of a session.
type Local struct {
	Addr    netip.Addr
	Port    int
	ID      uint64 // of the session, the same for the whole dialog
	Version uint64 // one more with each description that differs
	Codecs  []string
	Prefer  string    // the codec that is taken if it is offered, whatever the offerer's order
	Dir     Direction // what we want; an answer is held to what the offer allows

	Secure      Secure      // what protection we agree to; "" is Off
	Means       Means       // how audio is protected that we offer
	Keys        []Crypto    // ours of SDES, a suite each, the best first
	Fingerprint Fingerprint // of our certificate; without one there is no DTLS
	Passive     bool        // we waited for the peer's handshake, and still would
	ICE         ICE
}

// Stream is what was negotiated: where to send what, and what will come.
type Stream struct {
	Remote  netip.AddrPort
	Codec   Format // payload type as the far end wants to receive it
	Events  uint8  // payload type of telephone-event, 0 when the far end has none
	Noise   bool   // comfort noise may be sent, and may come
	Send    bool
	Receive bool
	// RecvPayload and RecvEvents are the payload types the far end sends with,
	// those of our own description.
	RecvPayload, RecvEvents uint8

	Mux     bool        // RTP and RTCP share a port
	Protect *Protection // nil: in the clear

	// Signalling is where the far end's SIP comes from, and NAT whether its audio
	// address cannot be meant as written. Set by whoever knows the signalling.
	Signalling netip.Addr
	NAT        bool
}

// Theirs is the direction from the far end's point of view.
func (s Stream) Theirs() Direction {
	switch {
	case s.Send && s.Receive:
		return SendRecv
	case s.Send:
		return RecvOnly
	case s.Receive:
		return SendOnly
	}
	return Inactive
}

// Offer describes our side with every codec and telephone-event.
func Offer(l Local) []byte {
	var fs []Format
	for _, c := range l.codecs() {
		fs = append(fs, offered[c])
	}
	for _, f := range slices.Clone(fs) {
		if ev := events[f.Clock]; !slices.Contains(fs, ev) {
			fs = append(fs, ev)
		}
	}
	if l.Means == Clear {
		return write(l, form{proto: "RTP/AVP"}, fs, l.dir(), Description{})
	}
	f := form{proto: "RTP/SAVP", protect: &Protection{Means: l.Means, Local: l.ICE}, keys: l.Keys}
	if l.Means == DTLS {
		f.proto, f.setup, f.mid, f.mux, f.bundle = "UDP/TLS/RTP/SAVPF", "actpass", "0", true, true
	}
	return write(l, f, fs, l.dir(), Description{})
}

// Answer answers an offer with the offerer's best codec that we have, and its
// telephone-event. One codec only: what we send and get is then never in doubt.
func Answer(offer Description, l Local) ([]byte, Stream, error) {
	offer, protect, err := agree(offer, l)
	if err != nil {
		return nil, Stream{}, err
	}
	codec, ok := offer.preferred(l)
	if !ok {
		return nil, Stream{}, ErrNoCodec
	}
	fs := []Format{codec}
	st := Stream{Codec: codec, RecvPayload: codec.Payload, Protect: protect, Mux: offer.Mux}
	if cn, ok := offer.Format(noise, codec.Clock); ok && cn.Payload == 13 {
		st.Noise = true
		fs = append(fs, cn)
	}
	if ev, ok := offer.Format(Events, codec.Clock); ok {
		st.Events, st.RecvEvents = ev.Payload, ev.Payload
		fs = append(fs, ev)
	}
	dir := meet(offer.Dir.Mirror(), l.dir())
	if offer.nowhere() {
		// RFC 3264 §8.4: an offer with 0.0.0.0 gets no media from us.
		dir = meet(dir, RecvOnly)
	}
	st.Remote = netip.AddrPortFrom(offer.Addr, offer.Port)
	st.Send, st.Receive = dir == SendRecv || dir == SendOnly, dir == SendRecv || dir == RecvOnly
	f := form{proto: offer.Proto, protect: protect, mid: offer.Mid, mux: offer.Mux, bundle: offer.bundle, setup: "passive"}
	if protect != nil {
		f.keys = []Crypto{protect.Send}
		if protect.Active {
			f.setup = "active"
		}
	}
	return write(l, f, fs, dir, offer), st, nil
}

// Accept reads the answer to our offer.
func Accept(answer Description, l Local) (Stream, error) {
	codec, ok := answer.first(l.codecs())
	if !ok {
		return Stream{}, ErrNoCodec
	}
	protect, err := agreed(answer, l)
	if err != nil {
		return Stream{}, err
	}
	st := Stream{
		Remote: netip.AddrPortFrom(answer.Addr, answer.Port), Codec: codec,
		RecvPayload: offered[codec.Name].Payload, RecvEvents: events[codec.Clock].Payload,
		Protect: protect, Mux: answer.Mux && l.Means == DTLS,
	}
	if ev, ok := answer.Format(Events, codec.Clock); ok {
		st.Events = ev.Payload
	}
	dir := meet(answer.Dir.Mirror(), l.dir())
	if answer.nowhere() {
		dir = meet(dir, RecvOnly)
	}
	st.Send, st.Receive = dir == SendRecv || dir == SendOnly, dir == SendRecv || dir == RecvOnly
	return st, nil
}

// preferred is the format to answer with: what we would rather have, if it is
// offered, else the offerer's first.
func (d Description) preferred(l Local) (Format, bool) {
	codecs := l.codecs()
	if c := strings.ToUpper(l.Prefer); slices.Contains(codecs, c) {
		if f, ok := d.Format(c, offered[c].Clock); ok {
			return f, true
		}
	}
	return d.first(codecs)
}

// first is the describer's most preferred format among our codecs. Opus comes
// last: it costs most to translate.
func (d Description) first(codecs []string) (best Format, ok bool) {
	for _, f := range d.Formats {
		if !slices.Contains(codecs, f.Name) || f.Clock != offered[f.Name].Clock {
			continue
		}
		if f.Name != opus {
			return f, true
		}
		if !ok {
			best, ok = f, true
		}
	}
	return best, ok
}

func (l Local) dir() Direction {
	if l.Dir == "" {
		return SendRecv
	}
	return l.Dir
}

// codecs are those of the list that we have; none known means all.
func (l Local) codecs() []string {
	var cs []string
	for _, c := range l.Codecs {
		c = strings.ToUpper(c)
		if Known(c) {
			cs = append(cs, c)
		}
	}
	if len(cs) == 0 {
		return Codecs()
	}
	return cs
}

// meet is the direction both allow.
func meet(a, b Direction) Direction {
	send := (a == SendRecv || a == SendOnly) && (b == SendRecv || b == SendOnly)
	recv := (a == SendRecv || a == RecvOnly) && (b == SendRecv || b == RecvOnly)
	switch {
	case send && recv:
		return SendRecv
	case send:
		return SendOnly
	case recv:
		return RecvOnly
	}
	return Inactive
}

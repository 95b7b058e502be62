package sdp

import (
	"fmt"
	"net/netip"
	"strings"
)

// Events is the name of the DTMF format (RFC 4733).
const Events = "telephone-event"

// payloads are the types we offer, by codec name.
var payloads = map[string]uint8{"PCMU": 0, "PCMA": 8, Events: 101}

// Codecs are the audio codecs that can be offered, in the default order.
func Codecs() []string { return []string{"PCMU", "PCMA"} }

// Local is our side of a session.
type Local struct {
	Addr    netip.Addr
	Port    int
	ID      uint64 // of the session, the same for the whole dialog
	Version uint64 // one more with each description that differs
	Codecs  []string
	Dir     Direction // what we want; an answer is held to what the offer allows
}

// Stream is what was negotiated: where to send what, and what will come.
type Stream struct {
	Remote  netip.AddrPort
	Codec   Format // payload type as the far end wants to receive it
	Events  uint8  // payload type of telephone-event, 0 when the far end has none
	Send    bool
	Receive bool
	// RecvPayload and RecvEvents are the payload types the far end sends with,
	// those of our own description.
	RecvPayload, RecvEvents uint8

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
		fs = append(fs, Format{payloads[c], c, 8000})
	}
	fs = append(fs, Format{payloads[Events], Events, 8000})
	return write(l, "RTP/AVP", fs, l.dir(), nil, 0)
}

// Answer answers an offer with the offerer's best codec that we have, and its
// telephone-event. One codec only: what we send and get is then never in doubt.
func Answer(offer Description, l Local) ([]byte, Stream, error) {
	codec, ok := offer.first(l.codecs())
	if !ok {
		return nil, Stream{}, ErrNoCodec
	}
	fs := []Format{codec}
	st := Stream{Codec: codec, RecvPayload: codec.Payload}
	if ev, ok := offer.Format(Events); ok {
		st.Events, st.RecvEvents = ev.Payload, ev.Payload
		fs = append(fs, ev)
	}
	dir := meet(offer.Dir.Mirror(), l.dir())
	if offer.Addr.IsValid() && offer.Addr.IsUnspecified() {
		// RFC 3264 §8.4: an offer with 0.0.0.0 gets no media from us.
		dir = meet(dir, RecvOnly)
	}
	st.Remote = netip.AddrPortFrom(offer.Addr, offer.Port)
	st.Send, st.Receive = dir == SendRecv || dir == SendOnly, dir == SendRecv || dir == RecvOnly
	return write(l, offer.Proto, fs, dir, offer.lines, offer.audio), st, nil
}

// Accept reads the answer to our offer.
func Accept(answer Description, l Local) (Stream, error) {
	codec, ok := answer.first(l.codecs())
	if !ok {
		return Stream{}, ErrNoCodec
	}
	st := Stream{Remote: netip.AddrPortFrom(answer.Addr, answer.Port), Codec: codec, RecvPayload: payloads[codec.Name], RecvEvents: payloads[Events]}
	if ev, ok := answer.Format(Events); ok {
		st.Events = ev.Payload
	}
	dir := meet(answer.Dir.Mirror(), l.dir())
	if answer.Addr.IsValid() && answer.Addr.IsUnspecified() {
		dir = meet(dir, RecvOnly)
	}
	st.Send, st.Receive = dir == SendRecv || dir == SendOnly, dir == SendRecv || dir == RecvOnly
	return st, nil
}

// first is the describer's most preferred format among our codecs.
func (d Description) first(codecs []string) (Format, bool) {
	for _, f := range d.Formats {
		for _, c := range codecs {
			if f.Name == c && f.Clock == 8000 {
				return f, true
			}
		}
	}
	return Format{}, false
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
		if _, ok := payloads[c]; ok {
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

// write prints a description. lines are the m= lines of an offer: every stream
// but the audio one is refused by port 0, in place (RFC 3264 §6).
func write(l Local, proto string, fs []Format, dir Direction, lines []string, audio int) []byte {
	fam := "IP4"
	if l.Addr.Is6() {
		fam = "IP6"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=callyard %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", l.ID, l.Version, fam, l.Addr, fam, l.Addr)
	if len(lines) == 0 {
		lines = []string{""}
	}
	for i, line := range lines {
		if i != audio {
			f := strings.Fields(line)
			fmt.Fprintf(&b, "m=%s 0 %s %s\r\n", f[0], f[2], f[3])
			continue
		}
		fmt.Fprintf(&b, "m=audio %d %s", l.Port, proto)
		for _, f := range fs {
			fmt.Fprintf(&b, " %d", f.Payload)
		}
		b.WriteString("\r\n")
		for _, f := range fs {
			fmt.Fprintf(&b, "a=rtpmap:%d %s/%d\r\n", f.Payload, f.Name, f.Clock)
			if f.Name == Events {
				fmt.Fprintf(&b, "a=fmtp:%d 0-15\r\n", f.Payload)
			}
		}
		fmt.Fprintf(&b, "a=ptime:20\r\na=%s\r\n", dir)
	}
	return []byte(b.String())
}

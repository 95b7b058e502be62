// Package sdp reads session descriptions and answers offers: one audio stream,
// its codec and telephone-event, as pure functions (RFC 4566, RFC 3264).
package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Direction says who sends, from the describer's point of view.
type Direction string

// The directions (RFC 3264 §5.1).
const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly"
	RecvOnly Direction = "recvonly"
	Inactive Direction = "inactive"
)

// Mirror is the most that can be answered to an offered direction (RFC 3264 §6.1).
func (d Direction) Mirror() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	case Inactive:
		return Inactive
	case SendRecv:
	}
	return SendRecv
}

// Format is one payload type of the audio stream.
type Format struct {
	Payload uint8
	Name    string // "PCMU", "telephone-event"; upper case for codecs
	Clock   int
}

// Description is what matters of one party's SDP.
type Description struct {
	Addr    netip.Addr // where audio goes; unspecified means hold (RFC 2543)
	Host    string     // the connection address as written, when it is a name
	Port    uint16     // 0: the stream is refused
	Proto   string     // "RTP/AVP", "UDP/TLS/RTP/SAVPF"
	Formats []Format   // in the describer's order of preference
	Dir     Direction
	secured
	lines  []string      // the m= lines, so that an answer has as many
	mids   []string      // and their names
	audio  int           // index of the audio line among them
	others []Description // further streams of audio: the same in the clear, for one
}

// Errors a caller tells apart: malformed is 400, the others 488.
var (
	ErrMalformed = errors.New("malformed session description")
	ErrNoAudio   = errors.New("no audio stream that can be used")
	ErrNoCodec   = errors.New("no codec in common")
)

// static payload types (RFC 3551 table 4) may come without an rtpmap.
var static = map[uint8]Format{
	0: {0, "PCMU", 8000},
	8: {8, "PCMA", 8000},
	9: {9, "G722", 8000},

	13: {13, noise, 8000},
}

// Held says whether the describer put us on hold: it will not listen, or has no
// address to be sent to (RFC 3264 §8.4).
func (d Description) Held() bool {
	return d.Dir == SendOnly || d.Dir == Inactive || d.nowhere()
}

// Format finds a format by name and clock rate.
func (d Description) Format(name string, clock int) (Format, bool) {
	for _, f := range d.Formats {
		if f.Name == name && f.Clock == clock {
			return f, true
		}
	}
	return Format{}, false
}

// nowhere is the hold of RFC 2543: an address that nothing can be sent to. A
// browser writes it too, for it is found by checks.
func (d Description) nowhere() bool {
	return d.Addr.IsValid() && d.Addr.IsUnspecified() && !d.iced()
}

// Parse reads a session description. The first audio stream with a port counts,
// until an answer chooses another.
func Parse(body []byte) (Description, error) {
	text := strings.ReplaceAll(string(body), "\r\n", "\n")
	if !strings.HasPrefix(text, "v=0") {
		return Description{}, fmt.Errorf("%w: no v=0 line", ErrMalformed)
	}
	p := parser{session: stream{d: Description{Dir: SendRecv}}}
	p.at = &p.session
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \r\t")
		if line == "" {
			continue
		}
		if len(line) < 2 || line[1] != '=' {
			return Description{}, fmt.Errorf("%w: line %q", ErrMalformed, clip(line))
		}
		if err := p.line(line[0], line[2:]); err != nil {
			return Description{}, err
		}
	}
	return p.end()
}

// parser holds what is known while the lines go by. What the session says
// applies to every stream that does not say otherwise.
type parser struct {
	session stream
	streams []*stream // audio that can be used
	at      *stream   // what the lines are about; nil: a stream that we do not use
	lines   []string
	mids    []string
}

// stream is a part of a description while it is read.
type stream struct {
	d       Description
	conn    string
	maps    map[uint8]Format
	payload []uint8
}

func (p *parser) line(kind byte, v string) error {
	switch kind {
	case 'c':
		if p.at == nil {
			return nil
		}
		f := strings.Fields(v)
		if len(f) != 3 || f[0] != "IN" {
			return fmt.Errorf("%w: connection %q", ErrMalformed, clip(v))
		}
		p.at.conn, _, _ = strings.Cut(f[2], "/")
	case 'm':
		return p.stream(v)
	case 'a':
		name, val, _ := strings.Cut(v, ":")
		if name == "mid" && len(p.mids) > 0 {
			p.mids[len(p.mids)-1] = strings.TrimSpace(val)
		}
		if p.at != nil && !p.at.d.attribute(name, val) {
			p.at.attribute(name, val)
		}
	}
	return nil
}

// stream reads an m= line: "audio 49170 RTP/AVP 0 8 101".
func (p *parser) stream(v string) error {
	f := strings.Fields(v)
	if len(f) < 4 {
		return fmt.Errorf("%w: stream %q", ErrMalformed, clip(v))
	}
	p.at = nil
	p.lines, p.mids = append(p.lines, v), append(p.mids, "")
	portText, _, _ := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return fmt.Errorf("%w: port %q", ErrMalformed, clip(f[1]))
	}
	if _, known := profiles[f[2]]; f[0] != "audio" || port == 0 || !known {
		return nil
	}
	s := &stream{d: p.session.d, conn: p.session.conn, maps: map[uint8]Format{}}
	s.d.secured = p.session.d.under()
	s.d.audio, s.d.Port, s.d.Proto = len(p.lines)-1, uint16(port), f[2]
	for _, t := range f[3:] {
		n, err := strconv.ParseUint(t, 10, 7)
		if err != nil {
			return fmt.Errorf("%w: payload type %q", ErrMalformed, clip(t))
		}
		s.payload = append(s.payload, uint8(n))
	}
	p.streams, p.at = append(p.streams, s), s
	return nil
}

func (s *stream) attribute(name, val string) {
	switch name {
	case "rtpmap":
		pt, enc, ok := strings.Cut(strings.TrimSpace(val), " ")
		n, err := strconv.ParseUint(pt, 10, 7)
		if !ok || err != nil || s.maps == nil {
			return // an odd attribute line spoils that format, not the call
		}
		parts := strings.Split(strings.TrimSpace(enc), "/")
		f := Format{Payload: uint8(n), Name: strings.ToUpper(parts[0])}
		if f.Name == "TELEPHONE-EVENT" {
			f.Name = Events
		}
		if len(parts) > 1 {
			f.Clock, _ = strconv.Atoi(parts[1])
		}
		s.maps[f.Payload] = f
	case string(SendRecv), string(SendOnly), string(RecvOnly), string(Inactive):
		s.d.Dir = Direction(name)
	}
}

func (p *parser) end() (Description, error) {
	if len(p.streams) == 0 {
		return Description{}, ErrNoAudio
	}
	var ds []Description
	for _, s := range p.streams {
		if s.conn == "" {
			return Description{}, fmt.Errorf("%w: no connection address", ErrMalformed)
		}
		if a, err := netip.ParseAddr(s.conn); err == nil {
			s.d.Addr = a.Unmap()
		} else {
			s.d.Host = s.conn
		}
		for _, pt := range s.payload {
			f, ok := s.maps[pt]
			if !ok {
				f, ok = static[pt]
			}
			if ok {
				s.d.Formats = append(s.d.Formats, f)
			}
		}
		s.d.lines, s.d.mids = p.lines, p.mids
		ds = append(ds, s.d)
	}
	ds[0].others = ds[1:]
	return ds[0], nil
}

// clip keeps a peer's nonsense short in an error.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

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
	Proto   string     // "RTP/AVP"
	Formats []Format   // in the describer's order of preference
	Dir     Direction
	lines   []string // the m= lines, so that an answer has as many
	audio   int      // index of the audio line among them
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
	return d.Dir == SendOnly || d.Dir == Inactive || (d.Addr.IsValid() && d.Addr.IsUnspecified())
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

// Parse reads a session description. The first audio stream with a port counts.
func Parse(body []byte) (Description, error) {
	d := Description{Dir: SendRecv, audio: -1}
	text := strings.ReplaceAll(string(body), "\r\n", "\n")
	if !strings.HasPrefix(text, "v=0") {
		return d, fmt.Errorf("%w: no v=0 line", ErrMalformed)
	}
	p := parser{d: &d, maps: map[uint8]Format{}}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimRight(line, " \r\t")
		if line == "" {
			continue
		}
		if len(line) < 2 || line[1] != '=' {
			return d, fmt.Errorf("%w: line %q", ErrMalformed, clip(line))
		}
		if err := p.line(line[0], line[2:]); err != nil {
			return d, err
		}
	}
	return p.end()
}

// parser holds what is known while the lines go by. Session-level values apply
// until an m= line; the media-level ones of the chosen stream replace them.
type parser struct {
	d       *Description
	maps    map[uint8]Format
	payload []uint8
	media   bool // an m= line was seen
	mine    bool // the current m= line is the chosen one
	conn    string
}

func (p *parser) line(kind byte, v string) error {
	switch kind {
	case 'c':
		if p.media && !p.mine {
			return nil
		}
		f := strings.Fields(v)
		if len(f) != 3 || f[0] != "IN" {
			return fmt.Errorf("%w: connection %q", ErrMalformed, clip(v))
		}
		p.conn, _, _ = strings.Cut(f[2], "/")
	case 'm':
		return p.stream(v)
	case 'a':
		p.attribute(v)
	}
	return nil
}

// stream reads an m= line: "audio 49170 RTP/AVP 0 8 101".
func (p *parser) stream(v string) error {
	f := strings.Fields(v)
	if len(f) < 4 {
		return fmt.Errorf("%w: stream %q", ErrMalformed, clip(v))
	}
	p.media, p.mine = true, false
	p.d.lines = append(p.d.lines, v)
	portText, _, _ := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return fmt.Errorf("%w: port %q", ErrMalformed, clip(f[1]))
	}
	if f[0] != "audio" || p.d.audio >= 0 || port == 0 || (f[2] != "RTP/AVP" && f[2] != "RTP/AVPF") {
		return nil
	}
	p.mine = true
	p.d.audio, p.d.Port, p.d.Proto = len(p.d.lines)-1, uint16(port), f[2]
	for _, s := range f[3:] {
		n, err := strconv.ParseUint(s, 10, 7)
		if err != nil {
			return fmt.Errorf("%w: payload type %q", ErrMalformed, clip(s))
		}
		p.payload = append(p.payload, uint8(n))
	}
	return nil
}

func (p *parser) attribute(v string) {
	if p.media && !p.mine {
		return
	}
	name, val, _ := strings.Cut(v, ":")
	switch name {
	case "rtpmap":
		pt, enc, ok := strings.Cut(strings.TrimSpace(val), " ")
		n, err := strconv.ParseUint(pt, 10, 7)
		if !ok || err != nil {
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
		p.maps[f.Payload] = f
	case string(SendRecv), string(SendOnly), string(RecvOnly), string(Inactive):
		p.d.Dir = Direction(name)
	}
}

func (p *parser) end() (Description, error) {
	if p.d.audio < 0 {
		return *p.d, ErrNoAudio
	}
	if p.conn == "" {
		return *p.d, fmt.Errorf("%w: no connection address", ErrMalformed)
	}
	if a, err := netip.ParseAddr(p.conn); err == nil {
		p.d.Addr = a.Unmap()
	} else {
		p.d.Host = p.conn
	}
	for _, pt := range p.payload {
		f, ok := p.maps[pt]
		if !ok {
			f, ok = static[pt]
		}
		if ok {
			p.d.Formats = append(p.d.Formats, f)
		}
	}
	return *p.d, nil
}

// clip keeps a peer's nonsense short in an error.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

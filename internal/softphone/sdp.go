package softphone

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// direction is an SDP direction from the speaker's point of view.
type direction string

const (
	sendrecv direction = "sendrecv"
	sendonly direction = "sendonly"
	recvonly direction = "recvonly"
	inactive direction = "inactive"
)

// mirror is the answer to a direction (RFC 3264 §6.1).
func (d direction) mirror() direction {
	switch d {
	case sendonly:
		return recvonly
	case recvonly:
		return sendonly
	case inactive:
		return inactive
	case sendrecv:
	}
	return sendrecv
}

// description is what one side says about its audio.
type description struct {
	remote    string // address and port of the audio
	codecs    []codec
	event     int // payload type of telephone-event, -1 without
	direction direction
	sections  []string // every m= line, for the answer to have as many
	audio     int      // which of them is the audio
	crypto    string   // its first a=crypto line with a suite that we have
}

const defaultEvent = 101

// parseSDP reads the first audio section.
func parseSDP(body []byte) (description, error) {
	d := description{event: -1, direction: sendrecv, audio: -1}
	var formats []string
	names := map[string]string{"0": "PCMU", "8": "PCMA"}
	session, host, port := "", "", ""
	for line := range strings.Lines(string(body)) {
		line = strings.TrimSpace(line)
		kind, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		if kind == "m" {
			d.sections = append(d.sections, value)
			f := strings.Fields(value)
			if d.audio < 0 && len(f) > 3 && f[0] == "audio" && f[1] != "0" {
				d.audio, port, formats = len(d.sections)-1, f[1], f[3:]
			}
			continue
		}
		mine := d.audio >= 0 && d.audio == len(d.sections)-1
		if !mine && len(d.sections) > 0 {
			continue
		}
		switch name, rest, _ := strings.Cut(value, ":"); {
		case kind == "c":
			f := strings.Fields(value)
			if len(f) == 3 && mine {
				host = f[2]
			} else if len(f) == 3 {
				session = f[2]
			}
		case kind == "a" && name == "crypto" && mine && d.crypto == "" && strings.Contains(rest, " "+suite+" "):
			d.crypto = rest
		case kind == "a" && name == "rtpmap":
			pt, encoding, _ := strings.Cut(rest, " ")
			name, _, _ := strings.Cut(encoding, "/")
			names[pt] = strings.ToUpper(name)
		case kind == "a" && slices.Contains([]direction{sendrecv, sendonly, recvonly, inactive}, direction(value)):
			d.direction = direction(value)
		}
	}
	if d.audio < 0 {
		return d, fmt.Errorf("read SDP: no audio in %d sections", len(d.sections))
	}
	if host == "" {
		host = session
	}
	d.remote = net.JoinHostPort(host, port)
	for _, f := range formats {
		pt, _ := strconv.Atoi(f)
		// G.711 has its static numbers; a dynamic one for it is not used in the field.
		if c, ok := codecNamed(names[f]); ok && int(c.payload) == pt {
			d.codecs = append(d.codecs, c)
		} else if names[f] == "TELEPHONE-EVENT" && d.event < 0 {
			d.event = pt
		}
	}
	return d, nil
}

// describe writes an offer, or the answer to an offer when one is given.
func describe(local string, session, version int, codecs []codec, event int, dir direction, offer *description, keys *sdes) []byte {
	host, port, _ := net.SplitHostPort(local)
	family := "IP4"
	if strings.Contains(host, ":") {
		family = "IP6"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=- %d %d IN %s %s\r\ns=softphone\r\nc=IN %s %s\r\nt=0 0\r\n",
		session, version, family, host, family, host)
	audio := func() {
		fmt.Fprintf(&b, "m=audio %s %s", port, keys.profile())
		for _, c := range codecs {
			fmt.Fprintf(&b, " %d", c.payload)
		}
		if event >= 0 {
			fmt.Fprintf(&b, " %d", event)
		}
		b.WriteString("\r\n")
		for _, c := range codecs {
			fmt.Fprintf(&b, "a=rtpmap:%d %s/8000\r\n", c.payload, c.name)
		}
		if event >= 0 {
			fmt.Fprintf(&b, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", event, event)
		}
		fmt.Fprintf(&b, "a=ptime:20\r\na=%s\r\n%s", dir, keys.line())
	}
	if offer == nil {
		audio()
		return []byte(b.String())
	}
	for i, section := range offer.sections {
		if i == offer.audio {
			audio()
			continue
		}
		// RFC 3264 §6: a stream that is not wanted keeps its place, with port 0.
		f := strings.Fields(section)
		if len(f) > 1 {
			f[1] = "0"
		}
		fmt.Fprintf(&b, "m=%s\r\n", strings.Join(f, " "))
	}
	return []byte(b.String())
}

// common is what of the offer is also ours, in the order of the offer.
func common(offer, ours []codec) []codec {
	var both []codec
	for _, c := range offer {
		if slices.ContainsFunc(ours, func(o codec) bool { return o.name == c.name }) {
			both = append(both, c)
		}
	}
	return both
}

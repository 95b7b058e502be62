//go:build linux

package load

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Message is a SIP message as far as a caller or a phone needs to understand it.
type Message struct {
	Method string // of a request
	URI    string
	Status int // of a response
	Body   string
	Came   time.Time
	header map[string][]string
}

func readMessage(b []byte) (*Message, bool) {
	head, body, ok := strings.Cut(string(b), "\r\n\r\n")
	if !ok {
		return nil, false
	}
	lines := strings.Split(head, "\r\n")
	m := &Message{header: map[string][]string{}, Body: body}
	first := strings.Fields(lines[0])
	if len(first) < 3 {
		return nil, false
	}
	if first[0] == "SIP/2.0" {
		m.Status, _ = strconv.Atoi(first[1])
	} else {
		m.Method, m.URI = first[0], first[1]
	}
	for _, l := range lines[1:] {
		if k, v, ok := strings.Cut(l, ":"); ok {
			k = strings.ToLower(strings.TrimSpace(k))
			m.header[k] = append(m.header[k], strings.TrimSpace(v))
		}
	}
	return m, true
}

// Get is the first header of that name, in lower case.
func (m *Message) Get(name string) string {
	if v := m.header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// answers is the method that a response is about.
func (m *Message) answers() string {
	_, method, _ := strings.Cut(m.Get("cseq"), " ")
	return strings.TrimSpace(method)
}

// audio is where the peer wants its RTP.
func (m *Message) audio() (netip.AddrPort, bool) {
	var ip netip.Addr
	port := 0
	for l := range strings.Lines(m.Body) {
		if v, ok := strings.CutPrefix(l, "c=IN IP4 "); ok {
			ip, _ = netip.ParseAddr(strings.TrimSpace(v))
		}
		if v, ok := strings.CutPrefix(l, "m=audio "); ok {
			p, _, _ := strings.Cut(v, " ")
			port, _ = strconv.Atoi(p)
		}
	}
	return netip.AddrPortFrom(ip, uint16(port)), ip.IsValid() && port > 0
}

// address is the URI of a From, To or Contact.
func address(v string) string {
	if _, rest, ok := strings.Cut(v, "<"); ok {
		uri, _, _ := strings.Cut(rest, ">")
		return uri
	}
	uri, _, _ := strings.Cut(v, ";")
	return uri
}

func userOf(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	user, _, _ := strings.Cut(rest, "@")
	return user
}

// seq is the number in the CSeq.
func (m *Message) seq() int {
	n, _, _ := strings.Cut(m.Get("cseq"), " ")
	v, _ := strconv.Atoi(n)
	return v
}

// viaBranch is the branch of the topmost Via, which is ours in a response.
func viaBranch(m *Message) string {
	_, rest, _ := strings.Cut(m.Get("via"), "branch=")
	b, _, _ := strings.Cut(rest, ";")
	return b
}

func describe(rtp int, direction string) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0 101\r\n"+
		"a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=%s\r\n", rtp, direction)
}

// finish adds what every message ends with.
func finish(s *strings.Builder, body string) []byte {
	if body != "" {
		s.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(s, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return []byte(s.String())
}

package softphone

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Header is the header fields of a message, each a list in the order of
// arrival. Keys are full names in lower case.
type Header map[string][]string

// Values is all values of a field, nil when there is none.
func (h Header) Values(name string) []string { return h[canonical(name)] }

// Get is the first value of a field, "" when there is none.
func (h Header) Get(name string) string {
	if v := h.Values(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (h Header) set(name string, values ...string) { h[canonical(name)] = values }

func (h Header) add(name string, values ...string) {
	name = canonical(name)
	h[name] = append(h[name], values...)
}

// Message is a SIP request (Method is set) or response (Status is set).
type Message struct {
	Method string
	URI    string
	Status int
	Reason string
	Header Header
	Body   []byte

	source peer
}

// From is the address in the From header.
func (m *Message) From() Address { return parseAddress(m.Header.Get("From")) }

// To is the address in the To header.
func (m *Message) To() Address { return parseAddress(m.Header.Get("To")) }

// cseq is the number and the method of the CSeq header.
func (m *Message) cseq() (n uint32, method string) {
	num, method, _ := strings.Cut(m.Header.Get("CSeq"), " ")
	v, _ := strconv.ParseUint(num, 10, 32)
	return uint32(v), strings.TrimSpace(method)
}

// text is the Reason header's text, else the Warning's.
func (m *Message) text() string {
	for _, r := range m.Header.Values("Reason") {
		if t := parseParams(r)["text"]; t != "" {
			return t
		}
	}
	_, quoted, _ := strings.Cut(m.Header.Get("Warning"), `"`)
	return strings.TrimSuffix(quoted, `"`)
}

// RFC 3261 §7.3.3, RFC 3515 §2.1, RFC 3892 §2, RFC 6665 §8.2.1, RFC 3841 §9, RFC 4028 §4.
var compactForms = map[string]string{
	"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
	"c": "content-type", "e": "content-encoding", "s": "subject", "k": "supported",
	"r": "refer-to", "b": "referred-by", "o": "event", "u": "allow-events", "x": "session-expires",
}

// listed fields may carry several values in one line, separated by commas.
var listed = map[string]bool{"via": true, "route": true, "record-route": true, "contact": true}

func canonical(name string) string {
	name = strings.ToLower(name)
	if full, ok := compactForms[name]; ok {
		return full
	}
	return name
}

// parse reads one message. The body is what Content-Length says, or the rest.
func parse(raw []byte) (*Message, error) {
	head, body, found := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !found {
		return nil, errors.New("parse SIP message: no empty line after the header")
	}
	start, fields, _ := strings.Cut(string(head), "\r\n")
	m := &Message{Header: Header{}}
	first, rest, _ := strings.Cut(start, " ")
	second, third, _ := strings.Cut(rest, " ")
	switch {
	case first == "SIP/2.0":
		status, err := strconv.Atoi(second)
		if err != nil || status < 100 || status > 699 {
			return nil, fmt.Errorf("parse SIP message: status %q", second)
		}
		m.Status, m.Reason = status, third
	case third == "SIP/2.0":
		m.Method, m.URI = first, second
	default:
		return nil, errors.New("parse SIP message: neither request nor response")
	}
	// RFC 3261 §7.3.1: a line that begins with white space continues the last.
	fields = strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(fields)
	for line := range strings.SplitSeq(fields, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		name, value = canonical(strings.TrimSpace(name)), strings.TrimSpace(value)
		if listed[name] {
			m.Header.add(name, splitList(value)...)
		} else {
			m.Header.add(name, value)
		}
	}
	for _, needed := range []string{"via", "from", "to", "call-id", "cseq"} {
		if m.Header.Get(needed) == "" {
			return nil, fmt.Errorf("parse SIP message: no %s", display(needed))
		}
	}
	if n, err := strconv.Atoi(m.Header.Get("Content-Length")); err == nil && n >= 0 && n <= len(body) {
		body = body[:n]
	}
	m.Body = body
	return m, nil
}

// splitList cuts at commas that are neither quoted nor inside <>.
func splitList(s string) []string {
	var parts []string
	quoted, angle, from := false, false, 0
	for i, c := range s {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ',' && !angle:
			parts = append(parts, strings.TrimSpace(s[from:i]))
			from = i + 1
		}
	}
	return append(parts, strings.TrimSpace(s[from:]))
}

// The order in which fields are written; the others follow by name.
var order = []string{
	"via", "route", "record-route", "max-forwards", "from", "to", "call-id", "cseq", "contact",
}

func (m *Message) bytes() []byte {
	var b bytes.Buffer
	if m.Method != "" {
		fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", m.Method, m.URI)
	} else {
		fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", m.Status, m.Reason)
	}
	rest := []string{}
	for name := range m.Header {
		if !slices.Contains(order, name) && name != "content-length" {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	for _, name := range append(slices.Clone(order), rest...) {
		for _, v := range m.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", display(name), v)
		}
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(m.Body))
	b.Write(m.Body)
	return b.Bytes()
}

// display is a field's name as it is usually written.
func display(name string) string {
	switch name {
	case "call-id":
		return "Call-ID"
	case "cseq":
		return "CSeq"
	case "www-authenticate":
		return "WWW-Authenticate"
	}
	words := strings.Split(name, "-")
	for i, w := range words {
		if w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "-")
}

func (m *Message) clone() *Message {
	c := *m
	c.Header = make(Header, len(m.Header))
	for name, values := range m.Header {
		c.Header[name] = slices.Clone(values)
	}
	return &c
}

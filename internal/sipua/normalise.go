package sipua

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emiago/sipgo/sip"
)

// compact are the short header names sipgo does not expand (RFC 3261 §7.3.3,
// RFC 3515, RFC 3892, RFC 4028, RFC 6665).
var compact = map[string]string{
	"b": "Referred-By", "k": "Supported", "o": "Event", "r": "Refer-To",
	"s": "Subject", "u": "Allow-Events", "x": "Session-Expires",
}

// normalise brings a message into the one form the rest of the package knows:
// long header names, parameter names in lower case and without spaces around
// them (RFC 3261 §7.3.1).
func normalise(m *sip.MessageData) {
	hs := m.Headers()
	for i, h := range hs {
		if name := h.Name(); len(name) == 1 {
			if long, ok := compact[strings.ToLower(name)]; ok {
				hs[i] = sip.NewHeader(long, h.Value()) // in place: a message may have ten thousand
				continue
			}
		}
		switch h := h.(type) {
		case *sip.ViaHeader:
			tidy(&h.Params)
		case *sip.FromHeader:
			tidy(&h.Params)
		case *sip.ToHeader:
			tidy(&h.Params)
		case *sip.ContactHeader:
			tidy(&h.Params)
		case *sip.CSeqHeader:
			h.MethodName = sip.RequestMethod(strings.TrimSpace(string(h.MethodName)))
		}
	}
}

func tidy(ps *sip.HeaderParams) {
	for i := range *ps {
		p := &(*ps)[i]
		p.K = strings.ToLower(strings.TrimSpace(p.K))
		p.V = strings.TrimSpace(p.V)
	}
}

// header is a header's value, "" if there is none.
func header(m *sip.MessageData, name string) string {
	if h := m.GetHeader(name); h != nil {
		return strings.TrimSpace(h.Value())
	}
	return ""
}

// tokens are the values of a comma-separated header in lower case, over all its lines.
func tokens(m *sip.MessageData, name string) []string {
	var ts []string
	for _, h := range m.GetHeaders(name) {
		for t := range strings.SplitSeq(h.Value(), ",") {
			if t = strings.ToLower(strings.TrimSpace(t)); t != "" {
				ts = append(ts, t)
			}
		}
	}
	return ts
}

// mediaType is a Content-Type without its parameters, in lower case.
func mediaType(m *sip.MessageData) string {
	t, _, _ := strings.Cut(header(m, "Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// plain makes text safe inside a quoted string of a header: a peer's text must
// not end the line or the quotes.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' {
			return -1
		}
		return r
	}, legible(s))
}

// longest is how much of a peer's name or number is kept, in characters.
const longest = 120

// legible makes text of what a peer sent as such: UTF-8 as RFC 3261 §25.1 wants
// it, Latin-1 as carriers send it, without the control characters that no
// display and no database takes.
func legible(s string) string {
	if !utf8.ValidString(s) {
		latin1 := make([]rune, len(s))
		for i := range len(s) {
			latin1[i] = rune(s[i])
		}
		s = string(latin1)
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest])
	}
	return s
}

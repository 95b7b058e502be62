package sipua

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/queues"
)

// mostEdges bounds the proxies between a phone and us: there is one, or a pair
// where transports differ.
const mostEdges = 8

// pathOf reads the Path of a REGISTER: the proxies by which the phone is to be
// reached, the next one to us first (RFC 3327 §5.3). It is taken also from those
// whose phone does not speak of it: the proxy that wrote it must be passed.
func pathOf(m *sip.MessageData) (path []string, bad *refusal) {
	for _, h := range m.GetHeaders("path") {
		for _, p := range listed(h.Value()) {
			u, _, ok := uriOf(p)
			if !ok || !strings.Contains(p, "<") || (u.Scheme != "sip" && u.Scheme != "sips") || u.Host == "" {
				return nil, refuse(400, "Bad Path")
			}
			path = append(path, p)
		}
	}
	if len(path) > mostEdges {
		return nil, refuse(400, "Path Too Long")
	}
	return path, nil
}

// pathsTaken tell a phone and the proxies before it by which Path it is reached.
func pathsTaken(m *sip.MessageData) (hs []sip.Header) {
	path, _ := pathOf(m)
	for _, p := range path {
		hs = append(hs, sip.NewHeader("Path", p))
	}
	if len(hs) > 0 {
		hs = append(hs, sip.NewHeader("Supported", "path"))
	}
	return hs
}

// listed are the elements of a header that holds several, of which each may hold
// commas in quotes and in angle brackets.
func listed(v string) (list []string) {
	quoted, within, from := false, false, 0
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !within:
			quoted = !quoted
		case quoted:
		case c == '<':
			within = true
		case c == '>':
			within = false
		case c == ',' && !within:
			add(v[from:i])
			from = i + 1
		}
	}
	add(v[from:])
	return list
}

// preload gives a request outside a dialog the Route set that it is to take (RFC
// 3261 §8.1.1.1, RFC 3327 §5.3).
func preload(req *sip.Request, routes []string) {
	for _, r := range routes {
		req.AppendHeader(sip.NewHeader("Route", r))
	}
}

// hopOf is where a registered phone is spoken to: its edge proxy if there is one,
// else the phone itself.
func hopOf(d queues.Device) (sip.Uri, bool) {
	if len(d.Path) > 0 {
		u, _, ok := uriOf(d.Path[0])
		return u, ok
	}
	u, _, ok := uriOf("<" + d.Contact + ">")
	return u, ok
}

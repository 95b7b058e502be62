package softphone

import (
	"net"
	"strings"
)

// Address is a party as in From, To, Contact or P-Asserted-Identity.
type Address struct {
	Display string
	URI     string
	User    string // user part of the URI
	Tag     string
}

func parseAddress(s string) Address {
	var a Address
	var params string
	if before, after, ok := strings.Cut(s, "<"); ok {
		a.Display = strings.ReplaceAll(strings.Trim(strings.TrimSpace(before), `"`), `\"`, `"`)
		a.URI, params, _ = strings.Cut(after, ">")
	} else {
		a.URI, params, _ = strings.Cut(strings.TrimSpace(s), ";")
		params = ";" + params
	}
	a.User, _ = splitURI(a.URI)
	a.Tag = parseParams(params)["tag"]
	return a
}

// formatAddress is the address as a header value, without tag.
func formatAddress(name, uri string) string {
	if name == "" {
		return "<" + uri + ">"
	}
	return `"` + strings.ReplaceAll(name, `"`, `\"`) + `" <` + uri + ">"
}

// splitURI is the user part and host:port of a SIP URI; the port is 5060 when not said.
func splitURI(uri string) (user, hostport string) {
	rest := uri
	if scheme, after, ok := strings.Cut(uri, ":"); ok && strings.HasPrefix(strings.ToLower(scheme), "sip") {
		rest = after
	}
	rest, _, _ = strings.Cut(rest, "?")
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		user, rest = rest[:i], rest[i+1:]
	}
	user, _, _ = strings.Cut(user, ";")
	hostport, _, _ = strings.Cut(rest, ";")
	if _, _, err := net.SplitHostPort(hostport); err != nil {
		hostport = net.JoinHostPort(strings.Trim(hostport, "[]"), "5060")
	}
	return user, hostport
}

// parseParams reads name=value pairs separated by ; or , and skips what comes
// before the first of them. Names are in lower case, quotes are taken off.
func parseParams(s string) map[string]string {
	params := map[string]string{}
	quoted, from := false, 0
	put := func(part string) {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		params[strings.ToLower(strings.TrimSpace(name))] = value
	}
	for i, c := range s {
		switch {
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ';' || c == ','):
			put(s[from:i])
			from = i + 1
		}
	}
	put(s[from:])
	return params
}

package digest

import (
	"fmt"
	"strings"
)

// Credentials are the parameters of an Authorization header.
type Credentials struct {
	User, Realm, Nonce, URI, Digest, Algorithm, QOP, NC, CNonce, Opaque string
}

// ParseCredentials reads an Authorization header; other schemes are as none
// (RFC 4475 §3.3.7).
func ParseCredentials(v string) (c Credentials, ok bool) {
	ok = fields(v, map[string]*string{
		"username": &c.User, "realm": &c.Realm, "nonce": &c.Nonce, "uri": &c.URI, "response": &c.Digest,
		"algorithm": &c.Algorithm, "qop": &c.QOP, "nc": &c.NC, "cnonce": &c.CNonce, "opaque": &c.Opaque,
	})
	return c, ok && c.User != "" && c.Nonce != "" && c.Digest != ""
}

// String writes the header's value.
func (c Credentials) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username=%s, realm=%s, nonce=%s, uri=%s, response="%s"`, quote(c.User), quote(c.Realm), quote(c.Nonce), quote(c.URI), c.Digest)
	if c.Algorithm != "" {
		fmt.Fprintf(&b, ", algorithm=%s", c.Algorithm)
	}
	if c.QOP != "" {
		fmt.Fprintf(&b, `, qop=%s, nc=%s, cnonce="%s"`, c.QOP, c.NC, c.CNonce)
	}
	if c.Opaque != "" {
		fmt.Fprintf(&b, ", opaque=%s", quote(c.Opaque))
	}
	return b.String()
}

// Challenge is a WWW-Authenticate or Proxy-Authenticate header.
type Challenge struct {
	Realm, Nonce, Algorithm, Opaque string
	QOP                             []string // in lower case; none: as RFC 2069
	Stale                           bool     // the password was right, the nonce old
}

// ParseChallenge reads one; other schemes are as none.
func ParseChallenge(v string) (c Challenge, ok bool) {
	var qop, stale string
	ok = fields(v, map[string]*string{
		"realm": &c.Realm, "nonce": &c.Nonce, "algorithm": &c.Algorithm, "opaque": &c.Opaque, "qop": &qop, "stale": &stale,
	})
	for q := range strings.SplitSeq(qop, ",") {
		if q = strings.ToLower(strings.TrimSpace(q)); q != "" {
			c.QOP = append(c.QOP, q)
		}
	}
	c.Stale = strings.EqualFold(stale, "true")
	return c, ok && c.Nonce != ""
}

// fields reads the parameters of a Digest header into those wanted.
func fields(v string, want map[string]*string) bool {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return false
	}
	for rest != "" {
		k, after, found := strings.Cut(rest, "=")
		if !found {
			break
		}
		after = strings.TrimLeft(after, " \t")
		var val string
		if strings.HasPrefix(after, `"`) {
			val, after = unquote(after[1:])
			_, rest, _ = strings.Cut(after, ",")
		} else {
			val, rest, _ = strings.Cut(after, ",")
			val = strings.TrimSpace(val)
		}
		if f := want[strings.ToLower(strings.Trim(k, " \t,"))]; f != nil {
			*f = val
		}
	}
	return true
}

// unquote reads a quoted string whose first quote is gone, and what follows it.
func unquote(s string) (val, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

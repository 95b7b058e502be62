package softphone

import (
	"crypto/md5" //nolint:gosec // RFC 7616 keeps MD5 for those who know nothing else
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// authorization answers the first of the challenges that it can (RFC 8760 §2.4:
// they come in the order the server likes them); ok is false when it can none.
// count gives the next nc of a nonce.
func authorization(challenges []string, method, uri, user, password string, count func(nonce string) int) (value string, ok bool) {
	for _, c := range challenges {
		scheme, rest, _ := strings.Cut(c, " ")
		if !strings.EqualFold(scheme, "Digest") {
			continue
		}
		p := parseParams(rest)
		var sum func() hash.Hash
		switch strings.ToUpper(p["algorithm"]) {
		case "", "MD5":
			sum = md5.New
		case "SHA-256":
			sum = sha256.New
		default:
			continue
		}
		qops := strings.Split(strings.ReplaceAll(p["qop"], " ", ""), ",")
		if p["qop"] != "" && !slices.Contains(qops, "auth") {
			continue
		}
		return digest(p, sum, method, uri, user, password, count(p["nonce"])), true
	}
	return "", false
}

// digest is RFC 7616 §3.4, with qop=auth or, for the oldest servers, none.
func digest(p map[string]string, sum func() hash.Hash, method, uri, user, password string, nc int) string {
	h := func(parts ...string) string {
		d := sum()
		d.Write([]byte(strings.Join(parts, ":")))
		return fmt.Sprintf("%x", d.Sum(nil))
	}
	ha1, ha2 := h(user, p["realm"], password), h(method, uri)
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username="%s", realm="%s", nonce="%s", uri="%s"`, user, p["realm"], p["nonce"], uri)
	if p["qop"] != "" {
		cnonce, count := token(), fmt.Sprintf("%08x", nc)
		fmt.Fprintf(&b, `, response="%s", qop=auth, nc=%s, cnonce="%s"`,
			h(ha1, p["nonce"], count, cnonce, "auth", ha2), count, cnonce)
	} else {
		fmt.Fprintf(&b, `, response="%s"`, h(ha1, p["nonce"], ha2))
	}
	if p["algorithm"] != "" {
		fmt.Fprintf(&b, `, algorithm=%s`, p["algorithm"])
	}
	if p["opaque"] != "" {
		fmt.Fprintf(&b, `, opaque="%s"`, p["opaque"])
	}
	return b.String()
}

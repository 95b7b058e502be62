//go:build linux

package load

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// Account is a rep's SIP account. It keeps the challenge it was given, as phones
// do: a call then needs no second INVITE.
type Account struct {
	User, Password string

	mu        sync.Mutex
	challenge map[string]string
	count     int // of requests with this nonce (nc)
}

// challenged takes over the first challenge of a 401; the hub's best is first.
func (a *Account) challenged(m *Message) bool {
	v, ok := strings.CutPrefix(m.Get("www-authenticate"), "Digest ")
	if !ok {
		return false
	}
	c := map[string]string{}
	for part := range strings.SplitSeq(v, ",") { // none of the hub's values holds a comma
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok {
			c[strings.ToLower(k)] = strings.Trim(v, `"`)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.challenge, a.count = c, 0
	return true
}

// authorization is the header for a request, "" while there was no challenge.
func (a *Account) authorization(method, uri string) string {
	if a == nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.challenge == nil {
		return ""
	}
	a.count++
	var (
		c      = a.challenge
		nc     = fmt.Sprintf("%08x", a.count)
		cnonce = "load"
		hashed = md5.New
	)
	if strings.EqualFold(c["algorithm"], "SHA-256") {
		hashed = sha256.New
	}
	response := digest(hashed, a.User, a.Password, c["realm"], method, uri, c["nonce"], nc, cnonce)
	return fmt.Sprintf("Authorization: Digest username=%q, realm=%q, nonce=%q, uri=%q, response=%q, algorithm=%s, qop=auth, nc=%s, cnonce=%q\r\n",
		a.User, c["realm"], c["nonce"], uri, response, c["algorithm"], nc, cnonce)
}

// digest is the response of RFC 7616 §3.4.1 with qop=auth.
func digest(h func() hash.Hash, user, password, realm, method, uri, nonce, nc, cnonce string) string {
	sum := func(parts ...string) string {
		d := h()
		d.Write([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(d.Sum(nil))
	}
	return sum(sum(user, realm, password), nonce, nc, cnonce, "auth", sum(method, uri))
}

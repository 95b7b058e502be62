// Package digest is the arithmetic of SIP's digest authentication (RFC 7616,
// RFC 8760), for those who ask and for those who are asked.
package digest

import (
	"crypto/md5" //nolint:gosec // RFC 7616: some phones and carriers know nothing better
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"strings"
)

// algorithms by name, the strongest last.
var algorithms = []struct {
	name string
	new  func() hash.Hash
}{
	{"MD5", md5.New}, {"SHA-256", sha256.New}, {"SHA-512-256", sha512.New512_256},
}

// rank is how strong an algorithm is; -1 for one that is not known. Absent is
// MD5 (RFC 7616 §3.4), and -sess changes nothing.
func rank(name string) int {
	name, _ = session(name)
	for i, a := range algorithms {
		if a.name == name {
			return i
		}
	}
	return -1
}

// session takes -sess off an algorithm's name, in capitals.
func session(name string) (string, bool) {
	if name == "" {
		return "MD5", false
	}
	return strings.CutSuffix(strings.ToUpper(name), "-SESS")
}

func sum(algorithm, text string) string {
	d := algorithms[rank(algorithm)].new()
	d.Write([]byte(text))
	return hex.EncodeToString(d.Sum(nil))
}

// HA1 is the digest of a user's password, "" for an algorithm that is not known.
func HA1(algorithm, user, realm, password string) string {
	if rank(algorithm) < 0 {
		return ""
	}
	return sum(algorithm, user+":"+realm+":"+password)
}

// Response is the response of RFC 7616 §3.4.1 that goes with credentials for a
// request; "" for an algorithm that is not known.
func (c Credentials) Response(ha1, method string) string {
	if rank(c.Algorithm) < 0 {
		return ""
	}
	ha1 = strings.ToLower(ha1)
	if _, sess := session(c.Algorithm); sess {
		ha1 = sum(c.Algorithm, ha1+":"+c.Nonce+":"+c.CNonce)
	}
	ha2 := sum(c.Algorithm, method+":"+c.URI)
	if c.QOP == "" {
		return sum(c.Algorithm, ha1+":"+c.Nonce+":"+ha2)
	}
	return sum(c.Algorithm, strings.Join([]string{ha1, c.Nonce, c.NC, c.CNonce, c.QOP, ha2}, ":"))
}

package sdp

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// The suites of SRTP that we speak, as RFC 4568 §6.2 and RFC 7714 §14.2 name them.
const (
	SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
	SHA1_32 = "AES_CM_128_HMAC_SHA1_32"
	GCM     = "AEAD_AES_128_GCM"
)

// keyLengths are the bytes of master key and salt together.
var keyLengths = map[string]int{SHA1_80: 30, SHA1_32: 30, GCM: 28}

// KeyLength is how many bytes of master key and salt a suite takes, 0 for a
// suite that we do not speak.
func KeyLength(suite string) int { return keyLengths[suite] }

// Crypto is what an a=crypto line says (RFC 4568): the key that whoever wrote it
// protects its audio with.
type Crypto struct {
	Tag   int
	Suite string
	Key   []byte // master key, then salt
	MKI   []byte // which every packet carries, if any
}

// String does not show the key.
func (c Crypto) String() string { return c.Suite }

// line writes the attribute.
func (c Crypto) line() string {
	s := fmt.Sprintf("a=crypto:%d %s inline:%s", c.Tag, c.Suite, base64.StdEncoding.EncodeToString(c.Key))
	if len(c.MKI) > 0 {
		s += fmt.Sprintf("|%d:%d", mkiValue(c.MKI), len(c.MKI))
	}
	return s
}

// Public is a description without its secrets: keys of SDES and passwords of ICE.
func Public(text string) string {
	if !strings.Contains(text, "a=crypto:") && !strings.Contains(text, "a=ice-pwd:") {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "a=crypto:") && !strings.HasPrefix(line, "a=ice-pwd:") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func mkiValue(mki []byte) (v uint64) {
	for _, b := range mki {
		v = v<<8 | uint64(b)
	}
	return v
}

// parseCrypto reads "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19…|2^20|1:4 WSH=64".
// false for a line that is of no use to us: a suite or a parameter we do not know
// (RFC 4568 §6.3.8), several keys, or none.
func parseCrypto(v string) (Crypto, bool) {
	f := strings.Fields(v)
	if len(f) < 3 {
		return Crypto{}, false
	}
	tag, err := strconv.ParseUint(f[0], 10, 31)
	if err != nil {
		return Crypto{}, false
	}
	c := Crypto{Tag: int(tag), Suite: strings.ToUpper(f[1])}
	inline, ok := strings.CutPrefix(f[2], "inline:")
	if !ok || strings.Contains(inline, ";") {
		return Crypto{}, false
	}
	parts := strings.Split(inline, "|")
	if c.Key, err = base64.StdEncoding.DecodeString(parts[0]); err != nil {
		if c.Key, err = base64.RawStdEncoding.DecodeString(parts[0]); err != nil {
			return Crypto{}, false
		}
	}
	if len(c.Key) != keyLengths[c.Suite] || len(c.Key) == 0 {
		return Crypto{}, false
	}
	for _, p := range parts[1:] {
		value, length, isMKI := strings.Cut(p, ":")
		if !isMKI {
			continue // a lifetime; ours ends with the call
		}
		n, err1 := strconv.ParseUint(value, 10, 64)
		size, err2 := strconv.ParseUint(length, 10, 8)
		if err1 != nil || err2 != nil || size < 1 || size > 8 || size < 8 && n>>(8*size) != 0 {
			return Crypto{}, false
		}
		c.MKI = make([]byte, size)
		for i := range c.MKI {
			c.MKI[len(c.MKI)-1-i] = byte(n >> (8 * i))
		}
	}
	for _, p := range f[3:] {
		// UNENCRYPTED_SRTP and its like are what nobody asked us for.
		if !strings.HasPrefix(p, "WSH=") && !strings.HasPrefix(p, "-") {
			return Crypto{}, false
		}
	}
	return c, true
}

// meetCrypto is the first of their lines that we have a key for.
func meetCrypto(theirs, ours []Crypto) (recv, send Crypto, ok bool) {
	for _, t := range theirs {
		for _, o := range ours {
			if o.Suite == t.Suite {
				o.Tag = t.Tag // RFC 4568 §5.1.2: the answer names the line it takes
				return t, o, true
			}
		}
	}
	return Crypto{}, Crypto{}, false
}

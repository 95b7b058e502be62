// Package call is the vocabulary of a telephone call: its identity, its
// numbers, why it ended, and the events that tell what became of it. It is a
// leaf: every other package may import it, and it imports only the standard
// library.
package call

import (
	"crypto/rand"
	"time"
)

// ID names a call, from its first INVITE to its last BYE, across transfers:
// "call_" and 26 characters.
type ID string

// LegID names one party's side of a call: "leg_" and 26 characters.
type LegID string

// NodeID names the process whose sockets carry a call's media.
type NodeID string

// alphabet is Crockford's base32: sorts as it counts and leaves out i, l, o, u.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// NewID makes an identifier that sorts by time: the prefix, "_" and a UUIDv7
// (RFC 9562 §5.7) in 26 characters of Crockford base32.
func NewID(prefix string, now time.Time) string {
	var u [16]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	_, _ = rand.Read(u[6:]) // never fails, see crypto/rand
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return prefix + "_" + base32(u)
}

// base32 writes 128 bits as 26 digits of 5 bits, the first of which holds 3.
func base32(u [16]byte) string {
	var out [26]byte
	hi, lo := be64(u[:8]), be64(u[8:])
	for i := 25; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

func be64(b []byte) (v uint64) {
	for _, x := range b {
		v = v<<8 | uint64(x)
	}
	return v
}

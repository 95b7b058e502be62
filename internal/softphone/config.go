package softphone

import (
	"log/slog"
)

// Config is who a phone is and where its hub is.
type Config struct {
	Hub       string // "127.0.0.1:5060"
	Domain    string // of its addresses; the hub's host when empty
	User      string
	Password  string // empty: challenges are not answered
	Display   string
	LocalIP   string // "127.0.0.1" when empty
	Transport string // "udp" (when empty), "tcp" or "tls"
	SRTP      bool   // audio is encrypted with keys in SDP (RFC 4568), and nothing else is taken
	ToneHz    int    // what its calls send until told otherwise, 0 for silence
	Codecs    []string
	Pickup    Pickup
	Log       *slog.Logger // nil: no log
}

// Pickup says what a phone does with a call by itself.
type Pickup int

const (
	// Manual leaves everything to whoever reads Incoming.
	Manual Pickup = iota
	// WhenAsked answers calls that ask for it, in Call-Info or Alert-Info.
	WhenAsked
	// Always answers every call at once.
	Always
)

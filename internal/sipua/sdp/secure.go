package sdp

import (
	"bytes"
	"fmt"
	"strings"
)

// Secure is whether audio may or must be protected by SRTP.
type Secure string

// The policies; the zero value is Off.
const (
	Off      Secure = "off"
	Optional Secure = "optional" // as the offerer likes
	Required Secure = "required" // nothing goes in the clear
)

// ErrInsecure is a description that asks for less protection, or for another,
// than we agree to. It is an ErrNoAudio too.
var ErrInsecure = fmt.Errorf("%w: not protected as it must be", ErrNoAudio)

// Means is by what audio is protected.
type Means int

// The means.
const (
	Clear Means = iota
	SDES        // keys in the description (RFC 4568)
	DTLS        // keys from a handshake in the audio's own path (RFC 5764)
)

// Fingerprint is of a certificate (RFC 8122): "sha-256" and "AB:CD:…".
type Fingerprint struct{ Hash, Value string }

// ICE is one side's credentials (RFC 8839 §5.4).
type ICE struct {
	Ufrag, Pwd string
	Lite       bool
}

// Protection is how a stream's audio is protected.
type Protection struct {
	Means Means
	// Keys are of SDES: what we protect ours with, and they theirs.
	Send, Receive Crypto
	// Active says that we begin the handshake of DTLS; Fingerprints are what the
	// peer's certificate must match one of.
	Active       bool
	Fingerprints []Fingerprint
	// Local and Remote are the credentials of ICE. Without a Local.Ufrag there is
	// none; addresses are taken from the description.
	Local, Remote ICE
}

// secured is a description's own part in that, as far as it was read.
type secured struct {
	Crypto       []Crypto
	Fingerprints []Fingerprint
	Setup        string // "actpass", "active", "passive"
	ICE          ICE
	Mux          bool   // RTP and RTCP share a port (RFC 5761)
	Mid          string // name of the stream
	bundle       bool   // that the description groups streams by
	inherited    bool   // Fingerprints are the session's
}

// attribute reads what belongs here; false for what does not.
func (s *secured) attribute(name, v string) bool {
	v = strings.TrimSpace(v)
	switch name {
	case "crypto":
		if c, ok := parseCrypto(v); ok {
			s.Crypto = append(s.Crypto, c)
		}
	case "fingerprint":
		if s.inherited {
			s.Fingerprints, s.inherited = nil, false
		}
		if hash, value, ok := strings.Cut(v, " "); ok {
			s.Fingerprints = append(s.Fingerprints, Fingerprint{strings.ToLower(hash), strings.ToUpper(strings.TrimSpace(value))})
		}
	case "setup":
		s.Setup = v
	case "ice-ufrag":
		s.ICE.Ufrag = v
	case "ice-pwd":
		s.ICE.Pwd = v
	case "ice-lite":
		s.ICE.Lite = true
	case "rtcp-mux":
		s.Mux = true
	case "mid":
		s.Mid = v
	case "group":
		s.bundle = s.bundle || strings.HasPrefix(v, "BUNDLE")
	default:
		return false
	}
	return true
}

// under is what a stream has that begins within a session: session-level values
// apply to it until it says otherwise (RFC 8866 §5.13).
func (s secured) under() secured {
	return secured{Fingerprints: s.Fingerprints, Setup: s.Setup, ICE: s.ICE, bundle: s.bundle, inherited: true}
}

// profiles are the transports of audio that we know.
var profiles = map[string]Means{
	"RTP/AVP": Clear, "RTP/AVPF": Clear, "RTP/SAVP": SDES, "RTP/SAVPF": SDES,
	"UDP/TLS/RTP/SAVP": DTLS, "UDP/TLS/RTP/SAVPF": DTLS,
}

// means is how the describer would have its audio protected.
func (d Description) means() Means {
	m := profiles[d.Proto]
	switch {
	case m == Clear && len(d.Crypto) > 0:
		return SDES // RFC 8643: opportunistic
	case m == SDES && len(d.Crypto) == 0 && len(d.Fingerprints) > 0:
		return DTLS // before RFC 5764 had a name of its own
	}
	return m
}

// iced says that the describer's address is found by checks, and what is written
// in c= means nothing.
func (d Description) iced() bool { return d.means() == DTLS && d.ICE.Ufrag != "" && !d.ICE.Lite }

// Restarts says what an offer begins anew of what was agreed on before: keys, and
// the credentials of ICE (RFC 8445 §9).
func (d Description) Restarts(p *Protection) (keys, ice bool) {
	keys, ice = true, true
	for _, d := range append([]Description{d}, d.others...) {
		for _, c := range d.Crypto {
			keys = keys && (c.Suite != p.Receive.Suite || !bytes.Equal(c.Key, p.Receive.Key))
		}
		ice = ice && d.ICE != p.Remote
	}
	return keys, ice
}

// agree chooses among the audio streams of an offer the one that is protected as
// we like it, and how.
func agree(offer Description, l Local) (Description, *Protection, error) {
	for _, d := range append([]Description{offer}, offer.others...) {
		if p, ok := d.answerable(l); ok && p != nil {
			return d, p, nil
		}
	}
	for _, d := range append([]Description{offer}, offer.others...) {
		if p, ok := d.answerable(l); ok {
			return d, p, nil
		}
	}
	return offer, nil, ErrInsecure
}

// answerable is how we would protect the answer to this stream; nil for not at all.
func (d Description) answerable(l Local) (*Protection, bool) {
	switch d.means() {
	case SDES:
		recv, send, ok := meetCrypto(d.Crypto, l.Keys)
		if ok && l.Secure != Off && l.Secure != "" {
			return &Protection{Means: SDES, Send: send, Receive: recv}, true
		}
		return nil, profiles[d.Proto] == Clear && l.Secure != Required
	case DTLS:
		if l.Fingerprint.Value == "" || len(d.Fingerprints) == 0 || l.Secure == Off || l.Secure == "" {
			return nil, false
		}
		p := &Protection{Means: DTLS, Fingerprints: d.Fingerprints}
		// RFC 5763 §5: the answerer had better be active; RFC 8842 §5.3: but roles
		// stay as they are while the handshake's keys do.
		p.Active = d.Setup == "passive" || d.Setup != "active" && !l.Passive
		if d.iced() {
			p.Local, p.Remote = l.ICE, d.ICE
		}
		return p, true
	case Clear:
	}
	return nil, l.Secure != Required
}

// agreed is how an answer to our offer has audio protected.
func agreed(answer Description, l Local) (*Protection, error) {
	switch {
	case answer.means() != l.Means:
		if l.Means == Clear && profiles[answer.Proto] == Clear {
			return nil, nil //nolint:nilnil // nil is: not protected
		}
		return nil, ErrInsecure
	case l.Means == SDES:
		for _, t := range answer.Crypto {
			for _, o := range l.Keys {
				if o.Suite == t.Suite && o.Tag == t.Tag {
					return &Protection{Means: SDES, Send: o, Receive: t}, nil
				}
			}
		}
		return nil, ErrInsecure
	case l.Means == DTLS:
		if len(answer.Fingerprints) == 0 {
			return nil, ErrInsecure
		}
		p := &Protection{Means: DTLS, Fingerprints: answer.Fingerprints, Active: answer.Setup == "passive"}
		if answer.iced() {
			p.Local, p.Remote = l.ICE, answer.ICE
		}
		return p, nil
	}
	return nil, nil //nolint:nilnil // the same
}

// session is the lines before the first stream.
func (p *Protection) session(mid string) string {
	s := ""
	if p == nil || p.Means != DTLS {
		return s
	}
	if mid != "" {
		s = "a=group:BUNDLE " + mid + "\r\n"
	}
	if p.Local.Ufrag != "" {
		s += "a=ice-lite\r\n"
	}
	return s
}

// stream is the lines of the audio stream.
func (p *Protection) stream(l Local, keys []Crypto, setup, mid string, mux bool) string {
	var b strings.Builder
	if mid != "" {
		fmt.Fprintf(&b, "a=mid:%s\r\n", mid)
	}
	if mux {
		b.WriteString("a=rtcp-mux\r\n")
	}
	if p == nil {
		return b.String()
	}
	switch p.Means {
	case SDES:
		for _, k := range keys {
			b.WriteString(k.line() + "\r\n")
		}
	case DTLS:
		fmt.Fprintf(&b, "a=fingerprint:%s %s\r\na=setup:%s\r\n", l.Fingerprint.Hash, l.Fingerprint.Value, setup)
		if p.Local.Ufrag != "" {
			// The priority of the only host candidate (RFC 8445 §5.1.2.2).
			fmt.Fprintf(&b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=candidate:1 1 udp 2130706431 %s %d typ host\r\na=end-of-candidates\r\n",
				p.Local.Ufrag, p.Local.Pwd, l.Addr, l.Port)
			b.WriteString("a=msid:callyard audio\r\n") // a browser's page finds the sound in a stream
		}
	case Clear:
	}
	return b.String()
}

package sipua

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"github.com/callyard/callyard/internal/sipua/sdp"
)

// security is what protects a leg's audio, as far as signalling has it: the
// policy, our keys, and what was agreed on. Lane only.
type security struct {
	policy      sdp.Secure
	offers      sdp.Means // how an offer of ours begins, before anything was agreed on
	fingerprint sdp.Fingerprint

	keys    []sdp.Crypto
	ice     sdp.ICE
	settled bool            // something was agreed on
	agreed  *sdp.Protection // nil: audio in the clear
}

// security is how a leg begins that comes or goes over a transport. Keys of SDES
// are worth what signalling is worth: over TLS they are offered where they may
// be, over anything else only where nothing but protected audio will do.
func (s *Server) security(l *Leg, transport string) security {
	sec := security{policy: sdp.Secure(l.srtp), fingerprint: s.cfg.Fingerprint}
	if l.agent != "" {
		sec.policy = sdp.Secure(first(first(l.srtp, s.cfg.SRTP), string(sdp.Optional)))
	}
	switch transport {
	case "ws", "wss":
		// A browser has no other audio.
		if sec.policy != sdp.Required {
			sec.policy = sdp.Optional
		}
		sec.offers = sdp.DTLS
	case "tls":
		if sec.policy == sdp.Optional {
			sec.offers = sdp.SDES
		}
	}
	if sec.policy == sdp.Required && sec.offers == sdp.Clear {
		sec.offers = sdp.SDES
	}
	if sec.offers == sdp.DTLS && s.cfg.Fingerprint.Value == "" {
		sec.offers = sdp.Clear
	}
	if sec.policy != sdp.Off && sec.policy != "" {
		sec.keys = newKeys(sdp.GCM, sdp.SHA1_80, sdp.SHA1_32)
		sec.ice = newICE()
	}
	return sec
}

// into says what we agree to.
func (s *security) into(l *sdp.Local) {
	l.Secure, l.Keys, l.Fingerprint, l.ICE, l.Means = s.policy, s.keys, s.fingerprint, s.ice, s.means()
	l.Passive = s.agreed != nil && s.agreed.Means == sdp.DTLS && !s.agreed.Active
}

// means is how we offer: as it was agreed on, once it was.
func (s *security) means() sdp.Means {
	switch {
	case !s.settled:
		return s.offers
	case s.agreed == nil:
		return sdp.Clear
	}
	return s.agreed.Means
}

// offer makes new keys, for every offer has its own. GCM is for peers that have
// shown they speak it: it is newer than most phones.
func (s *security) offer() {
	if s.means() != sdp.SDES {
		return
	}
	suites := []string{sdp.SHA1_80, sdp.SHA1_32}
	if s.agreed != nil && s.agreed.Send.Suite == sdp.GCM {
		suites = append([]string{sdp.GCM}, suites...)
	}
	s.keys = newKeys(suites...)
}

// relents says whether a refusal of our offer is answered by another in the clear,
// once: a phone on TLS that has no SRTP, or has it switched off, refuses keys
// (488, RFC 3264 §6; some say 415 or 606), and the policy lets it.
func (s *security) relents(code int) bool {
	return (code == 488 || code == 415 || code == 606) && s.policy == sdp.Optional && s.offers == sdp.SDES
}

// renewed is the security that answers an offer: with keys of before where the
// peer's are, else with new ones.
func (s *security) renewed(offer sdp.Description) security {
	next := *s
	if s.policy == sdp.Off || s.policy == "" {
		return next
	}
	keys, ice := true, true
	if s.agreed != nil {
		keys, ice = offer.Restarts(s.agreed)
	}
	if keys {
		next.keys = newKeys(sdp.GCM, sdp.SHA1_80, sdp.SHA1_32)
	} else {
		next.keys = []sdp.Crypto{s.agreed.Send}
	}
	if ice {
		next.ice = newICE()
	}
	return next
}

// settle remembers what was agreed on.
func (s *security) settle(p *sdp.Protection) { s.settled, s.agreed = true, p }

// checked reports a leg whose peer says all the time that it is there.
func (s *security) checked() bool { return s.agreed != nil && s.agreed.Local.Ufrag != "" }

func newKeys(suites ...string) []sdp.Crypto {
	keys := make([]sdp.Crypto, 0, len(suites))
	for i, suite := range suites {
		k := make([]byte, sdp.KeyLength(suite))
		_, _ = rand.Read(k) // never fails (crypto/rand)
		keys = append(keys, sdp.Crypto{Tag: i + 1, Suite: suite, Key: k})
	}
	return keys
}

// newICE is credentials of as many random bits as RFC 8445 §5.3 asks for.
func newICE() sdp.ICE {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	text := strings.NewReplacer("-", "+", "_", "/").Replace(base64.RawURLEncoding.EncodeToString(b))
	return sdp.ICE{Ufrag: text[:8], Pwd: text[8:]}
}

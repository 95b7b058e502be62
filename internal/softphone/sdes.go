package softphone

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pion/srtp/v3"
)

// suite is the one every phone has (RFC 4568 §6.2.1).
const suite = "AES_CM_128_HMAC_SHA1_80"

// sdes is SRTP with keys in SDP; nil is a phone without.
type sdes struct {
	key     []byte // ours: master key and salt
	theirs  string
	in, out *srtp.Context
}

func newSDES() *sdes {
	s := &sdes{key: make([]byte, 30)}
	_, _ = rand.Read(s.key)
	return s
}

// profile is of an m= line.
func (s *sdes) profile() string {
	if s == nil {
		return "RTP/AVP"
	}
	return "RTP/SAVP"
}

// line is our key in SDP. The tag is 1: one is offered, and one is answered.
func (s *sdes) line() string {
	if s == nil {
		return ""
	}
	return "a=crypto:1 " + suite + " inline:" + base64.StdEncoding.EncodeToString(s.key) + "\r\n"
}

// errProtection is refused as no codec in common is (488).
var errProtection = fmt.Errorf("%w: audio is to be encrypted on one side only", errNoCodec)

// settle takes the other side's key. The same key again leaves what is counted
// under it as it is.
func (s *sdes) settle(d description) error {
	secure := strings.Contains(d.sections[d.audio], " RTP/SAVP ")
	if secure != (s != nil) {
		return errProtection
	}
	if s == nil || d.crypto == s.theirs {
		return nil
	}
	f := strings.Fields(d.crypto)
	if len(f) < 3 || f[0] != "1" || f[1] != suite {
		return fmt.Errorf("%w: no key of %s", errProtection, suite)
	}
	text, _, _ := strings.Cut(strings.TrimPrefix(f[2], "inline:"), "|")
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 30 {
		return fmt.Errorf("%w: a key that is none", errProtection)
	}
	if s.in, err = srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.SRTPReplayProtection(64)); err != nil {
		return err
	}
	if s.out == nil {
		s.out, err = srtp.CreateContext(s.key[:16], s.key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	}
	s.theirs = d.crypto
	return err
}

// seal and open are nothing without SRTP.
func (s *sdes) seal(b []byte) []byte {
	if s == nil {
		return b
	}
	if s.out == nil {
		return nil
	}
	sealed, err := s.out.EncryptRTP(nil, b, nil)
	if err != nil {
		return nil
	}
	return sealed
}

func (s *sdes) open(b []byte) []byte {
	if s == nil {
		return b
	}
	if s.in == nil {
		return nil
	}
	plain, err := s.in.DecryptRTP(nil, b, nil)
	if err != nil {
		return nil
	}
	return plain
}

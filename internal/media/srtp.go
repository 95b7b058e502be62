package media

import (
	"errors"
	"fmt"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// suites by their names in SDP (RFC 4568 §6.2, RFC 7714 §14.2).
var suites = map[string]srtp.ProtectionProfile{
	"AES_CM_128_HMAC_SHA1_80": srtp.ProtectionProfileAes128CmHmacSha1_80,
	"AES_CM_128_HMAC_SHA1_32": srtp.ProtectionProfileAes128CmHmacSha1_32,
	"AEAD_AES_128_GCM":        srtp.ProtectionProfileAeadAes128Gcm,
}

// replayWindow is how far behind the newest packet one may be (RFC 3711 §3.3.2
// asks for 64 at least).
const replayWindow = 128

var errNoKeys = errors.New("no keys yet")

// guard protects what a port sends and opens what it receives (RFC 3711). It
// lives as long as its keys do, over any number of offers and answers.
type guard struct {
	want  *Protection
	shake *handshake // nil with SDES

	// Guarded by Port.in.mu; nil until there are keys.
	in     *srtp.Context
	resume *srtp.Context // of the same keys, with the rounds that the keys before had counted
	inHead rtp.Header

	// Guarded by Port.out.mu; nil until there are keys.
	out     *srtp.Context
	outHead rtp.Header
	sealed  [largest]byte
}

// newGuard makes the guard of new keys for a remote whose stream had that SSRC.
func newGuard(want *Protection, before *guard, ssrc uint32) (*guard, error) {
	g := &guard{want: want}
	if want.DTLS != nil {
		return g, nil
	}
	// A key that stays goes on with what was counted under it, whatever becomes of
	// the other: rounds begun anew would have a packet protected twice by the same
	// stream of the cipher, and the peer would open none (RFC 3711 §3.3.1, §9.1).
	sdes := before != nil && before.in != nil && before.out != nil && before.want.DTLS == nil
	var err error
	if sdes && want.Receive.equal(before.want.Receive) {
		g.in, g.resume = before.in, before.resume
	} else if g.in, err = contextOf(want.Receive); err != nil {
		return nil, fmt.Errorf("their key: %w", err)
	}
	if sdes && want.Send.equal(before.want.Send) {
		g.out = before.out
	} else if g.out, err = contextOf(want.Send); err != nil {
		return nil, fmt.Errorf("our key: %w", err)
	}
	if before == nil || before.in == nil || g.in == before.in {
		return g, nil
	}
	if roc, ok := before.in.ROC(ssrc); ok && roc > 0 {
		if g.resume, err = contextOf(want.Receive); err != nil {
			return nil, fmt.Errorf("their key: %w", err)
		}
		g.resume.SetROC(ssrc, roc)
	}
	return g, nil
}

func contextOf(k Key) (*srtp.Context, error) {
	suite, ok := suites[k.Suite]
	if !ok {
		return nil, fmt.Errorf("unknown suite %q", k.Suite)
	}
	n, err := suite.KeyLen()
	if err != nil || len(k.Key) < n {
		return nil, fmt.Errorf("%s: a key of %d bytes", k.Suite, len(k.Key))
	}
	options := []srtp.ContextOption{srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow)}
	if len(k.MKI) > 0 {
		options = append(options, srtp.MasterKeyIndicator(k.MKI))
	}
	return srtp.CreateContext(k.Key[:n], k.Key[n:], suite, options...)
}

// open gives back in its place what was protected; an error for what is not from
// the peer, or was heard before. With in.mu held.
func (g *guard) open(b []byte) ([]byte, error) {
	if g.in == nil {
		return nil, errNoKeys
	}
	if isRTCP(b) {
		return g.in.DecryptRTCP(nil, b, nil)
	}
	if g.resume == nil {
		return g.in.DecryptRTP(b, b, &g.inHead)
	}
	// With new keys some peers count the rounds of the sequence anew, and some go on
	// as RFC 3711 §3.3.1 has it: their first packet tells. What cannot be opened is
	// spoilt in its place, hence the copies.
	plain, err := g.in.DecryptRTP(nil, b, &g.inHead)
	if err != nil {
		if plain, err = g.resume.DecryptRTP(nil, b, &g.inHead); err != nil {
			return nil, err
		}
		g.in = g.resume
	}
	g.resume = nil
	return plain, nil
}

// seal is a packet of RTP as it is sent; nil before there are keys. It holds
// until the next. With out.mu held.
func (g *guard) seal(b []byte) ([]byte, error) {
	if g.out == nil {
		return nil, errNoKeys
	}
	return g.out.EncryptRTP(g.sealed[:0], b, &g.outHead)
}

// sealReport is seal for RTCP.
func (g *guard) sealReport(b []byte) ([]byte, error) {
	if g.out == nil {
		return nil, errNoKeys
	}
	return g.out.EncryptRTCP(nil, b, nil)
}

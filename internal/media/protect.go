package media

import (
	"bytes"
	"net/netip"
	"slices"
)

// Protection is how a leg's audio is protected, as signalling agreed on it: by
// keys that it carried (SDES), or by those of a handshake (DTLS).
type Protection struct {
	Send, Receive Key   // SDES: of ours and of theirs
	DTLS          *DTLS // instead of keys
	ICE           *ICE  // addresses are found by checks; nil: they are those of SDP
}

// Key is a suite of SRTP by its name in SDP, its master key with the salt behind
// it, and what marks the packets that it protects, if anything does.
type Key struct {
	Suite string
	Key   []byte
	MKI   []byte
}

func (k Key) equal(o Key) bool {
	return k.Suite == o.Suite && bytes.Equal(k.Key, o.Key) && bytes.Equal(k.MKI, o.MKI)
}

// DTLS is a handshake (RFC 5764) to come: who begins, and the fingerprints that
// the peer's certificate must match one of.
type DTLS struct {
	Active       bool
	Fingerprints []Fingerprint
}

// Fingerprint is of a certificate: "sha-256" and "AB:CD:…" (RFC 8122).
type Fingerprint struct{ Hash, Value string }

// ICE is our credentials and the peer's name. Its password is of no use to an
// agent that only answers.
type ICE struct{ Ufrag, Pwd, Peer string }

// same reports keys that go on to be used: what was counted under them counts.
func (p *Protection) same(o *Protection) bool {
	if p == nil || o == nil || (p.DTLS == nil) != (o.DTLS == nil) {
		return false
	}
	if p.DTLS != nil {
		// RFC 8842 §5.1: other credentials of ICE are no reason for a handshake.
		return p.DTLS.Active == o.DTLS.Active && slices.Equal(p.DTLS.Fingerprints, o.DTLS.Fingerprints)
	}
	return p.Send.equal(o.Send) && p.Receive.equal(o.Receive)
}

// protect gives the new remote its guard and its agent: those of before where
// nothing about them changed. With in.mu and out.mu held.
func (p *Port) protect(r, old *remote) error {
	want := r.opts.Protection
	if want == nil {
		p.out.guard = nil
		return nil
	}
	var before *guard
	if old != nil {
		before = old.guard
	}
	if before != nil && want.same(before.want) {
		r.guard = before
	} else {
		g, err := newGuard(want, before, p.in.flow.ssrc)
		if err != nil {
			return err
		}
		if want.DTLS != nil {
			g.shake = newHandshake(p, g)
		}
		r.guard = g
	}
	p.out.guard = r.guard
	if want.ICE != nil {
		r.ice = &agent{ICE: *want.ICE}
		if old != nil && old.ice != nil {
			if old.ice.ICE == r.ice.ICE {
				r.ice = old.ice
			} else {
				r.ice.checked = old.ice.checked // a restart: heard as before until there is another
			}
		}
	}
	return nil
}

// kinds of datagrams on one port (RFC 7983 §7).
func isSTUN(b []byte) bool { return len(b) > 0 && b[0] < 4 }
func isDTLS(b []byte) bool { return len(b) > 0 && b[0] >= 20 && b[0] < 64 }

// unwrap takes a datagram of a protected leg: checks and handshakes are served,
// audio is given back as it was before it was protected, nil if it was not.
// Nothing of it is believed before: neither its source nor its numbers.
func (p *Port) unwrap(r *remote, b []byte, from netip.AddrPort) []byte {
	switch {
	case isSTUN(b):
		if r.ice != nil {
			p.check(r, b, from)
		}
		return nil
	case isDTLS(b):
		if r.guard.shake != nil && p.known(r, from) {
			r.guard.shake.feed(b)
		}
		return nil
	}
	in := &p.in
	in.mu.Lock()
	defer in.mu.Unlock()
	if r.ice != nil && !r.ice.knows(from) {
		in.foreign++
		return nil
	}
	plain, err := r.guard.open(b)
	if err != nil {
		in.unauthentic++
		p.engine.unauthentic.Add(1)
		return nil
	}
	return plain
}

// known says whether a handshake may come from there: with ICE from where checks
// came. Without, from the host of the SDP or of the signalling: a stranger's
// certificate would be none that was signalled, and that ends the call.
func (p *Port) known(r *remote, from netip.AddrPort) bool {
	if r.ice == nil {
		return r.opts.NAT || from.Addr() == r.addr.Addr() || from.Addr() == r.opts.Signalling.Unmap()
	}
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	return r.ice.knows(from)
}

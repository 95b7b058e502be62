package media

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pion/stun/v3"
)

// agent is the ICE-lite agent of a port (RFC 8445 §2.5): it answers checks and
// never sends any. An address is one that it checked, so nobody can have audio
// sent to a third party, and audio goes to the one that the peer nominated.
// Guarded by Port.in.mu.
type agent struct {
	ICE
	checked   []netip.AddrPort // most recent last
	nominated bool
}

// consent is how long a check lets audio be sent (RFC 7675 §5.1).
const consent = 30 * time.Second

// mostChecked bounds what a peer can have us remember. A browser has a handful
// of addresses.
const mostChecked = 16

func (a *agent) knows(from netip.AddrPort) bool { return slices.Contains(a.checked, from) }

func (a *agent) learn(from netip.AddrPort) {
	if a.knows(from) {
		return
	}
	if len(a.checked) == mostChecked {
		a.checked = slices.Delete(a.checked, 0, 1)
	}
	a.checked = append(a.checked, from)
}

// check serves a STUN message: only binding requests of the peer that signalling
// introduced are believed (RFC 8445 §7.3, RFC 8489 §9.1.3).
func (p *Port) check(r *remote, b []byte, from netip.AddrPort) {
	m := &stun.Message{Raw: slices.Clone(b)}
	if m.Decode() != nil {
		p.refuseCheck()
		return
	}
	if m.Type == stun.NewType(stun.MethodBinding, stun.ClassIndication) {
		return // a keep-alive (RFC 8445 §11), which says nothing
	}
	if m.Type != stun.BindingRequest {
		p.refuseCheck()
		return
	}
	password := stun.NewShortTermIntegrity(r.ice.Pwd)
	if code := examine(m, r.ice.ICE, password); code != 0 {
		p.refuseCheck()
		answer := []stun.Setter{m, stun.NewType(stun.MethodBinding, stun.ClassErrorResponse), code}
		if code == stun.CodeRoleConflict { // it proved who it is, so do we
			answer = append(answer, password)
		}
		p.replyCheck(from, append(answer, stun.Fingerprint)...)
		return
	}
	now := p.engine.now()
	p.in.mu.Lock()
	r.ice.learn(from)
	nominates := m.Contains(stun.AttrUseCandidate)
	to := p.target.Load()
	// Until the peer has decided, the first address that works is used.
	move := nominates && (to == nil || to.addr != from) || !r.ice.nominated && (to == nil || !r.ice.knows(to.addr))
	r.ice.nominated = r.ice.nominated || nominates
	if move && p.remote.Load() == r {
		p.aim(from)
	}
	p.in.checkedAt = now // RFC 7675: it still wants to hear from us
	p.in.mu.Unlock()
	p.replyCheck(from, m, stun.BindingSuccess, &stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())}, password, stun.Fingerprint)
	if r.guard.shake != nil {
		r.guard.shake.reachable()
	}
}

// examine is the error that a check is refused with, 0 for a good one.
func examine(m *stun.Message, own ICE, password stun.MessageIntegrity) stun.ErrorCode {
	var user stun.Username
	switch {
	case m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(m) != nil:
		return stun.CodeBadRequest
	case user.GetFrom(m) != nil || !m.Contains(stun.AttrMessageIntegrity):
		return stun.CodeBadRequest
	}
	mine, theirs, _ := strings.Cut(user.String(), ":")
	switch {
	case mine != own.Ufrag || theirs != own.Peer:
		return stun.CodeUnauthorized
	case password.Check(m) != nil:
		return stun.CodeUnauthorized
	case m.Contains(stun.AttrICEControlled):
		// RFC 8445 §7.3.1.1: a lite agent is controlled, whatever the numbers say.
		return stun.CodeRoleConflict
	}
	return 0
}

func (p *Port) refuseCheck() {
	p.in.mu.Lock()
	p.in.foreign++
	p.in.mu.Unlock()
}

// replyCheck answers where the check came from. No answer is longer than what
// asked for it by enough to be of use to anybody.
func (p *Port) replyCheck(to netip.AddrPort, what ...stun.Setter) {
	m, err := stun.Build(what...)
	if err != nil {
		return
	}
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	if p.out.closed {
		return
	}
	if p.rtp.send(m.Raw, p.destinationOf(to)) != nil {
		p.out.errors++
	}
}

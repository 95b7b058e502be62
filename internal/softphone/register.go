package softphone

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// StatusError is a final answer other than 2xx. Status is 408 when no answer
// came, 487 when the call was given up before one.
type StatusError struct {
	Method string
	Status int
	Reason string // reason phrase
	Header Header
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s: %d %s", e.Method, e.Status, e.Reason) }

func statusError(method string, m *Message) *StatusError {
	if m == nil {
		return &StatusError{Method: method, Status: 408, Reason: "No Answer", Header: Header{}}
	}
	return &StatusError{Method: method, Status: m.Status, Reason: m.Reason, Header: m.Header}
}

type registration struct {
	callID  string
	cseq    uint32
	expires time.Duration
	renew   time.Time // zero: not registered
}

// Register binds the phone's address to its user and keeps it bound, renewing
// in time, until Unregister or Close. The hub may grant less than expires.
func (p *Phone) Register(ctx context.Context, expires time.Duration) error {
	return p.register(ctx, expires)
}

// Unregister takes the binding back.
func (p *Phone) Unregister(ctx context.Context) error { return p.register(ctx, 0) }

func (p *Phone) register(ctx context.Context, expires time.Duration) error {
	var final *Message
	done := false
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrEnded
	}
	p.sendRegister(expires, func(m *Message) { final, done = m, true })
	p.mu.Unlock()
	if err := p.await(ctx, func() bool { return done }); err != nil {
		return fmt.Errorf("register %s: %w", p.cfg.User, err)
	}
	if final == nil || final.Status >= 300 {
		return fmt.Errorf("register %s: %w", p.cfg.User, statusError("REGISTER", final))
	}
	return nil
}

func (p *Phone) sendRegister(expires time.Duration, on func(*Message)) {
	aor := "sip:" + p.cfg.User + "@" + p.cfg.Domain
	req := &Message{Method: "REGISTER", URI: "sip:" + p.cfg.Domain, Header: Header{}}
	h := req.Header
	h.set("Max-Forwards", "70")
	h.set("From", formatAddress(p.cfg.Display, aor)+";tag="+token())
	h.set("To", "<"+aor+">")
	h.set("Call-ID", p.reg.callID)
	h.set("Contact", "<"+p.URI()+">")
	h.set("Expires", strconv.Itoa(int(expires/time.Second)))
	h.set("Allow", allowed)
	h.set("User-Agent", userAgent)
	p.reg.renew = time.Time{}
	p.request(req, peer{addr: p.cfg.Hub}, p.nextRegister, func(m *Message) {
		if m != nil && m.Status < 200 {
			return
		}
		if m != nil && m.Status < 300 && expires > 0 {
			granted := p.granted(m, expires)
			p.reg.expires, p.reg.renew = expires, time.Now().Add(granted*4/5)
		}
		on(m)
	})
}

func (p *Phone) nextRegister() uint32 {
	p.reg.cseq++
	return p.reg.cseq
}

// granted is what the registrar gave our Contact (RFC 3261 §10.2.4).
func (p *Phone) granted(m *Message, asked time.Duration) time.Duration {
	said := m.Header.Get("Expires")
	for _, c := range m.Header.Values("Contact") {
		if _, hostport := splitURI(parseAddress(c).URI); hostport == p.addr {
			if e := parseParams(c)["expires"]; e != "" {
				said = e
			}
		}
	}
	if s, err := strconv.Atoi(said); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	return asked
}

// renewDue registers again when it is time. The lock is held.
func (p *Phone) renewDue(now time.Time) {
	if p.reg.renew.IsZero() || now.Before(p.reg.renew) {
		return
	}
	p.sendRegister(p.reg.expires, func(m *Message) {
		if m == nil || m.Status >= 300 {
			p.log.Warn("softphone lost its registration", "phone", p.addr, "err", statusError("REGISTER", m))
			p.reg.renew = time.Now().Add(5 * time.Second)
		}
	})
}

package softphone

import (
	"context"
	"fmt"
	"strings"
)

const (
	allowed   = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY, MESSAGE"
	userAgent = "Callyard softphone"
)

// Request sends a request outside of any call, such as SUBSCRIBE, MESSAGE or
// OPTIONS, to a number or URI, and returns the final answer, whatever its
// status. An error means that none came.
func (p *Phone) Request(ctx context.Context, method, number string, fields Header, body []byte) (*Message, error) {
	uri := p.target(number)
	req := &Message{Method: method, URI: uri, Header: Header{}, Body: body}
	h := req.Header
	h.set("Max-Forwards", "70")
	h.set("From", formatAddress(p.cfg.Display, "sip:"+p.cfg.User+"@"+p.cfg.Domain)+";tag="+token())
	h.set("To", "<"+uri+">")
	h.set("Call-ID", token())
	h.set("Contact", "<"+p.URI()+">")
	h.set("User-Agent", userAgent)
	for name, values := range fields {
		h.set(name, values...)
	}
	cseq := uint32(0)
	return p.finalAnswer(ctx, func(on func(*Message)) error {
		p.request(req, p.reach(uri), func() uint32 { cseq++; return cseq }, on)
		return nil
	}, method)
}

// finalAnswer begins something under the lock and waits for its final answer.
func (p *Phone) finalAnswer(ctx context.Context, begin func(on func(*Message)) error, what string) (*Message, error) {
	var final *Message
	done := false
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, ErrEnded
	}
	err := begin(func(m *Message) {
		if !done && (m == nil || m.Status >= 200) {
			final, done = m, true
		}
	})
	p.mu.Unlock()
	if err == nil {
		err = p.await(ctx, func() bool { return done })
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", what, err)
	case final == nil:
		return nil, fmt.Errorf("%s: %w", what, statusError(what, nil))
	}
	return final, nil
}

// target is the URI of a number: at the hub, unless it is a URI already.
func (p *Phone) target(number string) string {
	switch {
	case strings.HasPrefix(number, "sip:"):
		return number
	case strings.Contains(number, "@"):
		return "sip:" + number
	}
	uri := "sip:" + number + "@" + p.cfg.Hub
	if p.tcp() {
		uri += ";transport=" + strings.ToLower(p.cfg.Transport)
	}
	return uri
}

// asked is a request to this phone. The lock is held.
func (p *Phone) asked(m *Message) {
	key := txKey(m)
	tx := p.servers[key]
	if m.Method == "ACK" {
		p.acknowledged(m, tx)
		return
	}
	if tx != nil {
		if tx.last != nil {
			p.send(tx.last, tx.to)
		}
		return
	}
	tx = &serverTx{req: m, to: replyTo(m)}
	p.servers[key] = tx
	d := p.dialogs[m.Header.Get("Call-ID")+" "+m.To().Tag]
	if p.script != nil && m.Method != "CANCEL" {
		if status := p.script(m); status != 0 {
			p.respond(tx, reply(m, status, "Scripted", token()))
			return
		}
	}
	switch {
	case m.Method == "CANCEL":
		p.cancelled(tx, m)
	case m.Method == "NOTIFY" && p.subs[m.Header.Get("Call-ID")+" "+m.To().Tag] != nil:
		p.subs[m.Header.Get("Call-ID")+" "+m.To().Tag].notified(m)
		p.respond(tx, reply(m, 200, "OK", ""))
	case m.To().Tag != "" && d != nil:
		d.asked(tx, m)
	case m.Method == "NOTIFY": // its subscription was made by Request
		p.deliver(p.notifies, m)
		p.respond(tx, reply(m, 200, "OK", token()))
	case m.To().Tag != "":
		p.respond(tx, reply(m, 481, "Call/Transaction Does Not Exist", ""))
	case m.Method == "INVITE":
		p.invited(tx, m)
	case m.Method == "MESSAGE":
		p.deliver(p.messages, m)
		p.respond(tx, reply(m, 200, "OK", token()))
	case m.Method == "OPTIONS":
		r := reply(m, 200, "OK", token())
		r.Header.set("Allow", allowed)
		p.respond(tx, r)
	default:
		r := reply(m, 405, "Method Not Allowed", token())
		r.Header.set("Allow", allowed)
		p.respond(tx, r)
	}
}

func (p *Phone) deliver(to chan *Message, m *Message) {
	select {
	case to <- m:
	default:
		p.log.Warn("softphone dropped a message nobody reads", "phone", p.addr, "method", m.Method)
	}
}

// acknowledged is an ACK: of a rejection by its branch, of a 2xx by its dialog.
func (p *Phone) acknowledged(m *Message, tx *serverTx) {
	if tx != nil && tx.last != nil && tx.last.Status >= 300 {
		tx.repeat = false
		return
	}
	d := p.dialogs[m.Header.Get("Call-ID")+" "+m.To().Tag]
	if d == nil {
		return
	}
	if tx, ok := d.answers[ackNumber(m)]; ok {
		delete(d.answers, ackNumber(m))
		tx.repeat = false
		d.confirmed(tx, m)
	}
}

func ackNumber(m *Message) uint32 {
	n, _ := m.cseq()
	return n
}

package softphone

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// invited is a call to this phone. The lock is held.
func (p *Phone) invited(tx *serverTx, m *Message) {
	if needs := m.Header.Values("Require"); len(needs) > 0 {
		// RFC 3261 §8.2.2.3: no extension is known here.
		r := reply(m, 420, "Bad Extension", token())
		r.Header.set("Unsupported", needs...)
		p.respond(tx, r)
		return
	}
	a, err := openAudio(p.cfg.LocalIP, p.codecs)
	if err != nil {
		p.respond(tx, reply(m, 500, "Server Internal Error", token()))
		return
	}
	d := &Dialog{inbound: true, callID: m.Header.Get("Call-ID"), incoming: tx, opts: callOptions{tone: p.cfg.ToneHz}}
	d.local, d.remote = m.To(), m.From()
	d.local.Tag = token()
	d.uri = d.remote.URI
	p.keep(d, a)
	d.refresh(m)
	d.routes = m.Header.Values("Record-Route")
	d.theirs, _ = m.cseq()
	d.note(m)
	if s, err := strconv.Atoi(m.Header.Get("Expires")); err == nil && s > 0 {
		d.expires = time.Now().Add(time.Duration(s) * time.Second)
	}
	p.respond(tx, reply(m, 100, "Trying", ""))
	if p.cfg.Pickup == Always || p.cfg.Pickup == WhenAsked && asksForPickup(m) {
		if err := d.answer(); err != nil {
			p.log.Debug("softphone could not answer", "err", err)
		}
	}
	select {
	case p.incoming <- d:
	default:
		d.reject(486, "Busy Here") // nobody reads, and it was not picked up either
	}
}

// asksForPickup knows the two ways to ask a phone to answer by itself.
func asksForPickup(m *Message) bool {
	return strings.Contains(m.Header.Get("Call-Info"), "answer-after=0") ||
		strings.Contains(strings.ToLower(m.Header.Get("Alert-Info")), "auto-answer") ||
		strings.Contains(strings.ToLower(m.Header.Get("Alert-Info")), "autoanswer")
}

// Ring tells the caller that the phone rings (180).
func (d *Dialog) Ring() {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	if d.inbound && (d.state == calling || d.state == ringing) {
		d.state = ringing
		d.phone.respond(d.incoming, d.reply(180, "Ringing"))
		d.phone.bell.ring()
	}
}

// Early sends audio before the answer (183).
func (d *Dialog) Early() error {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	if !d.inbound || (d.state != calling && d.state != ringing) {
		return ErrEnded
	}
	if !hasBody(d.incoming.req) {
		return errors.New("early audio: no offer in the INVITE")
	}
	sdp, err := d.audio.answer(d.incoming.req.Body)
	if err != nil {
		return err
	}
	d.state, d.sdp = ringing, sdp
	d.phone.respond(d.incoming, withSDP(d.reply(183, "Session Progress"), sdp))
	d.audio.start()
	d.phone.bell.ring()
	return nil
}

// Answer picks the call up (200). ErrEnded when the caller has given up; the
// call is rejected with 488 when there is no codec in common. WaitAnswered
// tells when the answer is acknowledged.
func (d *Dialog) Answer() error {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	defer d.phone.bell.ring()
	return d.answer()
}

func (d *Dialog) answer() error {
	if !d.inbound || (d.state != calling && d.state != ringing) {
		return ErrEnded
	}
	sdp := d.sdp
	switch req := d.incoming.req; {
	case sdp != nil:
	case hasBody(req):
		var err error
		if sdp, err = d.audio.answer(req.Body); err != nil {
			d.reject(488, "Not Acceptable Here")
			return err
		}
	default:
		d.offered = true
		sdp = d.audio.offer(false)
	}
	d.state = answering
	d.incoming.gaveUp = func() { // RFC 3261 §13.3.1.4
		if d.state == answering {
			d.bye(Ended{Why: TimedOut})
		}
	}
	d.give(d.incoming, withSDP(d.reply(200, "OK"), sdp))
	if !d.offered {
		d.audio.start()
	}
	return nil
}

// give sends a 2xx to an INVITE and expects its ACK.
func (d *Dialog) give(tx *serverTx, m *Message) {
	n, _ := tx.req.cseq()
	d.answers[n] = tx
	d.phone.respond(tx, m)
}

// confirmed is the ACK of a 2xx of ours. The lock is held.
func (d *Dialog) confirmed(tx *serverTx, m *Message) {
	if d.offered && hasBody(m) {
		d.offered = false
		if err := d.audio.accept(m.Body); err != nil {
			d.phone.log.Debug("softphone could not use the answer in the ACK", "err", err)
		}
		d.audio.start()
	}
	if tx != d.incoming || d.state != answering {
		return
	}
	d.state, d.answered = talking, true
	if d.wantsEnd {
		d.bye(Ended{Why: Bye})
	}
}

// Reject refuses the call: 486, 603, 480 or another.
func (d *Dialog) Reject(status int) {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	defer d.phone.bell.ring()
	d.reject(status, map[int]string{486: "Busy Here", 603: "Decline", 480: "Temporarily Unavailable", 404: "Not Found"}[status])
}

func (d *Dialog) reject(status int, reason string) {
	if !d.inbound || (d.state != calling && d.state != ringing) {
		return
	}
	d.phone.respond(d.incoming, d.reply(status, reason))
	d.end(Ended{Why: Rejected, Status: status, Reason: reason, Header: Header{}})
}

// cancelled is a CANCEL (RFC 3261 §9.2). The lock is held.
func (p *Phone) cancelled(tx *serverTx, m *Message) {
	for _, d := range p.dialogs {
		if d.incoming == nil || d.callID != m.Header.Get("Call-ID") || txBranch(d.incoming.req) != txBranch(m) {
			continue
		}
		p.respond(tx, reply(m, 200, "OK", d.local.Tag))
		if d.state == calling || d.state == ringing {
			p.respond(d.incoming, d.reply(487, "Request Terminated"))
			d.note(m)
			d.end(Ended{Why: Cancelled, Remote: true, Status: 487, Reason: "Cancelled", Text: m.text(), Header: m.Header})
		}
		return
	}
	p.respond(tx, reply(m, 481, "Call/Transaction Does Not Exist", token()))
}

func txBranch(m *Message) string { return parseParams(m.Header.Get("Via"))["branch"] }

// expireDue gives up ringing when the caller's time is up (RFC 3261 §13.3.1).
func (d *Dialog) expireDue(now time.Time) {
	if d.inbound && !d.expires.IsZero() && now.After(d.expires) && (d.state == calling || d.state == ringing) {
		d.phone.respond(d.incoming, d.reply(487, "Request Terminated"))
		d.end(Ended{Why: TimedOut, Status: 487, Header: Header{}})
	}
}

// reply answers the INVITE that began the dialog.
func (d *Dialog) reply(status int, reason string) *Message {
	return d.replyTo(d.incoming.req, status, reason)
}

func (d *Dialog) replyTo(req *Message, status int, reason string) *Message {
	m := reply(req, status, reason, d.local.Tag)
	if status > 100 && status < 300 {
		m.Header.set("Contact", "<"+d.phone.URI()+">")
		m.Header.set("Allow", allowed)
	}
	return m
}

func withSDP(m *Message, sdp []byte) *Message {
	m.Header.set("Content-Type", "application/sdp")
	m.Body = sdp
	return m
}

// asked is a request within the dialog. The lock is held.
func (d *Dialog) asked(tx *serverTx, m *Message) {
	p := d.phone
	n, _ := m.cseq()
	if n < d.theirs {
		p.respond(tx, d.replyTo(m, 500, "Server Internal Error")) // RFC 3261 §12.2.2
		return
	}
	d.theirs = n
	over := d.state == ended || d.state == leaving
	if over && m.Method != "NOTIFY" && m.Method != "BYE" {
		p.respond(tx, d.replyTo(m, 481, "Call/Transaction Does Not Exist"))
		return
	}
	switch m.Method {
	case "BYE":
		d.note(m)
		p.respond(tx, d.replyTo(m, 200, "OK"))
		for _, waiting := range d.answers {
			waiting.repeat = false // a BYE confirms what it ends
		}
		d.end(Ended{Why: Bye, Remote: true, Text: m.text(), Header: m.Header})
	case "INVITE", "UPDATE":
		d.modified(tx, m)
	case "NOTIFY":
		p.respond(tx, d.replyTo(m, 200, "OK"))
		d.notified(m)
	case "INFO":
		d.note(m)
		p.respond(tx, d.replyTo(m, 200, "OK"))
	case "OPTIONS":
		p.respond(tx, d.replyTo(m, 200, "OK"))
	case "MESSAGE":
		p.deliver(p.messages, m)
		p.respond(tx, d.replyTo(m, 200, "OK"))
	default:
		r := d.replyTo(m, 405, "Method Not Allowed")
		r.Header.set("Allow", allowed)
		p.respond(tx, r)
	}
}

// modified is a re-INVITE or an UPDATE (RFC 3261 §14.2, RFC 3311 §5.2).
func (d *Dialog) modified(tx *serverTx, m *Message) {
	p := d.phone
	if d.busy && (m.Method == "INVITE" || hasBody(m)) {
		p.respond(tx, d.replyTo(m, 491, "Request Pending"))
		return
	}
	d.note(m)
	d.refresh(m)
	r := d.replyTo(m, 200, "OK")
	switch {
	case hasBody(m):
		sdp, err := d.audio.answer(m.Body)
		if err != nil {
			p.respond(tx, d.replyTo(m, 488, "Not Acceptable Here"))
			return
		}
		withSDP(r, sdp)
	case m.Method == "INVITE":
		d.offered = true
		withSDP(r, d.audio.offer(false))
	}
	if m.Method == "INVITE" {
		d.give(tx, r)
		return
	}
	p.respond(tx, r)
}

package softphone

import (
	"context"
	"fmt"
	"time"
)

// CallOption changes one call.
type CallOption func(*callOptions)

type callOptions struct {
	user, display string
	codecs        []string
	late          bool
	tone          int
	fields        Header
}

// From calls as somebody else, as a trunk does for its callers.
func From(user, display string) CallOption {
	return func(o *callOptions) { o.user, o.display = user, display }
}

// Codecs offers these only, best first.
func Codecs(names ...string) CallOption { return func(o *callOptions) { o.codecs = names } }

// LateOffer sends the INVITE without SDP.
func LateOffer() CallOption { return func(o *callOptions) { o.late = true } }

// Tone is sent while the call is up, instead of the phone's.
func Tone(hz int) CallOption { return func(o *callOptions) { o.tone = hz } }

// WithHeader adds a field to the INVITE.
func WithHeader(name, value string) CallOption {
	return func(o *callOptions) { o.fields.add(name, value) }
}

// Call invites a number at the hub, or a URI at its own address, and returns
// once the INVITE is under way. Challenges are answered with the password.
func (p *Phone) Call(ctx context.Context, number string, options ...CallOption) (*Dialog, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	o := callOptions{user: p.cfg.User, display: p.cfg.Display, tone: p.cfg.ToneHz, fields: Header{}}
	for _, option := range options {
		option(&o)
	}
	codecs := p.codecs
	if o.codecs != nil {
		var err error
		if codecs, err = codecsNamed(o.codecs); err != nil {
			return nil, fmt.Errorf("call: %w", err)
		}
	}
	d := &Dialog{opts: o, callID: token()}
	d.local = Address{Display: o.display, URI: "sip:" + o.user + "@" + p.cfg.Domain, User: o.user, Tag: token()}
	d.uri = p.target(number)
	d.remote = parseAddress(d.uri)
	if err := p.open(d, codecs); err != nil {
		return nil, fmt.Errorf("call: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrEnded
	}
	req := d.request("INVITE")
	req.Header.set("Allow", allowed)
	if !o.late {
		req.Header.set("Content-Type", "application/sdp")
		req.Body = d.audio.offer(false)
	}
	for name, values := range o.fields {
		req.Header.set(name, values...)
	}
	d.invite = p.request(req, p.reach(d.uri), d.next, d.progress)
	return d, nil
}

// open gives a new dialog its audio and its place on the phone.
func (p *Phone) open(d *Dialog, codecs []codec) error {
	a, err := openAudio(p.cfg.LocalIP, codecs)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(d, a)
	return nil
}

// keep is open under the lock.
func (p *Phone) keep(d *Dialog, a *audio) {
	d.phone, d.audio = p, a
	if p.cfg.SRTP {
		a.sdes = newSDES()
	}
	d.seen, d.acks, d.answers = Header{}, map[uint32]*Message{}, map[uint32]*serverTx{}
	if p.closed {
		d.end(Ended{Why: Closed})
		return
	}
	if d.opts.tone > 0 {
		a.play(tone(d.opts.tone), true)
	}
	p.dialogs[d.key()] = d
	p.wg.Go(a.read)
}

// progress is an answer to our first INVITE. The lock is held.
func (d *Dialog) progress(m *Message) {
	if m == nil {
		d.end(Ended{Why: TimedOut, Status: 408, Reason: "No Answer", Header: Header{}})
		return
	}
	d.statuses = append(d.statuses, m.Status)
	switch {
	case m.Status < 200:
		d.provisional(m)
	case m.Status < 300:
		d.accepted(m)
	default:
		r := Ended{Why: Rejected, Remote: true, Status: m.Status, Reason: m.Reason, Text: m.text(), Header: m.Header}
		if d.wantsEnd {
			r.Why, r.Remote = Cancelled, false
		}
		d.note(m)
		d.end(r)
	}
}

func (d *Dialog) provisional(m *Message) {
	if d.state != calling && d.state != ringing {
		return
	}
	if m.Status > 100 {
		d.state = ringing
		d.note(m)
		d.remote.Tag = m.To().Tag
		if hasBody(m) && !d.opts.late {
			if err := d.audio.accept(m.Body); err != nil {
				d.phone.log.Debug("softphone could not use early media", "err", err)
			}
		}
	}
	if d.wantsEnd {
		d.cancel()
	}
}

// cancel waits for the first provisional answer (RFC 3261 §9.1). The INVITE
// stays: a 2xx that crosses the CANCEL is acknowledged and ended.
func (d *Dialog) cancel() {
	x := d.invite
	x.stopped = true
	if d.sent || !x.tx.rang || x.tx.final {
		return
	}
	d.sent = true
	x.tx.deadline = time.Now().Add(timerB)
	invite := x.tx.req
	n, _ := invite.cseq()
	req := &Message{Method: "CANCEL", URI: invite.URI, Header: Header{}}
	for _, name := range []string{"Via", "Route", "Max-Forwards", "From", "To", "Call-ID"} {
		if v := invite.Header.Values(name); v != nil {
			req.Header.set(name, v...)
		}
	}
	req.Header.set("CSeq", fmt.Sprintf("%d CANCEL", n))
	now := time.Now()
	tx := &clientTx{req: req, to: x.tx.to, on: func(*Message) {}, every: t1, next: now.Add(t1), deadline: now.Add(timerB)}
	d.phone.clients[parseParams(invite.Header.Get("Via"))["branch"]+" CANCEL"] = tx
	d.phone.send(req, tx.to)
}

// accepted is a 2xx to our first INVITE, the first or a repetition.
func (d *Dialog) accepted(m *Message) {
	n, _ := m.cseq()
	if ack := d.acks[n]; ack != nil {
		if m.To().Tag == d.remote.Tag {
			d.phone.send(ack, d.to())
		}
		return
	}
	d.note(m)
	d.remote.Tag = m.To().Tag
	d.routes = nil
	for _, r := range m.Header.Values("Record-Route") {
		d.routes = append([]string{r}, d.routes...) // RFC 3261 §12.1.2: reversed
	}
	d.refresh(m)
	var body []byte
	var err error
	if d.opts.late {
		body, err = d.audio.answer(m.Body)
	} else if hasBody(m) {
		err = d.audio.accept(m.Body)
	}
	d.acknowledge(n, body)
	switch {
	case d.wantsEnd:
		d.bye(Ended{Why: Cancelled, Status: 487, Reason: "Cancelled", Header: Header{}})
	case err != nil:
		d.phone.log.Debug("softphone could not use the answer", "err", err)
		d.bye(Ended{Why: Rejected, Status: 488, Reason: "Not Acceptable Here", Header: Header{}})
	default:
		d.state, d.answered = talking, true
		d.audio.start()
	}
}

func (d *Dialog) acknowledge(n uint32, body []byte) {
	ack := d.request("ACK")
	ack.Header.set("CSeq", fmt.Sprintf("%d ACK", n))
	ack.Header.set("Via", d.phone.via("z9hG4bK"+token()))
	if body != nil {
		ack.Header.set("Content-Type", "application/sdp")
		ack.Body = body
	}
	d.acks[n] = ack
	d.phone.send(ack, d.to())
}

// Hold asks the far end to be quiet, or to go on. The error is a *StatusError
// when it does not agree.
func (d *Dialog) Hold(ctx context.Context, on bool) error {
	p := d.phone
	m, err := p.finalAnswer(ctx, func(done func(*Message)) error {
		if d.state != talking {
			return ErrEnded
		}
		req := d.request("INVITE")
		req.Header.set("Allow", allowed)
		req.Header.set("Content-Type", "application/sdp")
		req.Body = d.audio.offer(on)
		d.busy = true
		p.request(req, d.to(), d.next, func(m *Message) {
			if m != nil && m.Status < 200 {
				return
			}
			d.busy = false
			if m != nil && m.Status < 300 {
				d.reaccepted(m, on)
			}
			done(m)
		})
		return nil
	}, "hold")
	if err == nil && m.Status >= 300 {
		err = statusError("INVITE", m)
	}
	return err
}

func (d *Dialog) reaccepted(m *Message, holding bool) {
	n, _ := m.cseq()
	if ack := d.acks[n]; ack != nil {
		d.phone.send(ack, d.to())
		return
	}
	d.note(m)
	d.refresh(m)
	d.acknowledge(n, nil)
	if err := d.audio.accept(m.Body); err != nil {
		d.phone.log.Debug("softphone could not use the answer", "err", err)
		return
	}
	d.audio.hold(holding)
}

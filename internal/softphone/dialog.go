package softphone

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"
)

type state int

const (
	calling state = iota // before any provisional answer
	ringing
	answering // we answered, the ACK is missing
	talking
	leaving // our BYE or CANCEL is under way
	ended
)

// Dialog is one call of a phone, in either direction.
type Dialog struct {
	phone   *Phone
	audio   *audio
	inbound bool
	callID  string
	opts    callOptions

	// guarded by the phone's lock
	state     state
	local     Address // ours, with our tag
	remote    Address
	uri       string   // remote target
	routes    []string // route set
	cseq      uint32
	theirs    uint32 // their highest CSeq
	seen      Header // newest of each field from the far end
	statuses  []int  // answers to our INVITE
	answered  bool   // it was talking at some time
	invite    *exchange
	sent      bool // CANCEL
	wantsEnd  bool // Hangup came before it could be carried out
	acks      map[uint32]*Message
	busy      bool // a re-INVITE of ours is under way
	incoming  *serverTx
	answers   map[uint32]*serverTx // our 2xx to INVITEs without ACK yet
	offered   bool                 // our 2xx carries an offer, the ACK will answer it
	sdp       []byte               // our answer, once given in a 183
	expires   time.Time
	referrals []*referral
	reason    Ended
	forget    time.Time
}

func (d *Dialog) key() string { return d.callID + " " + d.local.Tag }

// CallID is the Call-ID.
func (d *Dialog) CallID() string { return d.callID }

// Inbound tells whether the far end called.
func (d *Dialog) Inbound() bool { return d.inbound }

// From is the far end of a call to us as its From says, ours of a call of ours.
func (d *Dialog) From() Address {
	if d.inbound {
		return d.remote
	}
	return d.local
}

// Header is the newest value of a field that the far end has sent in this
// dialog, in requests or in answers.
func (d *Dialog) Header(name string) string {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	return d.seen.Get(name)
}

// Statuses is every answer to our INVITE so far.
func (d *Dialog) Statuses() []int {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	return append([]int(nil), d.statuses...)
}

// Answered tells whether the call is or was up.
func (d *Dialog) Answered() bool {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	return d.answered
}

// Replaces is the value of a Replaces header, or of one in a Refer-To, by which
// somebody else takes the far end's side of this call over (RFC 3891 §3: the
// tags are named as the far end sees them).
func (d *Dialog) Replaces() string {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	return fmt.Sprintf("%s;to-tag=%s;from-tag=%s", d.callID, d.remote.Tag, d.local.Tag)
}

// WaitRinging waits until the far end rings (180 or 183), or more. The error is
// a *StatusError when the call failed.
func (d *Dialog) WaitRinging(ctx context.Context) error {
	return d.wait(ctx, "ringing", func() bool { return d.state != calling })
}

// WaitAnswered waits until the call is up, which for a call to us is when our
// answer is acknowledged. The error is a *StatusError when the call failed.
func (d *Dialog) WaitAnswered(ctx context.Context) error {
	return d.wait(ctx, "an answer", func() bool { return d.answered })
}

func (d *Dialog) wait(ctx context.Context, what string, ok func() bool) error {
	over := false
	err := d.phone.await(ctx, func() bool {
		over = d.state == ended && !d.answered
		return over || ok()
	})
	if err == nil && over {
		r := d.ended()
		err = &StatusError{Method: "INVITE", Status: r.Status, Reason: r.Reason, Header: r.Header}
	}
	if err != nil {
		return fmt.Errorf("wait for %s: %w", what, err)
	}
	return nil
}

// WaitEnded waits until the call is over, with our BYE answered if we ended it.
func (d *Dialog) WaitEnded(ctx context.Context) (Ended, error) {
	err := d.phone.await(ctx, func() bool { return d.state == ended })
	if r := d.ended(); r.Why != "" {
		return r, nil
	}
	return Ended{}, fmt.Errorf("wait for the end: %w", err)
}

func (d *Dialog) ended() Ended {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	return d.reason
}

// Play sends samples (8 kHz) once, then silence; done is closed when they are
// sent or replaced.
func (d *Dialog) Play(samples []int16) (done <-chan struct{}) { return d.audio.play(samples, false) }

// PlayTone sends a tone from now on.
func (d *Dialog) PlayTone(hz int) { d.audio.play(tone(hz), true) }

// Silence sends silence from now on.
func (d *Dialog) Silence() { d.audio.play(nil, false) }

// StopPackets sends no RTP at all, as a phone whose network broke.
func (d *Dialog) StopPackets(on bool) {
	d.audio.mu.Lock()
	defer d.audio.mu.Unlock()
	d.audio.stopped = on
}

// WaitHeld waits until the far end holds us, or does not any more.
func (d *Dialog) WaitHeld(ctx context.Context, on bool) error {
	if err := d.audio.await(ctx, func() bool { return d.audio.held() == on }); err != nil {
		return fmt.Errorf("wait for hold %t: %w", on, err)
	}
	return nil
}

// note keeps the fields of a message from the far end. The lock is held.
func (d *Dialog) note(m *Message) {
	maps.Copy(d.seen, m.Header)
}

// request is a new request within the dialog, without CSeq. The lock is held.
func (d *Dialog) request(method string) *Message {
	m := &Message{Method: method, URI: d.uri, Header: Header{}}
	h := m.Header
	h.set("Max-Forwards", "70")
	if len(d.routes) > 0 {
		h.set("Route", d.routes...)
	}
	h.set("From", formatAddress(d.local.Display, d.local.URI)+";tag="+d.local.Tag)
	to := formatAddress(d.remote.Display, d.remote.URI)
	if d.remote.Tag != "" {
		to += ";tag=" + d.remote.Tag
	}
	h.set("To", to)
	h.set("Call-ID", d.callID)
	h.set("User-Agent", userAgent)
	h.set("Contact", "<"+d.phone.URI()+">")
	return m
}

// to is where requests within the dialog go (RFC 3261 §12.2.1.1, loose routing).
func (d *Dialog) to() peer {
	if len(d.routes) > 0 {
		return d.phone.reach(parseAddress(d.routes[0]).URI)
	}
	return d.phone.reach(d.uri)
}

func (d *Dialog) next() uint32 {
	d.cseq++
	return d.cseq
}

// refresh takes the far end's Contact as the new target (RFC 3261 §12.2).
func (d *Dialog) refresh(m *Message) {
	if c := m.Header.Get("Contact"); c != "" {
		d.uri = parseAddress(c).URI
	}
}

// Request sends a request within the dialog, such as INFO or UPDATE, and
// returns the final answer, whatever its status. An error means that none came.
func (d *Dialog) Request(ctx context.Context, method string, fields Header, body []byte) (*Message, error) {
	return d.phone.finalAnswer(ctx, func(on func(*Message)) error {
		if d.state != talking {
			return ErrEnded
		}
		req := d.request(method)
		req.Body = body
		for name, values := range fields {
			req.Header.set(name, values...)
		}
		d.phone.request(req, d.to(), d.next, on)
		return nil
	}, method)
}

// Hangup ends the call as its state demands, with CANCEL, 603 or BYE, and
// returns at once; WaitEnded tells when it is done.
func (d *Dialog) Hangup() {
	d.phone.mu.Lock()
	defer d.phone.mu.Unlock()
	d.hangup()
	d.phone.bell.ring()
}

func (d *Dialog) hangup() {
	switch {
	case d.state == ended || d.state == leaving:
	case d.state == talking:
		d.bye(Ended{Why: Bye})
	case !d.inbound:
		d.wantsEnd = true
		d.cancel()
	case d.state == answering:
		d.wantsEnd = true // RFC 3261 §15: no BYE before the ACK
	default:
		d.reject(603, "Decline")
	}
}

func (d *Dialog) bye(why Ended) {
	d.state = leaving
	d.audio.stop()
	req := d.request("BYE")
	d.phone.request(req, d.to(), d.next, func(m *Message) {
		if m == nil || m.Status >= 200 {
			d.end(why)
		}
	})
}

// end is the one way to the last state. The lock is held.
func (d *Dialog) end(r Ended) {
	if d.state == ended {
		return
	}
	d.state, d.reason = ended, r
	d.forget = time.Now().Add(2 * timerB) // late NOTIFYs and repetitions
	d.audio.close()
	d.phone.bell.ring()
}

func hasBody(m *Message) bool {
	return len(m.Body) > 0 && strings.HasPrefix(m.Header.Get("Content-Type"), "application/sdp")
}

package softphone

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Referred is what became of a transfer.
type Referred struct {
	Status   int    // of the final NOTIFY
	Reason   string // its reason phrase
	Fragment string // the whole message/sipfrag
	Header   Header // of the final NOTIFY
}

// referral is a REFER of ours, until its final NOTIFY (RFC 3515).
type referral struct {
	cseq uint32
	done bool
	over bool // subscription terminated without a final status
	last Referred
}

// Refer asks the far end to be sent to a number or URI, and waits for the final
// NOTIFY, also beyond the far end's BYE. The status is the final one, 2xx or
// not. A REFER that is refused is a *StatusError.
func (d *Dialog) Refer(ctx context.Context, number string) (Referred, error) {
	return d.refer(ctx, "<"+d.phone.target(number)+">")
}

// ReferReplacing is an attended transfer: the far end is to take our place in
// another call of ours.
func (d *Dialog) ReferReplacing(ctx context.Context, other *Dialog) (Referred, error) {
	other.phone.mu.Lock()
	uri := other.uri
	other.phone.mu.Unlock()
	return d.refer(ctx, "<"+uri+"?Replaces="+url.QueryEscape(other.Replaces())+">")
}

func (d *Dialog) refer(ctx context.Context, to string) (Referred, error) {
	p := d.phone
	r := &referral{}
	m, err := p.finalAnswer(ctx, func(on func(*Message)) error {
		if d.state != talking {
			return ErrEnded
		}
		req := d.request("REFER")
		req.Header.set("Refer-To", to)
		req.Header.set("Referred-By", "<"+d.local.URI+">")
		d.referrals = append(d.referrals, r)
		p.request(req, d.to(), func() uint32 { r.cseq = d.next(); return r.cseq }, on)
		return nil
	}, "refer")
	if err != nil {
		return Referred{}, err
	}
	if m.Status >= 300 {
		return Referred{}, fmt.Errorf("refer: %w", statusError("REFER", m))
	}
	if err := p.await(ctx, func() bool { return r.done || r.over }); err != nil {
		return Referred{}, fmt.Errorf("refer: wait for the final NOTIFY: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !r.done {
		return r.last, fmt.Errorf("refer: subscription ended at %d without a final status", r.last.Status)
	}
	return r.last, nil
}

// notified is a NOTIFY within the dialog. The lock is held.
func (d *Dialog) notified(m *Message) {
	event, _, _ := strings.Cut(m.Header.Get("Event"), ";")
	if strings.TrimSpace(event) != "refer" {
		d.phone.deliver(d.phone.notifies, m)
		return
	}
	r := d.referral(parseParams(m.Header.Get("Event"))["id"])
	if r == nil {
		return
	}
	line, _, _ := strings.Cut(string(m.Body), "\r\n")
	_, rest, _ := strings.Cut(line, " ")
	code, reason, _ := strings.Cut(rest, " ")
	if status, err := strconv.Atoi(code); err == nil {
		r.last = Referred{Status: status, Reason: reason, Fragment: string(m.Body), Header: m.Header}
		r.done = status >= 200
	}
	r.over = strings.HasPrefix(m.Header.Get("Subscription-State"), "terminated")
}

// referral is the one a NOTIFY is about: by id (RFC 3515 §2.4.6), else the
// first that is not done.
func (d *Dialog) referral(id string) *referral {
	for _, r := range d.referrals {
		if id == strconv.FormatUint(uint64(r.cseq), 10) || (id == "" && !r.done && !r.over) {
			return r
		}
	}
	return nil
}

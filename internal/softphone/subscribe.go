package softphone

import (
	"context"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Subscription is the phone's subscription to a lamp or a mailbox (RFC 6665).
type Subscription struct {
	phone   *Phone
	event   string
	callID  string
	local   Address
	remote  Address
	uri     string // the Request-URI of what follows
	to      peer
	cseq    uint32
	granted time.Duration
	notices []Notice
	read    int
}

// Notice is a NOTIFY as the phone understands it.
type Notice struct {
	Subscription string // "active;expires=60"
	Version      int    // of a dialog-info document
	Full         bool   // it says so
	State        string // "terminated", "early", "confirmed"; of several dialogs the last
	Display      string // of the remote identity
	Remote       string // its URI
	Direction    string
	Replaces     string // a Replaces header for the INVITE that takes the call over; "" if it names no dialog
	Body         string
	At           time.Time
}

// dialogInfo is what a lamp needs of RFC 4235.
type dialogInfo struct {
	XMLName xml.Name `xml:"urn:ietf:params:xml:ns:dialog-info dialog-info"`
	Version int      `xml:"version,attr"`
	State   string   `xml:"state,attr"`
	Dialogs []struct {
		CallID    string `xml:"call-id,attr"`
		LocalTag  string `xml:"local-tag,attr"`
		RemoteTag string `xml:"remote-tag,attr"`
		Direction string `xml:"direction,attr"`
		State     string `xml:"state"`
		Remote    struct {
			Identity struct {
				Display string `xml:"display,attr"`
				URI     string `xml:",chardata"`
			} `xml:"identity"`
		} `xml:"remote"`
	} `xml:"dialog"`
}

// Subscribe asks to be told of a number's event: "dialog", "message-summary". A
// refusal is a *StatusError. expires 0 only asks once.
func (p *Phone) Subscribe(ctx context.Context, event, number string, expires time.Duration) (*Subscription, error) {
	uri := p.target(number)
	s := &Subscription{
		phone: p, event: event, callID: token(), uri: uri, to: p.reach(uri),
		local: Address{Display: p.cfg.Display, URI: "sip:" + p.cfg.User + "@" + p.cfg.Domain, Tag: token()}, remote: Address{URI: uri},
	}
	p.mu.Lock()
	if p.subs == nil {
		p.subs = map[string]*Subscription{}
	}
	p.subs[s.callID+" "+s.local.Tag] = s // a NOTIFY may overtake the 200
	p.mu.Unlock()
	if err := s.Renew(ctx, expires); err != nil {
		p.mu.Lock()
		delete(p.subs, s.callID+" "+s.local.Tag)
		p.mu.Unlock()
		return nil, err
	}
	return s, nil
}

// Renew asks for more time, or with 0 for the end.
func (s *Subscription) Renew(ctx context.Context, expires time.Duration) error {
	p := s.phone
	m, err := p.finalAnswer(ctx, func(on func(*Message)) error {
		req := &Message{Method: "SUBSCRIBE", URI: s.uri, Header: Header{}}
		h := req.Header
		h.set("Max-Forwards", "70")
		h.set("From", formatAddress(s.local.Display, s.local.URI)+";tag="+s.local.Tag)
		to := formatAddress("", s.remote.URI)
		if s.remote.Tag != "" {
			to += ";tag=" + s.remote.Tag
		}
		h.set("To", to)
		h.set("Call-ID", s.callID)
		h.set("Contact", "<"+p.URI()+">")
		h.set("User-Agent", userAgent)
		h.set("Event", s.event)
		h.set("Expires", strconv.Itoa(int(expires/time.Second)))
		p.request(req, s.to, func() uint32 { s.cseq++; return s.cseq }, on)
		return nil
	}, "subscribe")
	if err != nil {
		return err
	}
	if m.Status >= 300 {
		return fmt.Errorf("subscribe: %w", statusError("SUBSCRIBE", m))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.remote.Tag = m.To().Tag
	if c := parseAddress(m.Header.Get("Contact")); c.URI != "" {
		s.uri, s.to = c.URI, p.reach(c.URI)
	}
	if n, err := strconv.Atoi(m.Header.Get("Expires")); err == nil {
		s.granted = time.Duration(n) * time.Second
	}
	return nil
}

// Granted is how long the hub said the subscription lasts.
func (s *Subscription) Granted() time.Duration {
	s.phone.mu.Lock()
	defer s.phone.mu.Unlock()
	return s.granted
}

// Next waits for the next notice; none is left out.
func (s *Subscription) Next(ctx context.Context) (Notice, error) {
	if err := s.phone.await(ctx, func() bool { return s.read < len(s.notices) }); err != nil {
		return Notice{}, fmt.Errorf("wait for a NOTIFY of %s: %w", s.remote.URI, err)
	}
	s.phone.mu.Lock()
	defer s.phone.mu.Unlock()
	n := s.notices[s.read]
	s.read++
	return n, nil
}

// notified is a NOTIFY of the subscription. The lock is held.
func (s *Subscription) notified(m *Message) {
	n := Notice{Subscription: m.Header.Get("Subscription-State"), Body: string(m.Body), At: time.Now()}
	if strings.HasPrefix(m.Header.Get("Content-Type"), "application/dialog-info+xml") {
		var d dialogInfo
		if err := xml.Unmarshal(m.Body, &d); err != nil {
			n.State = "not understood: " + err.Error()
		}
		n.Version, n.Full = d.Version, d.State == "full"
		for _, g := range d.Dialogs {
			if n.Direction = g.Direction; g.CallID != "" {
				// The INVITE goes to who is remote to the party watched (RFC 4235
				// §4.1.2), and the to-tag is that of who gets it (RFC 3891 §3).
				n.Replaces = fmt.Sprintf("%s;to-tag=%s;from-tag=%s", g.CallID, g.RemoteTag, g.LocalTag)
			}
			n.State, n.Display, n.Remote = strings.TrimSpace(g.State), g.Remote.Identity.Display, strings.TrimSpace(g.Remote.Identity.URI)
		}
	}
	s.notices = append(s.notices, n)
}

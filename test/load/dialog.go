//go:build linux

package load

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Dialog is one call of an endpoint, placed or received.
type Dialog struct {
	endpoint *Endpoint
	account  *Account // of a rep who calls
	id, tag  string
	up       func(*Dialog)
	To       string // what was dialled, or whose phone this is
	RTP      int    // our port

	Rung    chan struct{} // closed at the first provisional response but 100
	Decided chan struct{} // closed when our INVITE has its final response; the fields below are set then
	Over    chan struct{} // closed when the call has ended, or never came to be
	Sent    time.Time     // the INVITE that was answered
	Came    time.Time     // its final response; of a call received, the INVITE
	Status  int
	Audio   netip.AddrPort // the hub's RTP port for this leg

	// Deaf keeps the ACK of a 200 back, as a caller does whose network has gone.
	Deaf bool

	mu            sync.Mutex
	local, remote string // From and To as we write them
	target        string
	routes        []string
	seq           int
	viaBranch     string
	inviteSeq     int
	rings         bool
	cancelled     bool
	invite        *Message // received
	ack           []byte
	final         []byte // our 200 to a received INVITE, until its ACK
	ended         bool
	repeat        *time.Timer
	told          func(*Message)
	asked         map[int]chan int // final responses that are waited for, by CSeq
}

// Invite places a call. up is called by the socket's reader when it is answered.
func (e *Endpoint) Invite(a *Account, from, to string, rtp int, up func(*Dialog)) *Dialog {
	return e.InviteAs(&Dialog{account: a, To: to, RTP: rtp, up: up}, from)
}

// InviteAs places a call for a dialog of which only what is public was set.
func (e *Endpoint) InviteAs(d *Dialog, from string) *Dialog {
	d.endpoint, d.id, d.tag = e, e.callID(), branch()[7:]
	d.Rung, d.Decided, d.Over = make(chan struct{}), make(chan struct{}), make(chan struct{})
	d.target = fmt.Sprintf("sip:%s@%s", d.To, e.hub)
	d.local = fmt.Sprintf("<sip:%s@%s>;tag=%s", from, e.hub, d.tag)
	d.remote = "<" + d.target + ">"
	e.add(d)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sendInvite()
	return d
}

// sendInvite sends the INVITE, again until something comes back. mu is held.
func (d *Dialog) sendInvite() {
	d.seq++
	d.inviteSeq = d.seq
	d.viaBranch = branch()
	b := d.write("INVITE", d.viaBranch, d.seq, d.account.authorization("INVITE", d.target), describe(d.RTP, "sendrecv"))
	d.Sent = time.Now()
	d.endpoint.send(b)
	d.again(b, 7)
}

// again sends b once more when nothing has stopped the timer, at most n times.
func (d *Dialog) again(b []byte, n int) {
	wait := 500 * time.Millisecond
	var t *time.Timer
	t = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.repeat != t || n == 0 {
			return
		}
		n--
		wait = min(2*wait, 4*time.Second)
		d.endpoint.Again.Add(1)
		d.endpoint.send(b)
		t.Reset(wait)
	})
	d.repeat = t
}

func (d *Dialog) quiet() {
	if d.repeat != nil {
		d.repeat.Stop()
		d.repeat = nil
	}
}

func (d *Dialog) write(method, via string, seq int, extra, body string) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\n", method, d.target, d.endpoint.Addr, via)
	for _, r := range d.routes {
		s.WriteString("Route: " + r + "\r\n")
	}
	fmt.Fprintf(&s, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:load@%s>\r\nAllow: %s\r\n%s",
		d.local, d.remote, d.id, seq, method, d.endpoint.Addr, allowed, extra)
	return finish(&s, body)
}

const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY"

// response takes what the hub answers.
func (d *Dialog) response(m *Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	method, seq := m.answers(), m.seq()
	switch {
	case method == "BYE" && m.Status >= 200:
		d.quiet()
		d.end()
	case method == "INVITE" && seq == d.inviteSeq:
		d.inviteAnswered(m)
	case d.asked[seq] != nil:
		if method == "INVITE" && m.Status >= 200 {
			d.acknowledgeAgain(m, seq)
		}
		if m.Status >= 200 {
			d.asked[seq] <- m.Status
			delete(d.asked, seq)
		}
	case method == "INVITE" && m.Status >= 200 && m.Status < 300:
		d.acknowledgeAgain(m, seq) // a repetition: our ACK was lost
	}
}

func (d *Dialog) inviteAnswered(m *Message) {
	switch {
	case m.Status < 200:
		d.quiet()
		if m.Status > 100 && !d.rings {
			d.rings = true
			close(d.Rung)
		}
		if d.cancelled {
			d.sendCancel()
		}
	case d.Status == 200:
		if !d.Deaf {
			d.endpoint.send(d.ack) // our ACK was lost
		}
	case m.Status == 401 && d.seq == 1 && d.account != nil && d.account.challenged(m):
		d.acknowledgeRefusal(m)
		d.quiet()
		d.sendInvite()
	case d.Status != 0:
		d.acknowledgeRefusal(m)
	default:
		d.decide(m)
	}
}

// decide takes the final response.
func (d *Dialog) decide(m *Message) {
	d.quiet()
	d.Status, d.Came = m.Status, m.Came
	if m.Status >= 300 {
		d.acknowledgeRefusal(m)
		d.end()
		close(d.Decided)
		return
	}
	d.remote = m.Get("to")
	if c := address(m.Get("contact")); c != "" {
		d.target = c
	}
	for _, r := range m.header["record-route"] {
		d.routes = append([]string{r}, d.routes...)
	}
	d.Audio, _ = m.audio()
	d.ack = d.write("ACK", branch(), d.seq, "", "")
	if !d.Deaf {
		d.endpoint.send(d.ack)
	}
	if d.cancelled { // the answer crossed the CANCEL, or came after we had stopped to wait
		go d.Hangup()
	} else if d.up != nil {
		d.up(d)
	}
	close(d.Decided)
}

// acknowledgeRefusal sends the ACK of a final response that is no 2xx, which
// belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
func (d *Dialog) acknowledgeRefusal(m *Message) {
	remote, target, routes := d.remote, d.target, d.routes
	d.remote = m.Get("to")
	d.endpoint.send(d.write("ACK", d.viaBranch, d.inviteSeq, "", ""))
	d.remote, d.target, d.routes = remote, target, routes
}

// acknowledgeAgain sends the ACK of a re-INVITE.
func (d *Dialog) acknowledgeAgain(m *Message, seq int) {
	via := branch()
	if m.Status >= 300 {
		via = viaBranch(m)
	}
	d.endpoint.send(d.write("ACK", via, seq, "", ""))
}

func (d *Dialog) end() {
	if !d.ended {
		d.ended = true
		close(d.Over)
		// What comes late is answered for as long as a transaction lives.
		time.AfterFunc(40*time.Second, func() { d.endpoint.forget(d) })
	}
}

// Cancel gives a call up that is not answered. Before anything has come from the
// hub it waits for that (RFC 3261 §9.1).
func (d *Dialog) Cancel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Status != 0 || d.cancelled {
		return
	}
	d.cancelled = true
	if d.repeat == nil { // a provisional response has come
		d.sendCancel()
	}
}

func (d *Dialog) sendCancel() {
	if d.repeat != nil {
		return // it is on its way
	}
	b := d.write("CANCEL", d.viaBranch, d.inviteSeq, "", "")
	d.endpoint.send(b)
	d.again(b, 6)
}

// Hangup says BYE if the call is up.
func (d *Dialog) Hangup() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended || d.Status != 200 {
		return
	}
	d.seq++
	b := d.write("BYE", branch(), d.seq, "", "")
	d.quiet()
	d.endpoint.send(b)
	d.again(b, 6)
}

// Hold tells the hub the direction of our audio by a re-INVITE: "sendonly",
// "inactive", "sendrecv". Its final response comes out of the channel.
func (d *Dialog) Hold(direction string) <-chan int {
	return d.ask("INVITE", "", describe(d.RTP, direction))
}

// Refer asks the hub to transfer the other side. The final response comes out of
// the channel, what becomes of it comes by NOTIFY.
func (d *Dialog) Refer(to string) <-chan int {
	return d.ask("REFER", "Refer-To: <"+to+">\r\n", "")
}

// Follow has the socket's reader call f with each NOTIFY that comes from now on.
func (d *Dialog) Follow(f func(*Message)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = f
}

// ask sends a request within the call.
func (d *Dialog) ask(method, extra, body string) <-chan int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	got := make(chan int, 1)
	if d.asked == nil {
		d.asked = map[int]chan int{}
	}
	d.asked[d.seq] = got
	seq, b := d.seq, d.write(method, branch(), d.seq, extra, body)
	d.endpoint.send(b)
	wait := 500 * time.Millisecond
	var t *time.Timer
	t = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.asked[seq] == nil || d.ended {
			return
		}
		if wait *= 2; wait > 16*time.Second {
			delete(d.asked, seq)
			got <- 408
			return
		}
		d.endpoint.Again.Add(1)
		d.endpoint.send(b)
		t.Reset(wait)
	})
	return got
}

// invited makes the dialog of a received INVITE.
func (e *Endpoint) invited(m *Message) *Dialog {
	d := &Dialog{
		endpoint: e, id: m.Get("call-id"), tag: branch()[7:], To: userOf(m.URI), invite: m, Came: m.Came,
		Rung: make(chan struct{}), Decided: make(chan struct{}), Over: make(chan struct{}), seq: 1,
	}
	d.local, d.remote = m.Get("to")+";tag="+d.tag, m.Get("from")
	d.target = address(m.Get("contact"))
	d.routes = m.header["record-route"]
	d.Audio, _ = m.audio()
	e.add(d)
	return d
}

// From is the user that a received call comes from.
func (d *Dialog) From() string { return userOf(address(d.invite.Get("from"))) }

// Ring lets the phone ring.
func (d *Dialog) Ring() { d.reply(d.invite, 180, "Ringing", "") }

// Answer picks the phone up.
func (d *Dialog) Answer(rtp int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Status != 0 {
		return // cancelled meanwhile
	}
	d.RTP, d.Status = rtp, 200
	d.final = d.reply(d.invite, 200, "OK", describe(rtp, "sendrecv"))
	d.again(d.final, 7)
	close(d.Decided)
}

// Refuse answers a received call with an error.
func (d *Dialog) Refuse(code int, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Status != 0 {
		return
	}
	d.Status = code
	d.reply(d.invite, code, reason, "")
	close(d.Decided)
	d.end()
}

// request takes what the hub asks within the call.
func (d *Dialog) request(m *Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch m.Method {
	case "ACK":
		d.quiet()
	case "INVITE":
		switch {
		case strings.Contains(m.Get("to"), "tag="): // a re-INVITE
			d.reply(m, 200, "OK", describe(d.RTP, "sendrecv"))
		case d.final != nil: // the first one again
			d.endpoint.send(d.final)
		}
	case "CANCEL":
		d.reply(m, 200, "OK", "")
		if d.Status == 0 {
			d.Status = 487
			d.reply(d.invite, 487, "Request Terminated", "")
			close(d.Decided)
			d.end()
		}
	case "BYE":
		d.reply(m, 200, "OK", "")
		d.quiet()
		d.end()
	case "NOTIFY":
		d.reply(m, 200, "OK", "")
		if d.told != nil {
			d.told(m)
		}
	default:
		d.reply(m, 200, "OK", "")
	}
}

func (d *Dialog) reply(m *Message, code int, reason, body string) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, "SIP/2.0 %d %s\r\n", code, reason)
	for _, v := range m.header["via"] {
		s.WriteString("Via: " + v + "\r\n")
	}
	for _, v := range m.header["record-route"] {
		s.WriteString("Record-Route: " + v + "\r\n")
	}
	to := m.Get("to")
	if !strings.Contains(to, "tag=") {
		to += ";tag=" + d.tag
	}
	fmt.Fprintf(&s, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:%s@%s>\r\nAllow: %s\r\n",
		m.Get("from"), to, m.Get("call-id"), m.Get("cseq"), d.To, d.endpoint.Addr, allowed)
	b := finish(&s, body)
	d.endpoint.send(b)
	return b
}

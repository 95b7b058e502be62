//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// dialog is one call of an endpoint, placed or received.
type dialog struct {
	endpoint *endpoint
	account  *account // of a rep who calls
	id, tag  string
	to       string // what was dialled, or whose phone this is
	rtp      int    // our port
	up       func(*dialog)

	decided chan struct{} // closed when our INVITE has its final response; the fields below are set then
	over    chan struct{} // closed when the call has ended, or never came to be
	sent    time.Time     // the INVITE that was answered
	came    time.Time     // its final response; of a call received, the INVITE
	status  int
	audio   netip.AddrPort // the hub's RTP port for this leg

	mu            sync.Mutex
	local, remote string // From and To as we write them
	target        string
	routes        []string
	seq           int
	viaBranch     string
	invite        *message // received
	ack           []byte
	final         []byte // our 200 to a received INVITE, until its ACK
	ended         bool
	repeat        *time.Timer
}

// invite places a call. up is called by the socket's reader when it is answered.
func (e *endpoint) invite(a *account, from, to string, rtp int, up func(*dialog)) *dialog {
	d := &dialog{
		endpoint: e, account: a, id: e.callID(), tag: branch()[7:], to: to, rtp: rtp, up: up,
		decided: make(chan struct{}), over: make(chan struct{}),
	}
	d.target = fmt.Sprintf("sip:%s@%s", to, e.hub)
	d.local = fmt.Sprintf("<sip:%s@%s>;tag=%s", from, e.hub, d.tag)
	d.remote = "<" + d.target + ">"
	e.add(d)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sendInvite()
	return d
}

// sendInvite sends the INVITE, again until something comes back. mu is held.
func (d *dialog) sendInvite() {
	d.seq++
	d.viaBranch = branch()
	b := d.write("INVITE", d.viaBranch, d.seq, d.account.authorization("INVITE", d.target), describe(d.rtp))
	d.sent = time.Now()
	d.endpoint.send(b)
	d.again(b, 7)
}

// again sends b once more when nothing has stopped the timer, at most n times.
func (d *dialog) again(b []byte, n int) {
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
		d.endpoint.again.Add(1)
		d.endpoint.send(b)
		t.Reset(wait)
	})
	d.repeat = t
}

func (d *dialog) quiet() {
	if d.repeat != nil {
		d.repeat.Stop()
		d.repeat = nil
	}
}

func (d *dialog) write(method, via string, seq int, extra, body string) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\n", method, d.target, d.endpoint.addr, via)
	for _, r := range d.routes {
		s.WriteString("Route: " + r + "\r\n")
	}
	fmt.Fprintf(&s, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:bench@%s>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n%s",
		d.local, d.remote, d.id, seq, method, d.endpoint.addr, extra)
	return finish(&s, body)
}

// response takes what the hub answers.
func (d *dialog) response(m *message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch method := m.answers(); {
	case method == "BYE" && m.status >= 200:
		d.quiet()
		d.end()
	case method != "INVITE":
	case m.status < 200:
		d.quiet()
	case d.status == 200:
		d.endpoint.send(d.ack) // our ACK was lost
	case m.status == 401 && d.seq == 1 && d.account != nil && d.account.challenged(m):
		d.acknowledgeRefusal(m)
		d.quiet()
		d.sendInvite()
	case d.status != 0:
		d.acknowledgeRefusal(m)
	default:
		d.decide(m)
	}
}

// decide takes the final response.
func (d *dialog) decide(m *message) {
	d.quiet()
	d.status, d.came = m.status, m.came
	if m.status >= 300 {
		d.acknowledgeRefusal(m)
		d.end()
		close(d.decided)
		return
	}
	d.remote = m.get("to")
	if c := address(m.get("contact")); c != "" {
		d.target = c
	}
	for _, r := range m.header["record-route"] {
		d.routes = append([]string{r}, d.routes...)
	}
	d.audio, _ = m.audio()
	d.ack = d.write("ACK", branch(), d.seq, "", "")
	d.endpoint.send(d.ack)
	if d.up != nil {
		d.up(d)
	}
	close(d.decided)
}

// acknowledgeRefusal sends the ACK of a final response that is no 2xx, which
// belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
func (d *dialog) acknowledgeRefusal(m *message) {
	remote := d.remote
	d.remote = m.get("to")
	d.endpoint.send(d.write("ACK", d.viaBranch, d.seq, "", ""))
	d.remote = remote
}

func (d *dialog) end() {
	if !d.ended {
		d.ended = true
		close(d.over)
	}
}

// hangup says BYE if the call is up.
func (d *dialog) hangup() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended || d.status != 200 {
		return
	}
	d.seq++
	b := d.write("BYE", branch(), d.seq, "", "")
	d.endpoint.send(b)
	d.again(b, 6)
}

// invited makes the dialog of a received INVITE.
func (e *endpoint) invited(m *message) *dialog {
	d := &dialog{
		endpoint: e, id: m.get("call-id"), tag: branch()[7:], to: userOf(m.uri), invite: m, came: m.came,
		decided: make(chan struct{}), over: make(chan struct{}), seq: 1,
	}
	d.local, d.remote = m.get("to")+";tag="+d.tag, m.get("from")
	d.target = address(m.get("contact"))
	d.routes = m.header["record-route"]
	d.audio, _ = m.audio()
	e.add(d)
	return d
}

// ring lets the phone ring.
func (d *dialog) ring() { d.reply(d.invite, 180, "Ringing", "") }

// answer picks the phone up.
func (d *dialog) answer(rtp int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rtp, d.status = rtp, 200
	d.final = d.reply(d.invite, 200, "OK", describe(rtp))
	d.again(d.final, 7)
	close(d.decided)
}

// request takes what the hub asks within the call.
func (d *dialog) request(m *message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch m.method {
	case "ACK":
		d.quiet()
	case "INVITE":
		switch {
		case strings.Contains(m.get("to"), "tag="): // a re-INVITE
			d.reply(m, 200, "OK", describe(d.rtp))
		case d.final != nil: // the first one again
			d.endpoint.send(d.final)
		}
	case "CANCEL":
		d.reply(m, 200, "OK", "")
		if d.status == 0 {
			d.status = 487
			d.reply(d.invite, 487, "Request Terminated", "")
			close(d.decided)
			d.end()
		}
	case "BYE":
		d.reply(m, 200, "OK", "")
		d.quiet()
		d.end()
	default:
		d.reply(m, 200, "OK", "")
	}
}

func (d *dialog) reply(m *message, code int, reason, body string) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, "SIP/2.0 %d %s\r\n", code, reason)
	for _, v := range m.header["via"] {
		s.WriteString("Via: " + v + "\r\n")
	}
	for _, v := range m.header["record-route"] {
		s.WriteString("Record-Route: " + v + "\r\n")
	}
	to := m.get("to")
	if !strings.Contains(to, "tag=") {
		to += ";tag=" + d.tag
	}
	fmt.Fprintf(&s, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:%s@%s>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n",
		m.get("from"), to, m.get("call-id"), m.get("cseq"), d.to, d.endpoint.addr)
	b := finish(&s, body)
	d.endpoint.send(b)
	return b
}

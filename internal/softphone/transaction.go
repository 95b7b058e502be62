package softphone

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// RFC 3261 §17.1.1.1 and §17.1.2.1.
const (
	t1      = 500 * time.Millisecond
	t2      = 4 * time.Second
	timerB  = 64 * t1
	ringMax = 10 * time.Minute // an INVITE that rings is not given up sooner
)

// clientTx is a request of ours until its final answer, and long enough after
// that to deal with repetitions.
type clientTx struct {
	req      *Message
	to       peer
	on       func(*Message) // every answer, nil when none came
	ack      *Message       // for a final answer to INVITE other than 2xx
	rang     bool           // a provisional answer came
	final    bool
	every    time.Duration
	next     time.Time
	deadline time.Time
}

// serverTx is a request to us and what we answered last.
type serverTx struct {
	req      *Message
	last     *Message
	to       peer
	repeat   bool // until the ACK
	every    time.Duration
	next     time.Time
	deadline time.Time
	gaveUp   func() // the ACK never came
}

func txKey(m *Message) string {
	via := m.Header.Get("Via")
	_, method := m.cseq()
	if method == "ACK" {
		method = "INVITE"
	}
	if m.Status != 0 {
		return parseParams(via)["branch"] + " " + method
	}
	_, sentBy, _ := strings.Cut(via, " ")
	sentBy, _, _ = strings.Cut(sentBy, ";")
	return parseParams(via)["branch"] + " " + method + " " + sentBy
}

// begin sends a request with a fresh branch. The lock is held.
func (p *Phone) begin(req *Message, to peer, on func(*Message)) *clientTx {
	now := time.Now()
	branch := "z9hG4bK" + token()
	req.Header.set("Via", p.via(branch))
	tx := &clientTx{req: req, to: to, on: on, every: t1, next: now.Add(t1), deadline: now.Add(timerB)}
	_, method := req.cseq()
	p.clients[branch+" "+method] = tx
	p.send(req, to)
	return tx
}

func (p *Phone) via(branch string) string {
	transport := "UDP"
	if p.tcp() {
		transport = strings.ToUpper(p.cfg.Transport)
	}
	return fmt.Sprintf("SIP/2.0/%s %s;branch=%s;rport", transport, p.addr, branch)
}

// answered is a response to one of our requests. The lock is held.
func (p *Phone) answered(m *Message) {
	tx := p.clients[txKey(m)]
	if tx == nil {
		return
	}
	now := time.Now()
	invite := tx.req.Method == "INVITE"
	switch {
	case m.Status < 200:
		if tx.final {
			return
		}
		if invite && !tx.rang {
			tx.deadline = now.Add(ringMax)
		}
		tx.rang = true
	case invite && m.Status < 300:
		// every 2xx goes up: whoever repeats it has not seen our ACK
		tx.final, tx.deadline = true, now.Add(timerB)
	default:
		if tx.final {
			if tx.ack != nil {
				p.send(tx.ack, tx.to)
			}
			return
		}
		tx.final, tx.deadline = true, now.Add(timerB)
		if invite {
			tx.ack = ackRejected(tx.req, m)
			p.send(tx.ack, tx.to)
		}
	}
	tx.on(m)
}

// ackRejected is RFC 3261 §17.1.1.3: same branch, the To of the response.
func ackRejected(invite, m *Message) *Message {
	n, _ := invite.cseq()
	ack := &Message{Method: "ACK", URI: invite.URI, Header: Header{}}
	for _, name := range []string{"Via", "Route", "Max-Forwards", "From", "Call-ID"} {
		if v := invite.Header.Values(name); v != nil {
			ack.Header.set(name, v...)
		}
	}
	ack.Header.set("To", m.Header.Get("To"))
	ack.Header.set("CSeq", fmt.Sprintf("%d ACK", n))
	return ack
}

// exchange is a request and, when the other side asks who we are, the same
// again with credentials.
type exchange struct {
	tx      *clientTx
	next    func() uint32 // CSeq
	on      func(*Message)
	tries   int
	stopped bool // no further try
}

// request sends req and tells on of every answer but the challenges it can
// meet, nil when none comes. The lock is held, also when on is called.
func (p *Phone) request(req *Message, to peer, next func() uint32, on func(*Message)) *exchange {
	x := &exchange{next: next, on: on}
	req.Header.set("CSeq", fmt.Sprintf("%d %s", next(), req.Method))
	x.tx = p.begin(req, to, func(m *Message) { p.progress(x, m) })
	return x
}

func (p *Phone) progress(x *exchange, m *Message) {
	if m == nil || (m.Status != 401 && m.Status != 407) || x.stopped || p.cfg.Password == "" {
		x.on(m)
		return
	}
	ask, reply := "WWW-Authenticate", "Authorization"
	if m.Status == 407 {
		ask, reply = "Proxy-Authenticate", "Proxy-Authorization"
	}
	// RFC 7616 §3.4: a second challenge means a wrong password, unless it is for a stale nonce.
	stale := strings.Contains(strings.ToLower(strings.Join(m.Header.Values(ask), " ")), "stale=true")
	if x.tries > 2 || (x.tries > 0 && !stale) {
		x.on(m)
		return
	}
	value, ok := authorization(m.Header.Values(ask), x.tx.req.Method, x.tx.req.URI, p.cfg.User, p.cfg.Password, p.count)
	if !ok {
		x.on(m)
		return
	}
	x.tries++
	again := x.tx.req.clone()
	again.Header.set(reply, value)
	again.Header.set("CSeq", fmt.Sprintf("%d %s", x.next(), again.Method))
	x.tx = p.begin(again, x.tx.to, func(m *Message) { p.progress(x, m) })
}

// count is the nc of a nonce, which must grow when a server gives one twice
// (RFC 7616 §3.4).
func (p *Phone) count(nonce string) int {
	p.nonces[nonce]++
	return p.nonces[nonce]
}

// respond answers a request and remembers it for repetitions. The lock is held.
func (p *Phone) respond(tx *serverTx, m *Message) {
	tx.last = m
	now := time.Now()
	tx.deadline = now.Add(timerB)
	if m.Status < 200 {
		tx.deadline = now.Add(ringMax)
	} else if tx.req.Method == "INVITE" {
		// RFC 3261 §13.3.1.4 and §17.2.1: repeat it until the ACK
		tx.repeat, tx.every, tx.next = true, t1, now.Add(t1)
	}
	p.send(m, tx.to)
}

// reply is a response to req with the fields that RFC 3261 §8.2.6.2 asks for.
func reply(req *Message, status int, reason, tag string) *Message {
	m := &Message{Status: status, Reason: reason, Header: Header{}}
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq", "Record-Route"} {
		if v := req.Header.Values(name); v != nil {
			m.Header.set(name, append([]string(nil), v...)...)
		}
	}
	vias := m.Header["via"]
	if host, port, err := net.SplitHostPort(req.source.addr); err == nil {
		if _, ok := parseParams(vias[0])["rport"]; ok {
			vias[0] = strings.Replace(vias[0], ";rport", ";rport="+port+";received="+host, 1)
		}
	}
	if tag != "" && req.To().Tag == "" {
		m.Header.set("To", req.Header.Get("To")+";tag="+tag)
	}
	return m
}

// repeatDue sends again what is due, and gives up what is overdue. The lock is held.
func (p *Phone) repeatDue(now time.Time) {
	for key, tx := range p.clients {
		switch {
		case now.After(tx.deadline):
			delete(p.clients, key)
			if !tx.final {
				tx.final = true
				tx.on(nil)
				p.bell.ring()
			}
		case tx.final || p.tcp() || now.Before(tx.next) || (tx.rang && tx.req.Method == "INVITE"):
		default:
			tx.every *= 2
			if tx.req.Method != "INVITE" {
				tx.every = min(tx.every, t2)
			}
			tx.next = now.Add(tx.every)
			p.send(tx.req, tx.to)
		}
	}
	for key, tx := range p.servers {
		switch {
		case now.After(tx.deadline):
			delete(p.servers, key)
			if tx.repeat && tx.gaveUp != nil {
				tx.gaveUp()
			}
		case tx.repeat && !now.Before(tx.next):
			if p.tcp() && tx.last.Status >= 300 {
				tx.next = tx.deadline
				continue
			}
			tx.every = min(2*tx.every, t2)
			tx.next = now.Add(tx.every)
			p.send(tx.last, tx.to)
		}
	}
}

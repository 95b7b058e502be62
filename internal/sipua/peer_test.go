package sipua_test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"
)

// patience is how long a test waits for something that must come.
const patience = 15 * time.Second

// peer is a scripted SIP speaker: it sends text as it is told and hands over
// what arrives, so that a test decides about every byte and its moment.
type peer struct {
	t      *testing.T
	udp    *net.UDPConn
	tcp    net.Conn
	web    net.Conn
	hub    *net.UDPAddr
	addr   string
	got    chan msg
	ended  chan struct{} // of a stream
	secure bool          // it is TLS

	mu     sync.Mutex
	last   map[string]int  // the CSeq of the latest request, by call and method
	finals map[string]bool // responses that a test has had
}

// msg is a message as it was on the wire.
type msg struct {
	raw string
	at  time.Time
}

func udpPeer(t *testing.T, hub string) *peer {
	t.Helper()
	return udpPeerAt(t, "127.0.0.1", hub)
}

// udpPeerAt is a peer at an address of this machine.
func udpPeerAt(t *testing.T, ip, hub string) *peer {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", hub)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadBuffer(4 << 20)
	p := &peer{t: t, udp: c, hub: to, addr: c.LocalAddr().String(), got: make(chan msg, 10000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 65536)
		for {
			n, _, err := c.ReadFromUDP(b)
			if err != nil {
				return
			}
			p.got <- msg{string(b[:n]), time.Now()}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return p
}

func tcpPeer(t *testing.T, hub string) *peer {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", hub)
	if err != nil {
		t.Fatal(err)
	}
	return streamPeer(t, c)
}

func streamPeer(t *testing.T, c net.Conn) *peer {
	t.Helper()
	done := make(chan struct{})
	p := &peer{t: t, tcp: c, addr: c.LocalAddr().String(), got: make(chan msg, 1000), ended: done}
	go func() {
		defer close(done)
		r := bufio.NewReader(c)
		for {
			m, err := readStream(r)
			if err != nil {
				return
			}
			p.got <- msg{m, time.Now()}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return p
}

func readStream(r *bufio.Reader) (string, error) {
	var b bytes.Buffer
	n := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		b.WriteString(line)
		if v, ok := strings.CutPrefix(strings.ToLower(line), "content-length:"); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(v))
		}
		if line == "\r\n" {
			break
		}
	}
	_, err := io.CopyN(&b, r, int64(n))
	return b.String(), err
}

func (p *peer) transport() string {
	if p.web != nil {
		return "WS"
	}
	if p.secure {
		return "TLS"
	}
	if p.tcp != nil {
		return "TCP"
	}
	return "UDP"
}

func (p *peer) send(m string) {
	p.t.Helper()
	p.sent(msg{raw: m})
	var err error
	if p.web != nil {
		err = wsutil.WriteClientText(p.web, []byte(m))
	} else if p.tcp != nil {
		_, err = p.tcp.Write([]byte(m))
	} else {
		_, err = p.udp.WriteToUDP([]byte(m), p.hub)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) next() msg {
	p.t.Helper()
	select {
	case m := <-p.got:
		return m
	case <-time.After(patience):
		p.t.Fatal("nothing arrived")
		return msg{}
	}
}

// status waits for a response to a method, passing over provisional ones and
// whatever else comes.
func (p *peer) status(method string, code int) msg {
	p.t.Helper()
	deadline := time.After(patience)
	var seen []string
	for {
		select {
		case m := <-p.got:
			if m.code() >= 200 && p.stale(m) {
				continue
			}
			if m.code() == code && strings.HasSuffix(m.hdr("CSeq"), " "+method) {
				return m
			}
			if c := m.code(); c >= 200 && strings.HasSuffix(m.hdr("CSeq"), " "+method) && code >= 200 {
				p.t.Fatalf("%s answered %d, want %d\n%s", method, c, code, m.raw)
			}
			seen = append(seen, m.first())
		case <-deadline:
			p.t.Fatalf("no %d for %s; seen %q", code, method, seen)
		}
	}
}

// sent notes which request of its kind is the latest.
func (p *peer) sent(m msg) {
	if m.code() != 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last, p.finals = map[string]int{}, map[string]bool{}
	}
	n, method := m.cseq()
	p.last[m.hdr("Call-ID")+" "+method] = n
}

// stale tells whether a response has been had before and is repeated although a
// later request was sent: its ACK had not arrived yet.
func (p *peer) stale(m msg) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, method := m.cseq()
	if p.finals[m.raw] && n < p.last[m.hdr("Call-ID")+" "+method] {
		return true
	}
	if p.finals != nil {
		p.finals[m.raw] = true
	}
	return false
}

// request waits for a request.
func (p *peer) request(method string) msg {
	p.t.Helper()
	deadline := time.After(patience)
	var seen []string
	for {
		select {
		case m := <-p.got:
			if m.method() == method {
				return m
			}
			seen = append(seen, m.first())
		case <-deadline:
			p.t.Fatalf("no %s; seen %q", method, seen)
		}
	}
}

// quiet fails if a message of that kind comes within d.
func (p *peer) quiet(d time.Duration, unwanted func(msg) bool) {
	p.t.Helper()
	deadline := time.After(d)
	for {
		select {
		case m := <-p.got:
			if unwanted(m) {
				p.t.Fatalf("unexpected:\n%s", m.raw)
			}
		case <-deadline:
			return
		}
	}
}

func (m msg) first() string { l, _, _ := strings.Cut(m.raw, "\r\n"); return l }

func (m msg) code() int {
	if !strings.HasPrefix(m.raw, "SIP/2.0 ") {
		return 0
	}
	n, _ := strconv.Atoi(m.raw[8:11])
	return n
}

// cseq is the number and the method of CSeq.
func (m msg) cseq() (n int, method string) {
	number, method, _ := strings.Cut(m.hdr("CSeq"), " ")
	n, _ = strconv.Atoi(number)
	return n, method
}

func (m msg) method() string {
	if m.code() != 0 {
		return ""
	}
	w, _, _ := strings.Cut(m.raw, " ")
	return w
}

func (m msg) hdr(name string) string {
	x := regexp.MustCompile(`(?im)^` + name + `:[ ]*(.*?)\r$`).FindStringSubmatch(m.raw)
	if x == nil {
		return ""
	}
	return x[1]
}

func (m msg) hdrs(name string) (vs []string) {
	for _, x := range regexp.MustCompile(`(?im)^`+name+`:[ ]*(.*?)\r$`).FindAllStringSubmatch(m.raw, -1) {
		vs = append(vs, x[1])
	}
	return vs
}

func (m msg) body() string { _, b, _ := strings.Cut(m.raw, "\r\n\r\n"); return b }

// uri is the URI of a name-addr header.
func (m msg) uri(name string) string {
	_, v, _ := strings.Cut(m.hdr(name), "<")
	u, _, _ := strings.Cut(v, ">")
	return u
}

// reply answers a request that arrived: with a tag, and with headers and a body
// if given.
func (p *peer) reply(req msg, code int, tag, body string, headers ...string) {
	p.t.Helper()
	p.send(p.answer(req, code, tag, body, headers...))
}

func (p *peer) answer(req msg, code int, tag, body string, headers ...string) string {
	to := req.hdr("To")
	if !strings.Contains(to, "tag=") && code > 100 {
		to += ";tag=" + tag
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d X\r\n", code)
	for _, v := range req.hdrs("Via") {
		fmt.Fprintf(&b, "Via: %s\r\n", v)
	}
	user := "phone"
	if p.web != nil {
		user = "rep1" // a browser has one Contact for everything
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:%s@%s>\r\n", req.hdr("From"), to, req.hdr("Call-ID"), req.hdr("CSeq"), user, p.addr)
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

// talk is one dialog as the peer sees it.
type talk struct {
	p              *peer
	from, to       string // users
	callID         string
	fromTag, toTag string
	target         string // Request-URI of what follows
	seq            int
	branch         string // of the last INVITE
	inviteSeq      int
	swap           bool // the hub called us
	fromHdr, toHdr string
}

// serial keeps branches, tags and Call-IDs of all tests apart.
var serial atomic.Int64

func (p *peer) talk(from, to string) *talk {
	id := unique()
	hub := p.hubAddr()
	return &talk{
		p: p, from: from, to: to, callID: "c" + id, fromTag: "f" + id, target: "sip:" + to + "@" + hub,
		fromHdr: fmt.Sprintf("<sip:%s@%s>", from, hub), toHdr: fmt.Sprintf("<sip:%s@%s>", to, hub),
	}
}

func (p *peer) hubAddr() string {
	if p.web != nil {
		return p.web.RemoteAddr().String()
	}
	if p.tcp != nil {
		return p.tcp.RemoteAddr().String()
	}
	return p.hub.String()
}

// message writes a request of the dialog; it does not send it.
func (k *talk) message(method, branch string, seq int, body string, headers ...string) string {
	from, to := k.fromHdr+";tag="+k.fromTag, k.toHdr
	if k.toTag != "" {
		to += ";tag=" + k.toTag
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n",
		method, k.target, k.p.transport(), k.p.addr, branch, from, to, k.callID, seq, method)
	if !strings.Contains(strings.Join(headers, "\n"), "Contact:") {
		fmt.Fprintf(&b, "Contact: <sip:%s@%s>\r\n", k.from, k.p.addr)
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	if body != "" && !strings.Contains(strings.Join(headers, "\n"), "Content-Type:") {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

func (k *talk) do(method, body string, headers ...string) {
	k.p.t.Helper()
	k.seq++
	branch := "z9hG4bK" + unique()
	if method == "INVITE" {
		k.branch, k.inviteSeq = branch, k.seq
	}
	k.p.send(k.message(method, branch, k.seq, body, headers...))
}

// ack acknowledges the last INVITE's 2xx.
func (k *talk) ack(body string) {
	k.p.t.Helper()
	k.p.send(k.message("ACK", "z9hG4bK"+unique(), k.inviteSeq, body))
}

// ackFailure acknowledges its final response other than 2xx.
func (k *talk) ackFailure(res msg) {
	k.p.t.Helper()
	old := k.toTag
	_, k.toTag, _ = strings.Cut(res.hdr("To"), ";tag=")
	k.p.send(k.message("ACK", k.branch, k.inviteSeq, ""))
	k.toTag = old
}

func (k *talk) cancel() {
	k.p.t.Helper()
	old := k.toTag
	k.toTag = ""
	k.p.send(k.message("CANCEL", k.branch, k.inviteSeq, ""))
	k.toTag = old
}

// up takes the dialog from a 2xx.
func (k *talk) up(res msg) {
	_, k.toTag, _ = strings.Cut(res.hdr("To"), ";tag=")
	k.target = res.uri("Contact")
}

// called is the dialog of an INVITE that arrived and was answered with tag.
func (p *peer) called(inv msg, tag string) *talk {
	_, hubTag, _ := strings.Cut(inv.hdr("From"), ";tag=")
	from, _, _ := strings.Cut(inv.hdr("To"), ";tag=")
	to, _, _ := strings.Cut(inv.hdr("From"), ";tag=")
	return &talk{p: p, from: "phone", callID: inv.hdr("Call-ID"), fromTag: tag, toTag: hubTag, target: inv.uri("Contact"), seq: 10, swap: true, fromHdr: from, toHdr: to}
}

func unique() string { return strconv.FormatInt(serial.Add(1), 10) }

// offer is an SDP body.
func offer(lines ...string) string {
	s := "v=0\r\no=p 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	for _, l := range lines {
		s += l + "\r\n"
	}
	return s
}

// authorization answers one of the challenges of a 401.
func authorization(res msg, method, uri, user, password, algorithm string, nc int) string {
	for _, ch := range res.hdrs("WWW-Authenticate") {
		if !strings.Contains(ch, "algorithm="+algorithm) {
			continue
		}
		g := func(k string) string {
			x := regexp.MustCompile(k + `="([^"]*)"`).FindStringSubmatch(ch)
			if x == nil {
				return ""
			}
			return x[1]
		}
		h := md5.New
		if algorithm == "SHA-256" {
			h = sha256.New
		}
		ha1 := sum(h, user+":"+g("realm")+":"+password)
		count := fmt.Sprintf("%08x", nc)
		resp := sum(h, ha1+":"+g("nonce")+":"+count+":cn:auth:"+sum(h, method+":"+uri))
		return fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=%s, cnonce="cn", qop=auth, nc=%s`,
			user, g("realm"), g("nonce"), uri, resp, algorithm, count)
	}
	return ""
}

func sum(h func() hash.Hash, s string) string {
	d := h()
	d.Write([]byte(s))
	return hex.EncodeToString(d.Sum(nil))
}

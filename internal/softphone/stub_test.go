package softphone

import (
	"crypto/md5" // what the phone must be able to answer
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// registrar answers REGISTER, and challenges as it is told. It reads and writes
// text of its own, so that it does not share the phone's mistakes.
type registrar struct {
	t          *testing.T
	conn       *net.UDPConn
	challenges []string // WWW-Authenticate values
	password   string
	granted    int

	mu  sync.Mutex
	got chan string
	nc  []string
}

const nonce = "abc123"

func newRegistrar(t *testing.T, granted int, challenges ...string) *registrar {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	r := &registrar{t: t, conn: c, challenges: challenges, password: "s3cret", granted: granted, got: make(chan string, 16)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.serve()
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return r
}

func (r *registrar) serve() {
	buf := make([]byte, 65535)
	for {
		n, from, err := r.conn.ReadFromUDP(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if answer := r.answer(string(buf[:n])); answer != "" {
			_, _ = r.conn.WriteToUDP([]byte(answer), from)
		}
	}
}

func line(text, name string) string {
	for l := range strings.SplitSeq(text, "\r\n") {
		if v, ok := strings.CutPrefix(l, name+": "); ok {
			return v
		}
	}
	return ""
}

func quoted(text, name string) string {
	_, after, _ := strings.Cut(text, " "+name+"=")
	after = strings.TrimPrefix(after, `"`)
	if i := strings.IndexAny(after, `",`); i >= 0 {
		after = after[:i]
	}
	return after
}

func (r *registrar) answer(text string) string {
	status, extra := "200 OK", fmt.Sprintf("Contact: %s;expires=%d\r\n", line(text, "Contact"), r.granted)
	auth := line(text, "Authorization")
	switch {
	case len(r.challenges) == 0:
	case auth == "" || !r.good(auth):
		status, extra = "401 Unauthorized", ""
		for _, c := range r.challenges {
			extra += "WWW-Authenticate: " + c + "\r\n"
		}
	}
	if strings.HasPrefix(status, "200") {
		r.mu.Lock()
		r.nc = append(r.nc, quoted(auth, "nc"))
		r.mu.Unlock()
		r.got <- line(text, "Expires")
	}
	answer := "SIP/2.0 " + status + "\r\n"
	for _, name := range []string{"Via", "From", "Call-ID", "CSeq"} {
		answer += name + ": " + line(text, name) + "\r\n"
	}
	return answer + "To: " + line(text, "To") + ";tag=reg\r\n" + extra + "Content-Length: 0\r\n\r\n"
}

func (r *registrar) good(auth string) bool {
	sum := md5.New
	if quoted(auth, "algorithm") == "SHA-256" {
		sum = sha256.New
	}
	h := func(s string) string { return hex(sum(), s) }
	ha1, ha2 := h("ana:callyard:"+r.password), h("REGISTER:"+quoted(auth, "uri"))
	want := h(ha1 + ":" + nonce + ":" + ha2)
	if quoted(auth, "qop") != "" {
		want = h(strings.Join([]string{ha1, nonce, quoted(auth, "nc"), quoted(auth, "cnonce"), "auth", ha2}, ":"))
	}
	return quoted(auth, "response") == want
}

func hex(h hash.Hash, s string) string {
	h.Write([]byte(s))
	return fmt.Sprintf("%x", h.Sum(nil))
}

func challenge(rest string) string { return `Digest realm="callyard", nonce="` + nonce + `"` + rest }

func TestRegister(t *testing.T) {
	t.Parallel()
	registered := func(t *testing.T, r *registrar, password string) (*Phone, error) {
		p := phone(t, "ana", func(c *Config) { c.Hub, c.Password = r.conn.LocalAddr().String(), password })
		return p, p.Register(soon(t), time.Hour)
	}
	for name, challenges := range map[string][]string{
		"without a challenge":         nil,
		"MD5 as in RFC 2069":          {challenge("")},
		"MD5":                         {challenge(`, qop="auth", algorithm=MD5`)},
		"SHA-256 before MD5":          {challenge(`, algorithm=SHA-256, qop="auth"`), challenge(`, algorithm=MD5, qop="auth"`)},
		"an unknown algorithm first":  {challenge(`, algorithm=SHA-512-256, qop="auth"`), challenge(`, algorithm=MD5, qop="auth,auth-int"`)},
		"a scheme of another century": {`Bearer realm="callyard"`, challenge(`, qop="auth"`)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistrar(t, 3600, challenges...)
			p, err := registered(t, r, "s3cret")
			must(t, err)
			must(t, p.Unregister(soon(t)))
			if first, second := <-r.got, <-r.got; first != "3600" || second != "0" {
				t.Errorf("expires %s, then %s", first, second)
			}
		})
	}
	t.Run("a wrong password is tried once", func(t *testing.T) {
		_, err := registered(t, newRegistrar(t, 3600, challenge(`, qop="auth"`)), "guess")
		var status *StatusError
		if !errors.As(err, &status) || status.Status != 401 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("renewed before it expires, with a growing nc", func(t *testing.T) {
		r := newRegistrar(t, 1, challenge(`, qop="auth"`))
		_, err := registered(t, r, "s3cret")
		must(t, err)
		for range 2 {
			select {
			case <-r.got:
			case <-soon(t).Done():
				t.Fatal("not renewed")
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.nc[0] != "00000001" || r.nc[1] != "00000002" {
			t.Errorf("nc %v", r.nc)
		}
	})
}

// refer has one phone refer another, which answers 202 and then reports the
// bodies, after a BYE if so said.
func refer(t *testing.T, bye bool, bodies ...string) (Referred, error) {
	t.Helper()
	a, b := phone(t, "ana"), phone(t, "ben")
	caller, callee := connected(t, a, b)
	asked := make(chan *Message, 1)
	b.AnswerWith(func(m *Message) int {
		if m.Method != "REFER" {
			return 0
		}
		asked <- m
		return 202
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		m := <-asked
		if to := parseAddress(m.Header.Get("Refer-To")).User; to != "700" {
			t.Errorf("Refer-To %s", to)
		}
		if bye {
			callee.Hangup()
			over(t, caller)
		}
		n, _ := m.cseq()
		for i, body := range bodies {
			b.mu.Lock()
			req := callee.request("NOTIFY")
			req.Header.set("Event", fmt.Sprintf("refer;id=%d", n))
			req.Header.set("Subscription-State", "active;expires=60")
			if i == len(bodies)-1 {
				req.Header.set("Subscription-State", "terminated;reason=noresource")
			}
			req.Header.set("Content-Type", "message/sipfrag;version=2.0")
			req.Body = []byte(body)
			b.request(req, callee.to(), callee.next, func(*Message) {})
			b.mu.Unlock()
		}
	})
	r, err := caller.Refer(soon(t), "700")
	wg.Wait()
	return r, err
}

func TestRefer(t *testing.T) {
	t.Parallel()
	t.Run("done", func(t *testing.T) {
		r, err := refer(t, false, "SIP/2.0 100 Trying\r\n", "SIP/2.0 200 Parked in 701\r\n")
		must(t, err)
		if r.Status != 200 || r.Reason != "Parked in 701" {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("the final NOTIFY comes after the BYE", func(t *testing.T) {
		r, err := refer(t, true, "SIP/2.0 100 Trying\r\n", "SIP/2.0 200 OK\r\n")
		must(t, err)
		if r.Status != 200 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("failed", func(t *testing.T) {
		r, err := refer(t, false, "SIP/2.0 486 Lot Full\r\n")
		must(t, err)
		if r.Status != 486 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("ended without a final status", func(t *testing.T) {
		if r, err := refer(t, false, "SIP/2.0 100 Trying\r\n"); err == nil || r.Status != 100 {
			t.Errorf("got %+v, %v", r, err)
		}
	})
	t.Run("refused", func(t *testing.T) {
		caller, _ := connected(t, phone(t, "ana"), phone(t, "ben"))
		_, err := caller.Refer(soon(t), "700")
		var status *StatusError
		if !errors.As(err, &status) || status.Status != 405 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("attended names the other call as its far end sees it", func(t *testing.T) {
		a, b, c := phone(t, "ana"), phone(t, "ben"), phone(t, "cleo")
		first, _ := connected(t, a, b)
		second, far := connected(t, a, c)
		asked := make(chan string, 1)
		b.AnswerWith(func(m *Message) int {
			if m.Method != "REFER" {
				return 0
			}
			asked <- m.Header.Get("Refer-To")
			return 603
		})
		if _, err := first.ReferReplacing(soon(t), second); err == nil {
			t.Error("not refused")
		}
		want := "<" + c.URI() + "?Replaces=" + far.CallID() + "%3Bto-tag%3D" + far.local.Tag + "%3Bfrom-tag%3D" + far.remote.Tag + ">"
		if got := <-asked; got != want {
			t.Errorf("Refer-To %s, want %s", got, want)
		}
	})
}

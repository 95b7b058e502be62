package notices_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/callyard/callyard/internal/notices"
)

// postOffice is a mail server that keeps what it is given.
type postOffice struct {
	addr, ca string
	refuse   *smtp.SMTPError // of every recipient

	mu  sync.Mutex
	got []letter
}

type letter struct {
	from string
	to   []string
	user string
	raw  string
}

// open starts a mail server on loopback that wants TLS and a password.
func open(t *testing.T) *postOffice {
	t.Helper()
	o := &postOffice{ca: filepath.Join(t.TempDir(), "ca.pem")}
	s := smtp.NewServer(o)
	s.Domain, s.TLSConfig = "localhost", &tls.Config{Certificates: []tls.Certificate{certificate(t, o.ca)}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.addr = l.Addr().String()
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		_ = l.Close() // which Close does not know before Serve has begun
		<-done
	})
	return o
}

func certificate(t *testing.T, file string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (o *postOffice) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &counter{office: o, conn: c}, nil
}

// counter is one session.
type counter struct {
	office *postOffice
	conn   *smtp.Conn
	now    letter
}

func (c *counter) AuthMechanisms() []string {
	if _, secure := c.conn.TLSConnectionState(); !secure {
		return nil
	}
	return []string{sasl.Plain}
}

func (c *counter) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != "hush" {
			return smtp.ErrAuthFailed
		}
		c.now.user = user
		return nil
	}), nil
}

func (c *counter) Mail(from string, _ *smtp.MailOptions) error { c.now.from = from; return nil }

func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	if c.office.refuse != nil {
		return c.office.refuse
	}
	c.now.to = append(c.now.to, to)
	return nil
}

func (c *counter) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	c.now.raw = string(b)
	c.office.got = append(c.office.got, c.now)
	return err
}
func (c *counter) Reset()        { c.now = letter{user: c.now.user} }
func (c *counter) Logout() error { return nil }

func (o *postOffice) only(t *testing.T) letter {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.got) != 1 {
		t.Fatalf("%d letters came", len(o.got))
	}
	return o.got[0]
}

func (o *postOffice) mail(t *testing.T, change func(*notices.MailConfig)) *notices.Mail {
	t.Helper()
	host, port, _ := net.SplitHostPort(o.addr)
	p, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	c := notices.MailConfig{
		Host: host, Port: p, TrustCA: o.ca, Username: "callyard", Password: "hush",
		From: "Callyard <calls@example.com>", To: []string{"sales@example.com"},
	}
	if change != nil {
		change(&c)
	}
	m, err := notices.NewMail(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var at = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func summary() notices.Notice {
	return notices.Notice{Call: "call_1", Template: "call_summary", At: at, Vars: map[string]any{
		"caller": map[string]any{"number": "+34600000001", "name": "Zoë"},
		"crm":    map[string]any{"company": "Ålesund <b>Fish</b> & Co", "owner": "ann"},
		"call":   map[string]any{"to": "+34910000000", "flow": "main"},
		"vars":   map[string]any{"budget": 12.5},
	}}
}

// parts are the bodies of a letter by their types.
func parts(t *testing.T, raw string) (mail.Header, map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err != nil {
			return m.Header, out
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		typ, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		out[typ] = string(b)
	}
}

func subject(t *testing.T, h mail.Header) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMail(t *testing.T) {
	t.Run("a summary, as text and as HTML, over TLS with a password", func(t *testing.T) {
		o := open(t)
		if err := o.mail(t, nil).Send(t.Context(), summary()); err != nil {
			t.Fatal(err)
		}
		got := o.only(t)
		if got.from != "calls@example.com" || strings.Join(got.to, " ") != "sales@example.com" || got.user != "callyard" {
			t.Errorf("from %s to %v by %s", got.from, got.to, got.user)
		}
		h, body := parts(t, got.raw)
		if s := subject(t, h); s != "Call from Ålesund <b>Fish</b> & Co" {
			t.Errorf("subject %q", s)
		}
		for _, want := range []string{"From: +34600000001", "Name: Zoë", "Owner: ann", "budget: 12.5", "Call: call_1"} {
			if !strings.Contains(body["text/plain"], want) {
				t.Errorf("no %q in\n%s", want, body["text/plain"])
			}
		}
		if html := body["text/html"]; !strings.Contains(html, "Ålesund &lt;b&gt;Fish") || strings.Contains(html, "<b>") {
			t.Errorf("HTML is\n%s", html)
		}
	})

	t.Run("the same notice has the same Message-ID", func(t *testing.T) {
		o := open(t)
		for range 2 {
			if err := o.mail(t, nil).Send(t.Context(), summary()); err != nil {
				t.Fatal(err)
			}
		}
		a, _ := parts(t, o.got[0].raw)
		b, _ := parts(t, o.got[1].raw)
		if id := a.Get("Message-ID"); id == "" || id != b.Get("Message-ID") {
			t.Errorf("%q and %q", id, b.Get("Message-ID"))
		}
	})

	t.Run("what a caller is called adds no header and no recipient", func(t *testing.T) {
		o := open(t)
		n := summary()
		n.Template = "mine\r\nBcc: thief@example.com"
		evil := "x\r\nBcc: thief@example.com\r\n\r\nhello\u2028\x00"
		n.Vars["crm"] = map[string]any{"company": evil}
		n.Vars["vars"] = map[string]any{"a\r\nBcc: thief@example.com": evil}
		if err := o.mail(t, nil).Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		got := o.only(t)
		h, _ := parts(t, got.raw)
		if h.Get("Bcc") != "" || len(got.to) != 1 || !strings.Contains(subject(t, h), "Bcc: thief") {
			t.Errorf("to %v, header %v", got.to, h)
		}
		for _, to := range []string{"a@example.com\r\nBcc: thief@example.com", "a@example.com>, <b", "@", "\"a\r\n\"@example.com", strings.Repeat("a@example.com,", 11) + "a@example.com"} {
			n.To = to
			var refused *notices.RefusedError
			if err := o.mail(t, nil).Send(t.Context(), n); !errors.As(err, &refused) {
				t.Errorf("to %q: %v", to, err)
			}
		}
	})

	t.Run("addresses of a node's own", func(t *testing.T) {
		o := open(t)
		n := summary()
		n.To = "ann@example.com, Ben <ben@example.com>"
		if err := o.mail(t, nil).Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		if to := o.only(t).to; strings.Join(to, " ") != "ann@example.com ben@example.com" {
			t.Errorf("to %v", to)
		}
	})

	t.Run("an alert says where the caller waits, and for whom it is", func(t *testing.T) {
		o := open(t)
		n := summary()
		n.Template, n.To = "park_alert", "manager"
		n.Vars["lot"] = map[string]any{"name": "sales", "slot": 701, "age_s": 65.2}
		if err := o.mail(t, nil).Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		h, body := parts(t, o.only(t).raw)
		if s := subject(t, h); !strings.HasSuffix(s, "is waiting in slot 701 for 1:05") || !strings.Contains(body["text/plain"], "For: manager") {
			t.Errorf("subject %q, text\n%s", s, body["text/plain"])
		}
	})
}

func TestMailIsRefused(t *testing.T) {
	var refused *notices.RefusedError
	t.Run("for good", func(t *testing.T) {
		o := open(t)
		o.refuse = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		if err := o.mail(t, nil).Send(t.Context(), summary()); !errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("for now", func(t *testing.T) {
		o := open(t)
		o.refuse = &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "later"}
		if err := o.mail(t, nil).Send(t.Context(), summary()); err == nil || errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("nobody to read it", func(t *testing.T) {
		m := open(t).mail(t, func(c *notices.MailConfig) { c.To = nil })
		if err := m.Send(t.Context(), summary()); !errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a server that nobody vouches for gets neither password nor letter", func(t *testing.T) {
		o := open(t)
		m := o.mail(t, func(c *notices.MailConfig) { c.TrustCA = "" })
		if err := m.Send(t.Context(), summary()); err == nil || errors.As(err, &refused) {
			t.Errorf("error %v", err)
		}
		if err := m.Check(t.Context()); err == nil || len(o.got) > 0 {
			t.Errorf("check %v, %d letters", err, len(o.got))
		}
	})
	t.Run("a wrong password is seen by the check", func(t *testing.T) {
		o := open(t)
		if err := o.mail(t, nil).Check(t.Context()); err != nil {
			t.Errorf("the right one: %v", err)
		}
		if err := o.mail(t, func(c *notices.MailConfig) { c.Password = "loud" }).Check(t.Context()); err == nil || strings.Contains(err.Error(), "loud") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a server that says nothing is given up with the time", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		o := open(t)
		o.addr = l.Addr().String()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			cancel()
			_, _ = io.Copy(io.Discard, c)
		}()
		if err := o.mail(t, nil).Send(ctx, summary()); err == nil {
			t.Error("it was sent")
		}
	})
}

func TestNewMail(t *testing.T) {
	good := notices.MailConfig{Host: "mail.example.com", From: "a@example.com"}
	for name, change := range map[string]func(*notices.MailConfig){
		"no sender":      func(c *notices.MailConfig) { c.From = "x" },
		"a bad reader":   func(c *notices.MailConfig) { c.To = []string{"x"} },
		"another TLS":    func(c *notices.MailConfig) { c.TLS = "maybe" },
		"no certificate": func(c *notices.MailConfig) { c.TrustCA = "/nowhere.pem" },
	} {
		c := good
		change(&c)
		if _, err := notices.NewMail(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, tls := range []string{"", "starttls", "tls", "none"} {
		c := good
		c.TLS = tls
		if _, err := notices.NewMail(c); err != nil {
			t.Errorf("%q: %v", tls, err)
		}
	}
}

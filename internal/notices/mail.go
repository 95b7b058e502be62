package notices

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	netmail "net/mail"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// MailConfig is the server that takes our e-mail.
type MailConfig struct {
	Host               string
	Port               int    // 587, or 465 with TLS "tls", unless set
	TLS                string // "starttls" (unless set), "tls" from the first byte, "none"
	TrustCA            string // PEM file of who must have certified the server; "" the system's authorities
	Username, Password string
	From               string   // "Callyard <calls@example.com>"
	To                 []string // who reads what is addressed to nobody
}

// Mail sends e-mail.
type Mail struct {
	host string
	opts []mail.Option
	from *netmail.Address
	to   []*netmail.Address
}

const (
	mailTimeout   = 20 * time.Second
	maxRecipients = 10
)

// NewMail checks a configuration. No connection is made yet.
func NewMail(c MailConfig) (*Mail, error) {
	from, err := netmail.ParseAddress(c.From)
	if err != nil {
		return nil, fmt.Errorf("mail.from: %q is no address", c.From)
	}
	m := &Mail{from: from}
	for _, a := range c.To {
		to, err := netmail.ParseAddress(a)
		if err != nil {
			return nil, fmt.Errorf("mail.to: %q is no address", a)
		}
		m.to = append(m.to, to)
	}
	secured := &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	if c.TrustCA != "" {
		pem, err := os.ReadFile(c.TrustCA)
		if err != nil {
			return nil, fmt.Errorf("mail.trust_ca: %w", err)
		}
		secured.RootCAs = x509.NewCertPool()
		if !secured.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mail.trust_ca: %s holds no certificate", c.TrustCA)
		}
	}
	opts := []mail.Option{mail.WithTimeout(mailTimeout), mail.WithTLSConfig(secured)}
	switch port := c.Port; c.TLS {
	case "", "starttls":
		opts = append(opts, mail.WithPort(cmp.Or(port, 587)), mail.WithTLSPolicy(mail.TLSMandatory))
	case "tls":
		opts = append(opts, mail.WithSSL(), mail.WithPort(cmp.Or(port, 465)))
	case "none":
		opts = append(opts, mail.WithPort(cmp.Or(port, 25)), mail.WithTLSPolicy(mail.NoTLS))
	default:
		return nil, fmt.Errorf("mail.tls: %q is none of starttls, tls and none", c.TLS)
	}
	if c.Username != "" {
		opts = append(opts, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(c.Username), mail.WithPassword(c.Password))
	}
	m.host, m.opts = c.Host, opts
	_, err = m.client()
	return m, err
}

// client is one connection's: the library's keeps state of it.
func (m *Mail) client() (*mail.Client, error) {
	c, err := mail.NewClient(m.host, m.opts...)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return c, nil
}

// Send hands a notice to the mail server. *RefusedError when it will not take
// it, now or later; any other error is worth another attempt. The same notice
// has the same Message-ID however often it is sent.
func (m *Mail) Send(ctx context.Context, n Notice) error {
	to, err := m.readers(n.To)
	if err != nil {
		return err
	}
	p := newPage(n)
	html, err := p.html()
	if err != nil {
		return &RefusedError{Why: err.Error()}
	}
	msg := mail.NewMsg()
	msg.FromMailAddress(m.from)
	msg.ToMailAddress(to...)
	msg.Subject(p.Subject)
	msg.SetDateWithValue(n.At)
	_, domain, _ := strings.Cut(m.from.Address, "@")
	msg.SetMessageIDWithValue(fmt.Sprintf("%s.%d@%s", n.Call, n.At.UnixMilli(), domain))
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday notice answers it
	msg.SetBodyString(mail.TypeTextPlain, p.plain())
	msg.AddAlternativeString(mail.TypeTextHTML, html)
	c, err := m.client()
	if err != nil {
		return err
	}
	err = c.DialAndSendWithContext(ctx, msg)
	var refused *mail.SendError
	if errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500 {
		return &RefusedError{Why: err.Error()}
	}
	return err
}

// Check greets the mail server and logs in.
func (m *Mail) Check(ctx context.Context) error {
	c, err := m.client()
	if err != nil {
		return err
	}
	if err := c.DialWithContext(ctx); err != nil {
		return err
	}
	return c.Close()
}

// readers are those named if they are addresses. Whoever else a notice is for,
// such as a manager, reads what comes to the addresses of the configuration.
func (m *Mail) readers(to string) ([]*netmail.Address, error) {
	if !strings.Contains(to, "@") {
		if len(m.to) == 0 {
			return nil, &RefusedError{Why: "nobody is named to read it: give the node a to, or set mail.to"}
		}
		return m.to, nil
	}
	named, err := netmail.ParseAddressList(to)
	if err != nil || len(named) > maxRecipients {
		return nil, &RefusedError{Why: "to is no list of at most 10 addresses"}
	}
	for _, a := range named {
		if line(a.Address, len(a.Address)) != a.Address {
			return nil, &RefusedError{Why: "to has a control character"}
		}
	}
	return named, nil
}

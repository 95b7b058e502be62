package cli

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/notices"
)

// mailCheck greets the mail server and logs in, if one is configured.
func mailCheck(ctx context.Context, cfg config.Config) []finding {
	m := cfg.Mail
	if m.Host == "" {
		return nil
	}
	mail, err := notices.NewMail(notices.MailConfig{
		Host: m.Host, Port: m.Port, TLS: m.TLS, TrustCA: m.TrustCA, Username: m.Username, Password: m.Password, From: m.From, To: m.To,
	})
	if err != nil {
		return []finding{{"e-mail", "fail", err.Error(), "mend mail in the configuration"}}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := mail.Check(ctx); err != nil {
		return []finding{{"e-mail", "fail", err.Error(), "check mail.host, mail.port, mail.tls, mail.username and mail.password; mail.trust_ca if the certificate is one of your own"}}
	}
	at := m.Host
	if m.Port != 0 {
		at = net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
	}
	return []finding{{Check: "e-mail", Status: "ok", Detail: at + " takes our e-mail"}}
}

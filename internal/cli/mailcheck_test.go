package cli

import (
	"net"
	"testing"

	"github.com/callyard/callyard/internal/config"
)

func TestMailCheck(t *testing.T) {
	cfg := config.Default()
	if found := mailCheck(t.Context(), cfg); found != nil {
		t.Errorf("no e-mail is configured, yet %v", found)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	cfg.Mail = config.Mail{Host: "127.0.0.1", Port: port, TLS: "starttls", From: "a@example.com"}
	if found := mailCheck(t.Context(), cfg); len(found) != 1 || found[0].Status != "fail" || found[0].Cure == "" {
		t.Errorf("nobody listens, yet %v", found)
	}
}

package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/config"
)

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "callyard.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	t.Run("defaults are valid", func(t *testing.T) {
		c, err := config.Load("", config.Default())
		if err != nil {
			t.Fatal(err)
		}
		if c.SIP.Realm != "callyard" || len(c.SIP.Listen) != 2 || c.HTTP.Listen != "127.0.0.1:8080" || c.WrapUp().Seconds() != 30 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("the environment wins over the file, the file over the defaults", func(t *testing.T) {
		t.Setenv("CALLYARD_HTTP__LISTEN", "127.0.0.1:1")
		t.Setenv("CALLYARD_SIP__LISTEN", "udp:127.0.0.1:5061,tcp:127.0.0.1:5061")
		t.Setenv("CALLYARD_PG_BIN", "/somewhere") // another's
		c, err := config.Load(file(t, "node: here\nhttp: {listen: \"127.0.0.1:2\"}\nwrap_up_s: 7\n"), config.Default())
		if err != nil {
			t.Fatal(err)
		}
		if c.Node != "here" || c.HTTP.Listen != "127.0.0.1:1" || c.WrapUpS != 7 || len(c.SIP.Listen) != 2 || c.SIP.Listen[1] != "tcp:127.0.0.1:5061" {
			t.Errorf("%+v", c)
		}
	})
	t.Run("DATABASE_URL names the database", func(t *testing.T) {
		t.Setenv("DATABASE_URL", "postgres://x/y")
		c, err := config.Load(file(t, "database_url: postgres://other/one\n"), config.Default())
		if err != nil || c.Database != "postgres://x/y" {
			t.Error(c.Database, err)
		}
	})
	t.Run("an unknown key is named", func(t *testing.T) {
		_, err := config.Load(file(t, "sip: {lisen: [\"udp:127.0.0.1:5060\"]}\n"), config.Default())
		if err == nil || !strings.Contains(err.Error(), "sip.lisen") {
			t.Error(err)
		}
	})
	t.Run("every fault is named at once", func(t *testing.T) {
		_, err := config.Load(file(t, `
sip: {listen: ["udp:5060"], digests: [SHA1]}
rtp: {port_min: 80, port_max: 90}
webhook: {url: "https://example.com", secret: plain}
wrap_up_s: -1
`), config.Default())
		if err == nil {
			t.Fatal("accepted")
		}
		for _, key := range []string{"sip.listen", "sip.digests", "rtp.port_min", "webhook.secret", "wrap_up_s"} {
			if !strings.Contains(err.Error(), key) {
				t.Errorf("%s is not named in: %v", key, err)
			}
		}
	})
}

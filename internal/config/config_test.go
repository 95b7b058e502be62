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
rtp: {port_min: 80, port_max: 90, advertise: hub.example.com}
webhook: {url: "https://example.com", secret: plain}
wrap_up_s: -1
`), config.Default())
		if err == nil {
			t.Fatal("accepted")
		}
		for _, key := range []string{"sip.listen", "sip.digests", "rtp.port_min", "rtp.advertise", "webhook.secret", "wrap_up_s"} {
			if !strings.Contains(err.Error(), key) {
				t.Errorf("%s is not named in: %v", key, err)
			}
		}
	})
}

func TestInterfaces(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	c, err := config.Load(file(t, `
sip:
  tls_cert: hub.pem
  tls_key: hub.key
  interfaces:
    - {name: wan, listen: "tls:192.0.2.1:5061", advertise: sip.example.com, local_nets: ["10.0.0.0/8"]}
    - {name: lan, listen: "udp:[::1]:5060", media: "::1"}
`), config.Default())
	if err != nil {
		t.Fatal(err)
	}
	is := c.SIP.Listeners()
	if len(is) != 2 || is[0].Advertise != "sip.example.com" || is[0].TLSCert != "hub.pem" || is[0].LocalNets[0] != "10.0.0.0/8" || is[1].Media != "::1" {
		t.Errorf("%+v", is)
	}
	_, err = config.Load(file(t, `
sip: {listen: ["tls:127.0.0.1:5061"], local_nets: ["10.0.0.0/40"], our_cert: x, web_path: sip, dns: [ns.example]}
http: {tls_listen: "127.0.0.1:8443"}
`), config.Default())
	if err == nil {
		t.Fatal("accepted")
	}
	for _, key := range []string{"sip.tls_cert", "sip.local_nets", "sip.our_cert", "sip.dns", "sip.web_path", "http.tls_cert"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named in: %v", key, err)
		}
	}
}

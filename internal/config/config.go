// Package config reads how this node is to run: defaults, then a YAML file, then
// CALLYARD_… variables of the environment, the later winning.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
)

// Config is everything a node needs to know before it reads the database. What
// people change while it runs (lots, queues, flows …) is in the database.
type Config struct {
	Node     string `koanf:"node"`     // names this process; must be unique among those that share a database
	DataDir  string `koanf:"data_dir"` // embedded database, recordings
	Database string `koanf:"database_url"`

	SIP     SIP     `koanf:"sip"`
	RTP     RTP     `koanf:"rtp"`
	HTTP    HTTP    `koanf:"http"`
	Log     Log     `koanf:"log"`
	Webhook Webhook `koanf:"webhook"`
	HTTPOut HTTPOut `koanf:"http_out"`
	Mail    Mail    `koanf:"mail"`
	Chats   []Chat  `koanf:"chats"`
	TTS     TTS     `koanf:"tts"`

	Region  string `koanf:"region"`    // where a number without a country code is from: "ES", "US"
	WrapUpS int    `koanf:"wrap_up_s"` // after a conversation that no queue brought about
	Version string `koanf:"-"`         // of the program, not configured
}

// RTP is where media flows.
type RTP struct {
	IP        string `koanf:"ip"`        // "" the address SIP listens on
	Advertise string `koanf:"advertise"` // for SDP; "" the same
	PortMin   int    `koanf:"port_min"`
	PortMax   int    `koanf:"port_max"`

	Codecs []string `koanf:"codecs"` // offered and taken, in this order: "PCMU", "PCMA", "G722"
}

// HTTP is the REST API, and a second port for operators.
type HTTP struct {
	Listen string `koanf:"listen"`
	Ops    string `koanf:"ops"` // /livez /readyz /metrics; "" switches it off

	TLSListen string `koanf:"tls_listen"` // the same as listen over TLS; "" switches it off
	TLSCert   string `koanf:"tls_cert"`
	TLSKey    string `koanf:"tls_key"`

	Proxies       []string `koanf:"proxies"`         // "10.0.0.0/8": whose X-Forwarded-For and -Proto are believed
	RatePerS      float64  `koanf:"rate_per_s"`      // requests of one key or session; 0: no limit
	RateBurst     int      `koanf:"rate_burst"`      // at once
	OpenRatePerS  float64  `koanf:"open_rate_per_s"` // of one source that shows neither, or a wrong one; 0: no limit
	OpenRateBurst int      `koanf:"open_rate_burst"`
}

// Log is how much is logged and in what form.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn, error
	Format string `koanf:"format"` // text, json
}

// Default is a node on this machine that takes calls on the usual ports.
func Default() Config {
	return Config{
		Node:    hostNode(),
		DataDir: dataDir(),
		SIP:     SIP{Listen: []string{"udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"}, Realm: "callyard", Digests: []string{"SHA-256", "MD5"}, SRTP: "optional", CallsPerS: 200, WebPath: "/sip"},
		RTP:     RTP{PortMin: 20000, PortMax: 29999, Codecs: []string{"PCMU", "PCMA", "G722"}},
		HTTP:    HTTP{Listen: "127.0.0.1:8080", Ops: "127.0.0.1:9090", RatePerS: 300, RateBurst: 600, OpenRatePerS: 5, OpenRateBurst: 50},
		Log:     Log{Level: "info", Format: "text"},
		HTTPOut: HTTPOut{PerHost: 20, Total: 100},
		Mail:    Mail{TLS: "starttls"},
		Region:  "US",
		WrapUpS: 30,
	}
}

func hostNode() string {
	h, err := os.Hostname()
	if err != nil || h == "" {
		return "node1"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(h))
}

// dataDir is where a user keeps an application's data. Root's home is closed to
// the account that Postgres runs as, hence /var/lib.
func dataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/callyard"
	}
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "callyard")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), "callyard")
	}
	return filepath.Join(home, ".local", "share", "callyard")
}

// Load reads the file, if one is named, and the environment: CALLYARD_DATA_DIR,
// CALLYARD_SIP__LISTEN (comma separated; two underscores go one level down) and
// DATABASE_URL.
func Load(path string, base Config) (Config, error) {
	k := koanf.New(".")
	if err := k.Load(structs.Provider(base, "koanf"), nil); err != nil {
		return base, fmt.Errorf("defaults: %w", err)
	}
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return base, fmt.Errorf("configuration %s: %w", path, err)
		}
		for _, key := range k.Keys() {
			if !knownKeys[key] {
				return base, fmt.Errorf("configuration %s: unknown key %q", path, key)
			}
		}
	}
	fromEnv := env.Provider(".", env.Opt{Prefix: "CALLYARD_", TransformFunc: func(name, v string) (string, any) {
		key := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "CALLYARD_")), "__", ".")
		if !knownKeys[key] {
			return "", nil // CALLYARD_PG_BIN and the like belong to others
		}
		switch key {
		case "sip.interfaces", "chats":
			return "", nil // too much for a variable
		case "sip.listen", "sip.digests", "sip.local_nets", "sip.web_origins", "http.proxies", "http_out.allow_nets", "mail.to", "rtp.codecs", "tts.command":
			return key, strings.Split(v, ",")
		}
		return key, v
	}})
	if err := k.Load(fromEnv, nil); err != nil {
		return base, fmt.Errorf("environment: %w", err)
	}
	var c Config
	if err := k.Unmarshal("", &c); err != nil {
		return base, fmt.Errorf("configuration: %w", err)
	}
	c.Database = cmp.Or(os.Getenv("DATABASE_URL"), c.Database)
	c.Version = base.Version
	return c, c.Validate()
}

var knownKeys = func() map[string]bool {
	k := koanf.New(".")
	_ = k.Load(structs.Provider(Default(), "koanf"), nil) // a struct of ours cannot fail
	known := map[string]bool{}
	for _, key := range k.Keys() {
		known[key] = true
	}
	return known
}()

// Validate names every fault at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(key, format string, args ...any) { errs = append(errs, fmt.Errorf(key+": "+format, args...)) }
	if c.Node == "" {
		bad("node", "must not be empty")
	}
	c.SIP.faults(bad)
	for _, d := range c.SIP.Digests {
		if d != "SHA-256" && d != "MD5" {
			bad("sip.digests", "%q is neither SHA-256 nor MD5", d)
		}
	}
	switch c.SIP.SRTP {
	case "off", "optional", "required":
	default:
		bad("sip.srtp", "%q is none of off, optional and required", c.SIP.SRTP)
	}
	if c.RTP.PortMin < 1024 || c.RTP.PortMax > 65535 || c.RTP.PortMax-c.RTP.PortMin < 10 {
		bad("rtp.port_min, rtp.port_max", "%d–%d is no range of ports above 1024", c.RTP.PortMin, c.RTP.PortMax)
	}
	if c.RTP.Advertise != "" {
		if _, err := netip.ParseAddr(c.RTP.Advertise); err != nil {
			bad("rtp.advertise", "%q is no IP address, such as 192.0.2.10", c.RTP.Advertise)
		}
	}
	if len(c.RTP.Codecs) == 0 {
		bad("rtp.codecs", "name at least one of PCMU, PCMA and G722")
	}
	for _, codec := range c.RTP.Codecs {
		switch strings.ToUpper(codec) {
		case "PCMU", "PCMA", "G722":
		case "OPUS":
			bad("rtp.codecs", "opus can be decoded but not encoded: callers would hear no music")
		default:
			bad("rtp.codecs", "%q is none of PCMU, PCMA and G722", codec)
		}
	}
	if _, _, err := net.SplitHostPort(c.HTTP.Listen); err != nil {
		bad("http.listen", "%w", err)
	}
	if _, err := Prefixes(c.HTTP.Proxies); err != nil {
		bad("http.proxies", "%w", err)
	}
	if h := c.HTTP; h.RatePerS < 0 || h.RateBurst < 0 || h.OpenRatePerS < 0 || h.OpenRateBurst < 0 {
		bad("http.rate_per_s, http.rate_burst, http.open_rate_per_s, http.open_rate_burst", "not below zero")
	}
	if c.HTTP.TLSListen != "" {
		if _, _, err := net.SplitHostPort(c.HTTP.TLSListen); err != nil {
			bad("http.tls_listen", "%w", err)
		}
		if c.HTTP.TLSCert == "" || c.HTTP.TLSKey == "" {
			bad("http.tls_cert, http.tls_key", "name both when http.tls_listen is set")
		}
	}
	if c.Webhook.URL != "" && !strings.HasPrefix(c.Webhook.Secret, "whsec_") {
		bad("webhook.secret", `must begin with "whsec_" when webhook.url is set`)
	}
	c.HTTPOut.faults(bad)
	c.noticeFaults(bad)
	if c.WrapUpS < 0 || c.WrapUpS > 3600 {
		bad("wrap_up_s", "%d is not between 0 and 3600", c.WrapUpS)
	}
	return errors.Join(errs...)
}

// Prefixes reads networks, "10.0.0.0/8" or a single address.
func Prefixes(nets []string) ([]netip.Prefix, error) {
	var ps []netip.Prefix
	for _, n := range nets {
		if a, err := netip.ParseAddr(n); err == nil {
			ps = append(ps, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return nil, fmt.Errorf("%q is no network: %w", n, err)
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// WrapUp is WrapUpS as a duration.
func (c Config) WrapUp() time.Duration { return time.Duration(c.WrapUpS) * time.Second }

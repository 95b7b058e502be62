package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// SIP is where phones and trunks reach us.
type SIP struct {
	Listen    []string `koanf:"listen"`    // "udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"
	Advertise string   `koanf:"advertise"` // host[:port] for Via and Contact; "" the listening address
	Realm     string   `koanf:"realm"`
	Digests   []string `koanf:"digests"`     // offered to phones, in this order: "SHA-256", "MD5"
	SRTP      string   `koanf:"srtp"`        // encrypted audio of phones: "off", "optional", "required"
	CallsPerS float64  `koanf:"calls_per_s"` // beyond it new calls are answered 503

	LocalNets  []string    `koanf:"local_nets"` // "10.0.0.0/8": peers that are told the listening address, not the advertised one
	Interfaces []Interface `koanf:"interfaces"` // instead of listen, when they differ

	TLSCert     string `koanf:"tls_cert"`      // PEM files for tls: listeners, read again when they change
	TLSKey      string `koanf:"tls_key"`       //
	TLSClientCA string `koanf:"tls_client_ca"` // who must have certified those who connect; "" anybody may
	TrustCA     string `koanf:"trust_ca"`      // who must have certified trunks we connect to; "" the system's authorities
	OurCert     string `koanf:"our_cert"`      // shown to trunks that ask
	OurKey      string `koanf:"our_key"`

	WebPath    string   `koanf:"web_path"`    // of WebSocket on the HTTP listeners; "" switches it off
	WebOrigins []string `koanf:"web_origins"` // whose pages may connect beside our own host's: "https://desk.example.com"

	DNS []string `koanf:"dns"` // name servers for trunks' hosts, ip:port; none: the machine's
}

// Interface is one address SIP is spoken on, with what differs from the rest.
type Interface struct {
	Name      string   `koanf:"name"`
	Listen    string   `koanf:"listen"`     // "udp:10.0.0.1:5060"
	Advertise string   `koanf:"advertise"`  // host[:port]; "" the listening address
	Media     string   `koanf:"media"`      // address for SDP; "" that of advertise
	LocalNets []string `koanf:"local_nets"` // as above
	TLSCert   string   `koanf:"tls_cert"`   // "" as above
	TLSKey    string   `koanf:"tls_key"`
}

// Listeners are the interfaces to open: those listed, else one for each of
// listen.
func (s SIP) Listeners() []Interface {
	is := append([]Interface(nil), s.Interfaces...)
	if len(is) == 0 {
		for _, l := range s.Listen {
			is = append(is, Interface{Listen: l, Advertise: s.Advertise, LocalNets: s.LocalNets})
		}
	}
	for i := range is {
		if is[i].TLSCert == "" {
			is[i].TLSCert, is[i].TLSKey = s.TLSCert, s.TLSKey
		}
	}
	return is
}

// faults tells bad what is wrong with the interfaces.
func (s SIP) faults(bad func(key, format string, args ...any)) {
	key := "sip.listen"
	if len(s.Interfaces) > 0 {
		key = "sip.interfaces"
	}
	is := s.Listeners()
	if len(is) == 0 {
		bad(key, "name at least one, such as udp:0.0.0.0:5060")
	}
	for _, i := range is {
		transport, _, err := ParseListen(i.Listen)
		if err != nil {
			bad(key, "%w", err)
		}
		if transport == "tls" && (i.TLSCert == "" || i.TLSKey == "") {
			bad("sip.tls_cert, sip.tls_key", "name both for %s", i.Listen)
		}
		if _, err := Prefixes(i.LocalNets); err != nil {
			bad("sip.local_nets", "%w", err)
		}
		if i.Media != "" {
			if _, err := netip.ParseAddr(i.Media); err != nil {
				bad("sip.interfaces.media", "%w", err)
			}
		}
	}
	for _, d := range s.DNS {
		if _, err := netip.ParseAddrPort(d); err != nil {
			bad("sip.dns", "%q is no ip:port, such as 192.0.2.53:53", d)
		}
	}
	if (s.OurCert == "") != (s.OurKey == "") {
		bad("sip.our_cert, sip.our_key", "name both or none")
	}
	if s.WebPath != "" && !strings.HasPrefix(s.WebPath, "/") {
		bad("sip.web_path", "%q must begin with a slash", s.WebPath)
	}
}

// ParseListen reads "udp:127.0.0.1:5060".
func ParseListen(s string) (transport string, at netip.AddrPort, err error) {
	transport, addr, ok := strings.Cut(s, ":")
	if !ok || (transport != "udp" && transport != "tcp" && transport != "tls") {
		return "", at, fmt.Errorf("%q: want udp:ip:port, tcp:ip:port or tls:ip:port", s)
	}
	at, err = netip.ParseAddrPort(addr)
	if err != nil {
		return "", at, fmt.Errorf("%q: %w", s, err)
	}
	return transport, at, nil
}

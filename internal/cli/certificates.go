package cli

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/tlsfile"
)

// certificates looks at every certificate of a configuration: can it be read,
// is it for the name that peers are told, how long is it good?
func certificates(cfg config.Config, now time.Time) []finding {
	var out []finding
	seen := map[string]bool{}
	check := func(what, cert, key, host string) {
		if cert == "" || seen[cert+host] {
			return
		}
		seen[cert+host] = true
		out = append(out, certificate(what, cert, key, host, now))
	}
	for _, i := range cfg.SIP.Listeners() {
		if transport, at, err := config.ParseListen(i.Listen); err == nil && transport == "tls" {
			host := hostOf(i.Advertise)
			if host == "" && !at.Addr().IsUnspecified() {
				host = at.Addr().String()
			}
			check("SIP TLS", i.TLSCert, i.TLSKey, host)
		}
	}
	if cfg.HTTP.TLSListen != "" {
		check("HTTPS", cfg.HTTP.TLSCert, cfg.HTTP.TLSKey, "")
	}
	check("our TLS", cfg.SIP.OurCert, cfg.SIP.OurKey, "")
	for _, file := range []string{cfg.SIP.TrustCA, cfg.SIP.TLSClientCA} {
		if _, err := tlsfile.Pool(file); err != nil {
			out = append(out, finding{"authorities", "fail", err.Error(), "name a PEM file in sip.trust_ca or sip.tls_client_ca"})
		}
	}
	return out
}

func certificate(what, cert, key, host string, now time.Time) finding {
	f := finding{Check: what, Status: "ok"}
	pair, err := tlsfile.Load(cert, key, nil)
	if err != nil {
		return finding{what, "fail", err.Error(), "name a certificate and its key, both PEM, that this account may read"}
	}
	leaf := pair.Leaf()
	left := leaf.NotAfter.Sub(now)
	f.Detail = fmt.Sprintf("%s is good until %s", cert, leaf.NotAfter.UTC().Format("2006-01-02"))
	switch {
	case left <= 0:
		return finding{what, "fail", cert + " ended on " + leaf.NotAfter.UTC().Format("2006-01-02"), "renew it; the hub takes the new file by itself"}
	case leaf.NotBefore.After(now):
		return finding{what, "fail", cert + " is not yet good", "is the clock right?"}
	}
	if host != "" && leaf.VerifyHostname(host) != nil {
		f.Status, f.Detail, f.Cure = "warn", cert+" is not for "+host+", which peers are told", "set advertise to a name it is for: phones refuse it"
		if _, err := netip.ParseAddr(host); err == nil {
			f.Cure = "set advertise to a name it is for: few certificates are for addresses"
		}
		return f
	}
	if left < 14*24*time.Hour {
		f.Status, f.Cure = "warn", "renew it; the hub takes the new file by itself"
	}
	return f
}

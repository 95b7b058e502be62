package routing

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// TrunkFault is what is wrong with a field of a trunk.
type TrunkFault struct{ Field, Why string }

func (e TrunkFault) Error() string { return e.Field + ": " + e.Why }

var (
	trunkName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_. -]{0,63}$`)
	hostName  = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9])?$`)
	sipUser   = regexp.MustCompile(`^[A-Za-z0-9_.+-]{1,128}$`) // it is the user of our Contact as well
	digits    = regexp.MustCompile(`^[0-9*#]*$`)
	beginning = regexp.MustCompile(`^[+0-9*#][0-9*#]*$`)
)

// mostCounted bounds counts and places, so that they fit stores.
const mostCounted = 1_000_000

// Faults are all that is wrong with a trunk, in the order of its fields.
func (t Trunk) Faults() []TrunkFault {
	t = t.WithDefaults()
	var fs []TrunkFault
	bad := func(field, why string, args ...any) { fs = append(fs, TrunkFault{field, fmt.Sprintf(why, args...)}) }
	if !trunkName.MatchString(t.Name) {
		bad("name", "wants letters, digits, space, _ . and -")
	}
	for i, cidr := range t.Sources {
		field := "sources[" + strconv.Itoa(i) + "]"
		switch p, err := netip.ParsePrefix(cidr); {
		case err != nil:
			bad(field, "%q is no CIDR such as 192.0.2.0/24; a single address ends in /32 or /128", cidr)
		case p != p.Masked():
			bad(field, "%q has bits beyond its length; write %s", cidr, p.Masked())
		case p.Bits() == 0:
			bad(field, "%q lets everybody in", cidr)
		}
	}
	t.gatewayFaults(bad)
	t.accountFaults(bad)
	if i := slices.Index(t.Codecs, ""); i >= 0 {
		bad("codecs["+strconv.Itoa(i)+"]", "is empty")
	}
	if t.MaxCalls < 0 || t.MaxCalls > mostCounted {
		bad("max_calls", "is from 0 to %d", mostCounted)
	}
	if t.Priority < -mostCounted || t.Priority > mostCounted {
		bad("priority", "is from %d to %d", -mostCounted, mostCounted)
	}
	if !(t.CallsPerS >= 0) || math.IsInf(t.CallsPerS, 0) {
		bad("calls_per_s", "is no rate")
	}
	t.identityFaults(bad)
	return fs
}

func (t Trunk) gatewayFaults(bad func(field, why string, args ...any)) {
	if t.Host != "" && !validHost(t.Host) {
		bad("host", "%q is no host or host:port", t.Host)
	}
	if t.Host != "" && len(t.Hosts) > 0 {
		bad("hosts", "stand in place of host; give one or the other")
	}
	for i, g := range t.Hosts {
		field := "hosts[" + strconv.Itoa(i) + "]"
		if !validHost(g.Host) {
			bad(field+".host", "%q is no host or host:port", g.Host)
		}
		if g.Priority < 0 || g.Priority > math.MaxUint16 {
			bad(field+".priority", "is from 0 to 65535")
		}
		if g.Weight < 0 || g.Weight > math.MaxUint16 {
			bad(field+".weight", "is from 0 to 65535")
		}
	}
	if t.Domain != "" && (!hostName.MatchString(t.Domain) || strings.Contains(t.Domain, ":")) {
		bad("domain", "%q is no domain", t.Domain)
	}
	one(bad, "transport", t.Transport, "udp", "tcp", "tls")
	one(bad, "srtp", t.SRTP, "off", "optional", "required")
	if !(t.TryS >= 0) || t.TryS > 32 {
		bad("try_s", "is from 0 to 32") // RFC 3261 §17.1.1.2: after 32 s the transaction is over anyway
	}
	if t.QualifyS < 0 || t.QualifyS > 3600 || (t.QualifyS > 0 && t.QualifyS < 5) {
		bad("qualify_s", "is 0, or from 5 to 3600")
	}
	for i, p := range t.For {
		if !beginning.MatchString(p) {
			bad("for["+strconv.Itoa(i)+"]", "%q is no beginning of a number", p)
		}
	}
}

func (t Trunk) accountFaults(bad func(field, why string, args ...any)) {
	if t.Username != "" && !sipUser.MatchString(t.Username) {
		bad("username", "wants letters, digits, _ . + and -")
	}
	for _, r := range string(t.Password) {
		if r < ' ' || r == 0x7f {
			bad("password", "has a control character")
			break
		}
	}
	if t.AuthInbound && (t.Username == "" || t.Password == "") {
		bad("auth_inbound", "needs username and password")
	}
	if t.Register && (t.Username == "" || t.Password == "") {
		bad("register", "needs username and password")
	}
	if t.Register && t.Registrar == "" && len(t.Gateways()) == 0 {
		bad("registrar", "is needed where there is no host")
	}
	if t.Registrar != "" && !validHost(t.Registrar) {
		bad("registrar", "%q is no host or host:port", t.Registrar)
	}
	if t.RegisterS != 0 && (t.RegisterS < 60 || t.RegisterS > 86400) {
		bad("register_s", "is 0, or from 60 to 86400")
	}
}

func (t Trunk) identityFaults(bad func(field, why string, args ...any)) {
	each := func(field string, list []string, known ...string) {
		for i, v := range list {
			one(bad, field+"["+strconv.Itoa(i)+"]", v, known...)
		}
	}
	each("trust", t.Trust, "pai", "rpid", "from", TrustReferredBy)
	each("send", t.Send, "none", "pai", "rpid", "diversion", "history-info")
	one(bad, "show", t.Show, "caller", "own")
	if t.Show == "own" && t.CallerNumber == "" {
		bad("caller_number", "is needed to show it")
	}
	if t.CallerNumber != "" && !beginning.MatchString(string(t.CallerNumber)) {
		bad("caller_number", "is no telephone number")
	}
	one(bad, "number_format", t.NumberFormat, "", "e164", "plain", "national")
	if !digits.MatchString(t.Country) || len(t.Country) > 4 {
		bad("country", "%q is no country code such as 34", t.Country)
	}
	if t.NumberFormat == "national" && t.Country == "" {
		bad("country", "is needed to write national numbers")
	}
	if !digits.MatchString(t.NationalPrefix) {
		bad("national_prefix", "%q are no digits", t.NationalPrefix)
	}
}

// one faults a value that is none of those known.
func one(bad func(field, why string, args ...any), field, v string, known ...string) {
	if !slices.Contains(known, v) {
		bad(field, "%q is none of %s", v, strings.TrimPrefix(strings.Join(known, ", "), ", "))
	}
}

// SplitHost takes host[:port] apart; port is 0 if none is given.
func SplitHost(s string) (host string, port int, ok bool) {
	host = s
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, false
		}
		host, s = s[1:end], s[end+1:]
		if s == "" {
			return host, 0, host != ""
		}
		if s[0] != ':' {
			return "", 0, false
		}
		s = s[1:]
	case strings.Count(s, ":") == 1:
		host, s, _ = strings.Cut(s, ":")
	default: // without a port, or a bare IPv6 address
		return host, 0, host != ""
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return host, int(n), err == nil && n > 0 && host != ""
}

func validHost(s string) bool {
	host, _, ok := SplitHost(s)
	if !ok {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return hostName.MatchString(host)
}

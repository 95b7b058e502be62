package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/egress"
	"github.com/callyard/callyard/routing"
)

// advertisedTime bounds the resolving of names.
const advertisedTime = 5 * time.Second

// machine is what the check of advertised addresses goes by.
type machine struct {
	addrs   []netip.Addr // of its interfaces
	told    func(config.Interface, context.Context, netip.Addr) string
	resolve func(ctx context.Context, name string) ([]netip.Addr, error)
}

func thisMachine() machine {
	m := machine{told: config.Interface.Told, resolve: func(ctx context.Context, name string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	}}
	nets, _ := net.InterfaceAddrs() // without them only public addresses are known to be right
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			m.addrs = append(m.addrs, p.Addr().Unmap().WithZone(""))
		}
	}
	return m
}

// look finds the addresses of a name; an address is its own.
func (m machine) look(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap().WithZone("")}, nil
	}
	addrs, err := m.resolve(ctx, host)
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs, err
}

// hostOf is the host of host[:port].
func hostOf(s string) string {
	if h, _, err := net.SplitHostPort(s); err == nil {
		return h
	}
	return strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
}

// way is one interface, with the addresses that peers are told of it.
type way struct {
	at         netip.Addr     // where it listens
	chosen     bool           // nothing is advertised
	local      []netip.Prefix // peers that are told something else
	sip, audio []netip.Addr   // empty: a name that does not resolve
}

// advertised looks at what peers are told: is it ours, or could it be a router's,
// and can the carriers reach it?
func advertised(ctx context.Context, cfg config.Config, m machine, list trunkList) []finding {
	ctx, cancel := context.WithTimeout(ctx, advertisedTime)
	defer cancel()
	ways, out := m.ways(ctx, cfg)
	out = append(out, m.several(cfg, ways)...)
	if list.unknown == "" {
		out = append(out, m.unreached(ctx, cfg, ways, list.trunks)...)
	}
	if len(out) == 0 {
		var told []netip.Addr
		for _, w := range ways {
			told = append(append(told, w.sip...), w.audio...)
		}
		out = append(out, finding{Check: "advertised", Status: "ok", Detail: "peers are told " + listed(told)})
	}
	if list.unknown != "" {
		out = append(out, finding{Check: "advertised", Status: "ok", Detail: "not compared with the trunks: " + list.unknown})
	}
	return out
}

// ways are the interfaces, and what is wrong with what they advertise.
func (m machine) ways(ctx context.Context, cfg config.Config) (ways []way, out []finding) {
	note := func(f finding) {
		if f.Status != "" && !slices.Contains(out, f) { // the same is advertised for udp and tcp
			out = append(out, f)
		}
	}
	for n, i := range cfg.SIP.Listeners() {
		_, at, err := config.ParseListen(i.Listen)
		if err != nil {
			continue // the configuration was refused for it
		}
		sipKey, audioKey := "sip.advertise", "rtp.advertise"
		if len(cfg.SIP.Interfaces) > 0 {
			sipKey = fmt.Sprintf("advertise of sip.interfaces[%d]", n)
			if i.Media != "" {
				audioKey = fmt.Sprintf("media of sip.interfaces[%d]", n)
			}
		}
		w := way{at: at.Addr().Unmap(), chosen: i.Advertise == ""}
		w.local, _ = config.Prefixes(i.LocalNets) // refused likewise
		host := cmp.Or(hostOf(m.told(i, ctx, at.Addr())), w.at.String())
		w.sip, err = m.look(ctx, host)
		switch {
		case w.chosen:
		case err != nil || len(w.sip) == 0:
			note(finding{"advertised", "warn", fmt.Sprintf("%s is %s, which is no name that resolves here", sipKey, host), "correct it, or its record in DNS"})
		default:
			note(m.stranger(sipKey, host, w.sip))
		}
		audio := cmp.Or(i.Media, cfg.RTP.Advertise)
		told, err := netip.ParseAddr(cmp.Or(audio, host))
		switch {
		case err == nil:
			told = told.Unmap().WithZone("")
		case audio != "":
			note(finding{"advertised", "fail", audioKey + " is " + audio + ", which is no address: a hub does not start", "write the address: SDP for audio wants no name"})
			continue
		default: // a name is told for SIP; audio is where we listen
			told = w.at
		}
		if told.IsUnspecified() {
			note(finding{"advertised", "fail", fmt.Sprintf("audio would be promised at %s, which is no address: a hub does not start", told), "name the address that peers send audio to in rtp.advertise (CALLYARD_RTP__ADVERTISE)"})
			continue
		}
		if audio != "" {
			note(m.stranger(audioKey, audio, []netip.Addr{told}))
		}
		w.audio = []netip.Addr{told}
		ways = append(ways, w)
	}
	return ways, out
}

// stranger is the finding for an address that is neither ours nor could be a
// router's to the internet.
func (m machine) stranger(key, host string, addrs []netip.Addr) (none finding) {
	for _, a := range addrs {
		if a.IsUnspecified() || egress.Public(a) || slices.Contains(m.addrs, a) {
			return none
		}
	}
	if a := listed(addrs); a != host {
		host += " (" + a + ")"
	}
	// Those that others may find us at.
	own := slices.DeleteFunc(slices.Clone(m.addrs), func(a netip.Addr) bool { return !a.IsGlobalUnicast() })
	return finding{
		"advertised", "warn", fmt.Sprintf("%s is %s, which is neither an address of this machine nor a public one", key, host),
		"advertise an address of this machine (" + cmp.Or(listed(own), "it has none") + ") or the router's public one; right as it is if a router within your networks passes it on to us",
	}
}

// several tells of interfaces that listen on all of several addresses and leave
// it to the routing table which of them peers are told.
func (m machine) several(cfg config.Config, ways []way) (out []finding) {
	for _, w := range ways {
		if !w.chosen || !w.at.IsUnspecified() {
			continue
		}
		var own []netip.Addr
		nets := map[netip.Prefix]bool{}
		for _, a := range m.addrs {
			if a.Is4() != w.at.Is4() || !a.IsGlobalUnicast() {
				continue
			}
			bits := 32
			if a.Is6() {
				bits = 64 // there are several of a network, and they change
			}
			if p, err := a.Prefix(bits); err == nil && !nets[p] {
				nets[p], own = true, append(own, a)
			}
		}
		if len(own) < 2 {
			continue
		}
		f := finding{
			"advertised", "warn", fmt.Sprintf("SIP listens at %s, which is %s; none is advertised, and peers are told %s, which leads outside", w.at, listed(own), listed(w.sip)),
			"name the one that peers reach us at in sip.advertise (--sip-advertise)",
		}
		if len(cfg.SIP.Interfaces) > 0 {
			f.Cure = "name the one that peers reach us at in the interface's advertise"
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// unreached tells of trunks on the internet that are told only addresses which
// do not lead to us from there.
func (m machine) unreached(ctx context.Context, cfg config.Config, ways []way, trunks []routing.Trunk) []finding {
	if len(ways) == 0 {
		return nil
	}
	var names []string
	for _, t := range trunks {
		peers := m.publicPeers(ctx, t)
		if len(peers) > 0 && !slices.ContainsFunc(peers, func(p netip.Addr) bool {
			return slices.ContainsFunc(ways, func(w way) bool { return w.leads(p) })
		}) {
			names = append(names, fmt.Sprintf("%s (%s)", t.Name, peers[0]))
		}
	}
	if len(names) == 0 {
		return nil
	}
	var inside []netip.Addr
	for _, w := range ways {
		for _, a := range append(slices.Clone(w.sip), w.audio...) {
			if !egress.Public(a) {
				inside = append(inside, a)
			}
		}
	}
	where := "sip.advertise (and rtp.advertise, if audio comes in elsewhere)"
	if len(cfg.SIP.Interfaces) > 0 {
		where = "advertise and media of an interface"
	}
	what := "trunk " + names[0] + " is on the internet, and is"
	if len(names) > 1 {
		what = "trunks " + strings.Join(names, ", ") + " are on the internet, and are"
	}
	return []finding{{
		"advertised", "warn", what + " told " + cmp.Or(listed(inside), "no address of its kind") + ": calls may come without audio, or not at all",
		fmt.Sprintf("set %s to our public address, pass the SIP port and UDP %d to %d on to this machine, and name networks of your own in local_nets", where, cfg.RTP.PortMin, cfg.RTP.PortMax),
	}}
}

// leads says whether a peer on the internet finds us by what it is told.
func (w way) leads(peer netip.Addr) bool {
	if slices.ContainsFunc(w.local, func(n netip.Prefix) bool { return n.Contains(peer) }) {
		return true // said to be near
	}
	fits := func(a netip.Addr) bool { return a.Is4() == peer.Is4() && egress.Public(a) }
	return (len(w.sip) == 0 || slices.ContainsFunc(w.sip, fits)) && slices.ContainsFunc(w.audio, fits)
}

// publicPeers are the addresses on the internet that a trunk's calls go to or come
// from. A host that only DNS's SRV records know is not looked up.
func (m machine) publicPeers(ctx context.Context, t routing.Trunk) (out []netip.Addr) {
	hosts := []string{t.Registrar}
	for _, g := range t.Gateways() {
		hosts = append(hosts, g.Host)
	}
	for _, h := range hosts {
		if h == "" {
			continue
		}
		addrs, _ := m.look(ctx, hostOf(h)) // a carrier that is not found is the trunk's own trouble
		out = append(out, addrs...)
	}
	nets, _ := config.Prefixes(t.Sources) // checked when it was written
	for _, n := range nets {
		out = append(out, n.Addr())
	}
	return slices.DeleteFunc(out, func(a netip.Addr) bool { return !egress.Public(a) })
}

// listed writes addresses, each once and only a few.
func listed(addrs []netip.Addr) string {
	const few = 4
	var out []string
	for _, a := range addrs {
		if s := a.String(); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if more := len(out) - few; more > 1 {
		out = append(out[:few], fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}

package resolve

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	typeA    = dns.TypeA
	typeAAAA = dns.TypeAAAA
	typeSRV  = dns.TypeSRV
)

// query asks one server after the other, then the system.
func (r *Resolver) query(ctx context.Context, q question) *answer {
	a := r.queryDNS(ctx, q)
	if len(a.addrs) > 0 || a.err == nil || q.kind != typeA || r.cfg.System == nil {
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	if addrs, err := r.cfg.System(ctx, q.name); err == nil && len(addrs) > 0 {
		return &answer{addrs: addrs, until: r.cfg.Now().Add(time.Minute)}
	}
	return a
}

func (r *Resolver) queryDNS(ctx context.Context, q question) *answer {
	servers := r.cfg.Servers
	if len(servers) == 0 {
		// Read every time: what the machine uses changes with its network.
		if c, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
			for _, s := range c.Servers {
				servers = append(servers, netJoin(s, c.Port))
			}
		}
	}
	last := errors.New("no DNS server is known")
	for _, server := range servers {
		res, err := r.exchange(ctx, q, server)
		if err != nil {
			last = fmt.Errorf("ask %s for %s: %w", server, q.name, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		switch res.Rcode {
		case dns.RcodeSuccess:
			return r.read(q, res)
		case dns.RcodeNameError:
			return &answer{err: ErrNone}
		}
		last = fmt.Errorf("ask %s for %s: %s", server, q.name, dns.RcodeToString[res.Rcode])
	}
	return &answer{err: last}
}

func (r *Resolver) exchange(ctx context.Context, q question, server string) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(q.name), q.kind)
	m.SetEdns0(4096, false)
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	defer cancel()
	c := dns.Client{Timeout: r.cfg.Timeout}
	res, _, err := c.ExchangeContext(ctx, m, server)
	if err == nil && res.Truncated {
		c.Net = "tcp"
		res, _, err = c.ExchangeContext(ctx, m, server)
	}
	return res, err //nolint:wrapcheck // queryDNS says what was asked of whom
}

// read takes what answers the question; CNAMEs on the way are the server's work.
func (r *Resolver) read(q question, res *dns.Msg) *answer {
	a, ttl := &answer{}, longest
	for _, rr := range res.Answer {
		switch x := rr.(type) {
		case *dns.SRV:
			if x.Target == "." {
				return &answer{err: ErrNone} // RFC 2782: decidedly not offered here
			}
			a.srv = append(a.srv, srv{int(x.Priority), int(x.Weight), strings.TrimSuffix(x.Target, "."), int(x.Port)})
		case *dns.A:
			if ip, ok := netip.AddrFromSlice(x.A); ok {
				a.addrs = append(a.addrs, ip.Unmap())
			}
		case *dns.AAAA:
			if ip, ok := netip.AddrFromSlice(x.AAAA); ok {
				a.addrs = append(a.addrs, ip.Unmap())
			}
		}
		ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
	}
	if len(a.srv) == 0 && len(a.addrs) == 0 {
		return &answer{err: ErrNone}
	}
	if q.kind != typeSRV {
		a.srv = nil
	}
	a.until = r.cfg.Now().Add(max(ttl, shortest))
	return a
}

func netJoin(ip, port string) string {
	if _, err := netip.ParseAddr(ip); err != nil {
		return ip
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		n = 53
	}
	return netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(n)).String()
}

package sipua

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/queues"
)

// A NAT forgets a UDP flow after 30 s or more of silence (RFC 4787 §4.3 wants two
// minutes, few keep to it), so its phones are asked for a sign of life before
// that, which keeps the flow open. Those that stop answering are unregistered.
const (
	keepAliveEvery = 27 * time.Second
	maxMisses      = 3
	// natExpires is what a phone behind NAT is granted: after a new address of
	// the router's it is back soon.
	natExpires = 90 * time.Second
	// maxAsked bounds how many phones are asked in one turn; the others wait for
	// the next.
	maxAsked = 200
)

// behindNAT says whether a phone is reached where it spoke from and not where
// its Contact says it is.
func behindNAT(contact *sip.Uri, flow Flow) bool {
	if flow.Transport != "udp" {
		return false
	}
	ip, err := netip.ParseAddr(trimBrackets(contact.Host))
	return err != nil || ip.Unmap() != ipOf(flow.Remote)
}

// signs are the phones behind NAT and when they were last asked. It is owned by
// tend; answers come in over a lane and are passed by got.
type signs struct {
	asked map[signKey]*sign
	got   chan signKey
}

type signKey struct{ agent, contact, source string }

type sign struct {
	at      time.Time
	waiting bool // for the answer
	misses  int
}

func newSigns() *signs { return &signs{asked: map[signKey]*sign{}, got: make(chan signKey, 1024)} }

// keepAlive sends what keeps flows open: to connections that have been silent,
// and to phones behind NAT.
func (s *Server) keepAlive() {
	now := s.cfg.Now()
	for _, c := range s.tp.open() {
		if now.Sub(time.Unix(0, c.heard.Load())) >= s.cfg.KeepAlive {
			c.touch()
		}
	}
	for more := true; more; {
		select {
		case k := <-s.signs.got:
			if x := s.signs.asked[k]; x != nil {
				x.waiting, x.misses = false, 0
			}
		default:
			more = false
		}
	}
	there := map[signKey]bool{}
	n := 0
	for _, d := range s.registrar.all() {
		uri, _, ok := uriOf("<" + d.Contact + ">")
		if !ok || d.Node != s.cfg.Node || len(d.Path) > 0 || !behindNAT(&uri, Flow{Transport: d.Transport, Remote: d.Source}) {
			continue
		}
		k := signKey{d.Agent, d.Contact, d.Source}
		there[k] = true
		x := s.signs.asked[k]
		if x == nil {
			s.signs.asked[k] = &sign{at: now}
			continue
		}
		if now.Sub(x.at) < s.cfg.KeepAlive || n >= maxAsked {
			continue
		}
		if x.waiting {
			if x.misses++; x.misses >= maxMisses {
				s.stats.vanished.Add(1)
				s.cfg.Log.Info("phone unregistered: it answers no more", slog.String("agent", d.Agent), slog.String("source", d.Source))
				s.wg.Go(func() { s.registrar.lost(d.Transport, d.Source) }) // the store may be slow
				continue
			}
		}
		n++
		x.at, x.waiting = now, true
		s.ask(d, uri, k)
	}
	for k := range s.signs.asked {
		if !there[k] {
			delete(s.signs.asked, k)
		}
	}
}

// ask sends OPTIONS; any answer is a sign of life.
func (s *Server) ask(d queues.Device, uri sip.Uri, k signKey) {
	flow := Flow{Transport: d.Transport, Local: d.Local, Remote: d.Source}
	iface := s.local(flow)
	if iface == nil {
		return
	}
	req := sip.NewRequest(sip.OPTIONS, uri)
	frame(req, iface, d.Source)
	from, _, _ := uriOf("<sip:callyard@" + s.host(iface) + ">")
	req.AppendHeader(&sip.FromHeader{Address: from, Params: sip.HeaderParams{{K: "tag", V: newTag()}}})
	req.AppendHeader(&sip.ToHeader{Address: uri})
	id := sip.CallIDHeader(randomHex(12))
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
	req.AppendHeader(iface.contact("callyard"))
	req.SetBody(nil)
	s.lanes.do(id.Value(), func() {
		_, _ = s.tx.send(req, func(res *sip.Response, err error) {
			if err == nil && res != nil {
				select {
				case s.signs.got <- k:
				default: // tend is behind by a thousand answers; the next one counts
				}
			}
		})
	})
}

// touch sends a stream's keep-alive unless somebody is writing, which does as well.
func (s *stream) touch() {
	if !s.writeMu.TryLock() {
		return
	}
	defer s.writeMu.Unlock()
	_ = s.SetWriteDeadline(time.Now().Add(time.Second))
	if _, err := s.Write(s.ping); err != nil {
		_ = s.Close()
	}
}

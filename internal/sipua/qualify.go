package sipua

import (
	"math/rand/v2"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/routing"
)

// qualify asks a trunk's gateways from time to time whether they are there
// (OPTIONS, RFC 3261 §11), which also keeps the way through a NAT open. A gateway
// that does not answer is down until it does.
func (c *carriers) qualify(t routing.Trunk, k *task) {
	every := time.Duration(t.QualifyS) * time.Second
	if c.timers.Qualify > 0 {
		every = c.timers.Qualify
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-timer.C:
		}
		ctx, cancel := c.srv.within(c.timers.Resolve)
		ws, err := c.ways(ctx, t, t.Gateways())
		cancel()
		if err != nil {
			c.srv.cfg.Log.Warn("gateways not found", "trunk", t.Name, "err", err)
		}
		if why := c.srv.unheard(transportOf(t)); why != "" {
			c.srv.cfg.Log.Warn("gateways not asked", "trunk", t.Name, "why", why)
			ws = nil
		}
		for _, w := range ws {
			select {
			case <-k.stop:
				return
			default:
			}
			_, _, _ = c.probe(t, w, k.stop) // it notes what came of it
		}
		timer.Reset(every * time.Duration(90+rand.IntN(20)) / 100)
	}
}

// probe asks one gateway. Any answer but one of a broken machine will do: many
// carriers answer OPTIONS with 404 or 405.
func (c *carriers) probe(t routing.Trunk, w way, stop <-chan struct{}) (status int, took time.Duration, err error) {
	res, took, err := c.question(t, w, stop)
	why := ""
	switch {
	case err != nil && err == errStopped: //nolint:errorlint // as exchange returns it
		return 0, took, err
	case err != nil:
		why = "OPTIONS: " + err.Error()
	case elsewhere(res.StatusCode, false):
		status = res.StatusCode
		why = "OPTIONS: " + plain(res.Reason)
	default:
		status = res.StatusCode
	}
	c.mu.Lock()
	g, now := c.known(t.Name, w), c.srv.cfg.Now()
	was := g.down
	g.down = why != ""
	if g.down {
		g.failure, g.failedAt = why, now
	} else {
		g.seen, g.rtt, g.badUntil = now, took, time.Time{}
	}
	c.mu.Unlock()
	if was != (why != "") {
		c.srv.cfg.Log.Info("gateway changed", "trunk", t.Name, "gateway", w.Addr.String(), "up", why == "", "why", why)
	}
	return status, took, err
}

// question is one OPTIONS and its answer; nothing is noted.
func (c *carriers) question(t routing.Trunk, w way, stop <-chan struct{}) (res *sip.Response, took time.Duration, err error) {
	begun := c.srv.cfg.Now()
	ctx, cancel := c.srv.within(c.patience(t))
	defer cancel()
	res, err = c.srv.exchange(ctx, c.srv.options(t, w), stop)
	return res, c.srv.cfg.Now().Sub(begun), err
}

// options is an OPTIONS to a gateway.
func (s *Server) options(t routing.Trunk, w way) *sip.Request {
	iface := s.local(Flow{Transport: transportOf(t), Remote: w.Addr.String()})
	uri := sip.Uri{Scheme: "sip", Host: first(t.Domain, w.host), Port: w.named}
	if t.Domain != "" {
		uri.Port = 0
	}
	req := sip.NewRequest(sip.OPTIONS, uri)
	frame(req, iface, w.Addr.String())
	from := sip.Uri{Scheme: "sip", User: first(t.Username, "callyard"), Host: first(t.Domain, iface.host)}
	req.AppendHeader(&sip.FromHeader{Address: from, Params: sip.HeaderParams{{K: "tag", V: newTag()}}})
	req.AppendHeader(&sip.ToHeader{Address: uri})
	id := sip.CallIDHeader(randomHex(12))
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
	req.AppendHeader(iface.contact("callyard"))
	req.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	req.SetBody(nil)
	return req
}

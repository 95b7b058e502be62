package sipua

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/sipua/digest"
	"github.com/callyard/callyard/routing"
)

// enrolment is our registration with a carrier (RFC 3261 §10.2): a goroutine of
// its own renews it. What others read is under mu.
type enrolment struct {
	srv    *Server
	trunk  routing.Trunk
	callID string
	tag    string
	seq    uint32
	at     way // the registrar that took it last

	mu     sync.Mutex
	state  string // "registering", "registered", "failed", "ended"
	until  time.Time
	status int
	why    string
	ips    []netip.Addr
	routes []string // Service-Route (RFC 3608)
}

// enrolError is a registration that was refused.
type enrolError struct {
	status int
	reason string
	after  time.Duration // not before (Retry-After)
}

func (e *enrolError) Error() string { return fmt.Sprintf("%d %s", e.status, e.reason) }

const (
	longestPause   = 30 * time.Minute // RFC 5626 §4.5
	refusedPause   = 5 * time.Minute  // at least, when the account is refused: some carriers lock it
	unregisterWait = time.Second
)

// enrol keeps a trunk registered until it is stopped, and takes it out then.
func (c *carriers) enrol(t routing.Trunk, k *task) {
	e := &enrolment{srv: c.srv, trunk: t, callID: randomHex(12), tag: newTag(), state: "registering"}
	c.mu.Lock()
	c.enrolled[t.Name] = e
	c.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for failures := 0; ; {
		select {
		case <-k.stop:
			e.leave()
			c.mu.Lock()
			if c.enrolled[t.Name] == e {
				delete(c.enrolled, t.Name)
			}
			c.mu.Unlock()
			return
		case <-timer.C:
		}
		granted, err := e.register(t.RegisterS, k.stop)
		if err == nil {
			failures = 0
			// Well before it runs out, and not all trunks at one moment.
			timer.Reset(granted * time.Duration(75+rand.IntN(15)) / 100)
			continue
		}
		failures++
		pause := e.pause(failures, err)
		e.set(func() { e.state, e.why = "failed", err.Error() })
		c.srv.cfg.Log.Warn("registration with carrier failed", "trunk", t.Name, "err", err, "again_in", pause)
		timer.Reset(pause)
	}
}

// pause grows with every failure, and varies, so that a carrier that comes back
// does not meet everybody at once (RFC 5626 §4.5).
func (e *enrolment) pause(failures int, err error) time.Duration {
	base := e.srv.carriers.timers.Enrol
	d := min(longestPause, base<<min(failures-1, 10))
	var refused *enrolError
	if errors.As(err, &refused) {
		switch refused.status {
		case 401, 403, 404, 407:
			d = max(d, min(refusedPause, 30*base))
		}
		d = max(d, min(refused.after, longestPause))
	}
	return d/2 + time.Duration(rand.Int64N(int64(d/2)+1))
}

func (e *enrolment) set(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

// failed, trouble and from are asked under the carriers' lock as well.
func (e *enrolment) failed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state == "failed" && !e.srv.cfg.Now().Before(e.until)
}

func (e *enrolment) trouble() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.why
}

func (e *enrolment) from(ip netip.Addr) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.srv.cfg.Now().Before(e.until) {
		return false
	}
	return slices.Contains(e.ips, ip)
}

// routes are those a trunk's registrar has given us.
func (c *carriers) routes(trunk string) []string {
	c.mu.Lock()
	e := c.enrolled[trunk]
	c.mu.Unlock()
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.routes
}

// register registers with the first registrar that answers.
func (e *enrolment) register(expires int, stop <-chan struct{}) (granted time.Duration, err error) {
	if expires == 0 {
		expires = 3600
	}
	if why := e.srv.unheard(transportOf(e.trunk)); why != "" {
		return 0, errors.New(why)
	}
	ws, err := e.registrars()
	if err != nil {
		return 0, fmt.Errorf("DNS: %w", err)
	}
	c := e.srv.carriers
	for i, w := range ws {
		if i == mostAttempts {
			break
		}
		begun := e.srv.cfg.Now()
		var res *sip.Response
		res, err = e.exchange(w, expires, stop, c.patience(e.trunk))
		if err != nil {
			if errors.Is(err, errStopped) {
				return 0, err
			}
			c.failed(e.trunk.Name, w, "REGISTER: "+err.Error())
			continue
		}
		c.answered(e.trunk.Name, w, e.srv.cfg.Now().Sub(begun))
		if res.StatusCode >= 200 && res.StatusCode < 300 {
			return e.taken(ws, w, res, expires), nil
		}
		err = &enrolError{res.StatusCode, plain(res.Reason), retrySeconds(res)}
		e.set(func() { e.status = res.StatusCode })
		if !elsewhere(res.StatusCode, false) {
			return 0, err
		}
		c.failed(e.trunk.Name, w, "REGISTER: "+err.Error())
	}
	return 0, err
}

// registrars are where to register, the one that took us last first.
func (e *enrolment) registrars() ([]way, error) {
	c := e.srv.carriers
	ctx, cancel := e.srv.within(c.timers.Resolve)
	defer cancel()
	gateways := e.trunk.Gateways()
	if e.trunk.Registrar != "" {
		gateways = []routing.Gateway{{Host: e.trunk.Registrar}}
	}
	ws, err := c.ways(ctx, e.trunk, gateways)
	if err != nil {
		return nil, err
	}
	for i, w := range ws {
		if w.Addr == e.at.Addr && i > 0 {
			copy(ws[1:i+1], ws[:i])
			ws[0] = w
			break
		}
	}
	return ws, nil
}

// taken notes what a 200 says, and returns for how long.
func (e *enrolment) taken(ws []way, w way, res *sip.Response, asked int) time.Duration {
	granted := lifeSpan(header(&res.MessageData, "Expires"), time.Duration(asked)*time.Second)
	us := e.srv.local(Flow{Transport: transportOf(e.trunk), Remote: w.Addr.String()})
	for _, h := range res.GetHeaders("contact") {
		// Ours among those of other places that are registered as well (§10.2.4).
		c, ok := h.(*sip.ContactHeader)
		if !ok || userOf(&c.Address) != e.trunk.Username {
			continue
		}
		v, _ := c.Params.Get("expires")
		granted = lifeSpan(v, granted)
		if us != nil && strings.EqualFold(c.Address.Host, us.host) && c.Address.Port == us.port {
			break // else a registrar has rewritten it, and any may be ours
		}
	}
	var routes []string
	for _, h := range res.GetHeaders("service-route") {
		for r := range strings.SplitSeq(h.Value(), ",") {
			if r = strings.TrimSpace(r); r != "" {
				routes = append(routes, r)
			}
		}
	}
	fresh := false
	e.set(func() {
		fresh = e.state != "registered"
		e.state, e.why, e.status, e.routes = "registered", "", res.StatusCode, routes
		e.until, e.ips = e.srv.cfg.Now().Add(granted), nil
		for _, w := range ws { // calls may come by any machine of the registrar's name
			e.ips = append(e.ips, w.Addr.Addr())
		}
	})
	e.at = w
	if fresh {
		e.srv.cfg.Log.Info("registered with carrier", "trunk", e.trunk.Name, "registrar", w.Addr.String(), "for", granted)
	}
	return granted
}

// lifeSpan reads a number of seconds as a carrier grants it. One that means "for
// ever" is cut: as a duration it is beyond all counting, and we would register
// without a pause.
func lifeSpan(s string, otherwise time.Duration) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
	if err != nil || n == 0 {
		return otherwise
	}
	return time.Duration(min(n, 7*86400)) * time.Second
}

// leave takes the registration out, if there is one.
func (e *enrolment) leave() {
	e.mu.Lock()
	there := e.srv.cfg.Now().Before(e.until)
	e.state, e.until = "ended", time.Time{}
	e.mu.Unlock()
	if there {
		_, _ = e.exchange(e.at, 0, nil, min(unregisterWait, e.srv.cfg.StopWait))
	}
}

var (
	errStopped = errors.New("stopped")
	errSilent  = errors.New("no answer")
)

// exchange sends a REGISTER, answers challenges and 423, and returns the final
// response. It is called by the enrolment's own goroutine.
func (e *enrolment) exchange(w way, expires int, stop <-chan struct{}, patience time.Duration) (*sip.Response, error) {
	g := &login{account: digest.Account{User: e.trunk.Username, Password: string(e.trunk.Password)}}
	longer := false
	for {
		req := e.request(w, expires)
		g.sign(req)
		ctx, cancel := e.srv.within(patience)
		res, err := e.srv.exchange(ctx, req, stop)
		cancel()
		if err != nil {
			return nil, err
		}
		switch code := res.StatusCode; {
		case code == 401 || code == 407:
			if !g.answer(res, sip.REGISTER, req.Recipient) {
				return res, nil
			}
		case code == 423 && !longer: // RFC 3261 §10.2.8
			n, _ := strconv.Atoi(header(&res.MessageData, "Min-Expires"))
			if n <= expires || n > 7*86400 {
				return res, nil
			}
			expires, longer = n, true
		default:
			return res, nil
		}
	}
}

// request is the next REGISTER of this enrolment: same Call-ID, next CSeq
// (RFC 3261 §10.2.4).
func (e *enrolment) request(w way, expires int) *sip.Request {
	transport := transportOf(e.trunk)
	iface := e.srv.local(Flow{Transport: transport, Remote: w.Addr.String()})
	domain := first(e.trunk.Domain, w.host)
	uri := sip.Uri{Scheme: "sip", Host: domain}
	if e.trunk.Domain == "" && w.named > 0 {
		uri.Port = w.named
	}
	req := sip.NewRequest(sip.REGISTER, uri)
	frame(req, iface, w.Addr.String())
	aor := sip.Uri{Scheme: "sip", User: e.trunk.Username, Host: domain}
	req.AppendHeader(&sip.FromHeader{Address: aor, Params: sip.HeaderParams{{K: "tag", V: e.tag}}})
	req.AppendHeader(&sip.ToHeader{Address: aor})
	id := sip.CallIDHeader(e.callID)
	req.AppendHeader(&id)
	e.seq++
	req.AppendHeader(&sip.CSeqHeader{SeqNo: e.seq, MethodName: sip.REGISTER})
	req.AppendHeader(iface.contact(e.trunk.Username))
	req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(expires)))
	req.AppendHeader(allowHeader())
	req.SetBody(nil)
	return req
}

// exchange sends a request outside any call and waits for its final response. Not to
// be called in a lane.
func (s *Server) exchange(ctx context.Context, req *sip.Request, stop <-chan struct{}) (*sip.Response, error) {
	type final struct {
		res *sip.Response
		err error
	}
	got := make(chan final, 1)
	tell := func(f final) {
		select {
		case got <- f:
		default:
		}
	}
	s.lanes.do(req.CallID().Value(), func() { //nolint:contextcheck // a transaction has its own time
		_, err := s.tx.send(req, func(res *sip.Response, err error) {
			if err != nil || res.StatusCode >= 200 {
				tell(final{res, err})
			}
		})
		if err != nil {
			tell(final{nil, err})
		}
	})
	select {
	case f := <-got:
		return f.res, f.err
	case <-stop:
		return nil, errStopped
	case <-ctx.Done():
		return nil, errSilent
	}
}

// retrySeconds is the Retry-After of a response.
func retrySeconds(res *sip.Response) time.Duration {
	v, _, _ := strings.Cut(header(&res.MessageData, "Retry-After"), ";")
	v, _, _ = strings.Cut(v, "(")
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

package sipua

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/queues"
)

// The bounds of a registration.
const (
	defaultExpires = 3600 * time.Second
	minExpires     = 60 * time.Second
	maxExpires     = 7200 * time.Second
	maxDevices     = 10 // per agent
	storeTimeout   = 2 * time.Second
)

// registrar knows where agents' phones are (RFC 3261 §10.3).
type registrar struct {
	cfg   Config
	stats *counters

	mu sync.Mutex
	m  map[string][]queues.Device // by agent
}

func newRegistrar(cfg Config, stats *counters) *registrar {
	return &registrar{cfg: cfg, stats: stats, m: map[string][]queues.Device{}}
}

// load takes over what an earlier process stored.
func (r *registrar) load(ctx context.Context) error {
	if r.cfg.Bindings == nil {
		return nil
	}
	ds, err := r.cfg.Bindings.Devices(ctx, "", r.cfg.Now())
	if err != nil {
		return fmt.Errorf("load registrations: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range ds {
		if d.Transport == "ws" && d.Node == r.cfg.Node {
			continue // its connection ended with the process that had it
		}
		r.m[d.Agent] = append(r.m[d.Agent], d)
	}
	return nil
}

// devices are an agent's phones that have not expired, the newest first.
func (r *registrar) devices(agent string) []queues.Device {
	now := r.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var ds []queues.Device
	for _, d := range r.m[agent] {
		if d.Expires.After(now) {
			ds = append(ds, d)
		}
	}
	return ds
}

func (r *registrar) len() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ds := range r.m {
		n += len(ds)
	}
	return n
}

// expire drops registrations that ran out.
func (r *registrar) expire() {
	now := r.cfg.Now()
	var gone []queues.Device
	r.mu.Lock()
	for agent, ds := range r.m {
		kept := ds[:0:0]
		for _, d := range ds {
			if d.Expires.After(now) {
				kept = append(kept, d)
			} else {
				gone = append(gone, d)
			}
		}
		r.set(agent, kept)
	}
	r.mu.Unlock()
	for _, d := range gone {
		if !r.drop(d) {
			return // the store is away; there they run out by themselves
		}
	}
}

// all are the devices there are.
func (r *registrar) all() []queues.Device {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []queues.Device
	for _, ds := range r.m {
		all = append(all, ds...)
	}
	return all
}

// lost drops the registrations made over a connection that is gone: a browser
// cannot be reached but over one it makes (RFC 7118 §5.2).
func (r *registrar) lost(transport, source string) {
	var gone []queues.Device
	r.mu.Lock()
	for agent, ds := range r.m {
		kept := ds[:0:0]
		for _, d := range ds {
			if d.Transport == transport && d.Source == source {
				gone = append(gone, d)
			} else {
				kept = append(kept, d)
			}
		}
		if len(kept) < len(ds) {
			r.set(agent, kept)
		}
	}
	r.mu.Unlock()
	for _, d := range gone {
		r.drop(d)
	}
}

// webSource is where the browser registered last whose Contact has that user and
// host, which are random and thus its own; "" if none is.
func (r *registrar) webSource(user, host string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ds := range r.m {
		for _, d := range ds {
			if d.Transport != "ws" {
				continue
			}
			if u, _, ok := uriOf("<" + d.Contact + ">"); ok && u.User == user && u.Host == host {
				return d.Source
			}
		}
	}
	return ""
}

// set replaces an agent's devices; mu is held.
func (r *registrar) set(agent string, ds []queues.Device) {
	if len(ds) == 0 {
		delete(r.m, agent)
		return
	}
	r.m[agent] = ds
}

// drop and keep write a registration through. A store that fails is logged: the
// phone stays registered here and is stored with its next refresh.
func (r *registrar) drop(d queues.Device) (dropped bool) {
	if r.cfg.Bindings == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	// Only as it was known here: the phone may have refreshed it in this moment.
	if err := r.cfg.Bindings.DropDevice(ctx, d); err != nil {
		r.cfg.Log.Warn("registration not removed from the store", "agent", d.Agent, "err", err)
		return false
	}
	return true
}

func (r *registrar) keep(d queues.Device) {
	if r.cfg.Bindings == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if err := r.cfg.Bindings.SaveDevice(ctx, d); err != nil {
		r.cfg.Log.Warn("registration not stored", "agent", d.Agent, "err", err)
	}
}

// change is what a REGISTER asks for: devices to keep, and contacts to drop.
type change struct {
	all  bool // Contact: *
	keep []queues.Device
	drop []string
}

// apply carries a change out, all of it or nothing, and returns the devices
// there are then. A request older than one with the same Call-ID is refused
// (RFC 3261 §10.3 steps 6 and 7).
func (r *registrar) apply(agent, callID string, seq uint32, c change) ([]queues.Device, *refusal) {
	now := r.cfg.Now()
	r.mu.Lock()
	old := r.m[agent]
	var kept, gone []queues.Device
	for _, d := range old {
		touched := c.all || slices.Contains(c.drop, d.Contact) || slices.ContainsFunc(c.keep, func(k queues.Device) bool {
			return k.Contact == d.Contact || (k.Instance != "" && k.Instance == d.Instance)
		})
		switch {
		case touched && d.CallID == callID && seq <= d.CSeq:
			r.mu.Unlock()
			return nil, refuse(500, "Out Of Order")
		case touched && !slices.ContainsFunc(c.keep, func(k queues.Device) bool { return k.Contact == d.Contact }):
			gone = append(gone, d)
		case !touched && d.Expires.After(now):
			kept = append(kept, d)
		}
	}
	if len(kept)+len(c.keep) > maxDevices {
		r.mu.Unlock()
		return nil, refuse(403, "Too Many Contacts")
	}
	result := append(slices.Clone(c.keep), kept...)
	r.set(agent, result)
	r.mu.Unlock()
	for _, d := range gone {
		r.drop(d)
	}
	for _, d := range c.keep {
		r.keep(d)
	}
	return result, nil
}

// register serves a REGISTER.
func (s *Server) register(req *sip.Request, tx *serverTx) {
	user := userOf(&req.To().Address)
	if !s.authenticated(req, tx, user) {
		return
	}
	acc, ok := s.cfg.Accounts.Account(user)
	if !ok {
		tx.status(403) // deleted since
		return
	}
	c, bad := s.wanted(req, tx, acc.Agent)
	if bad == nil {
		var ds []queues.Device
		if ds, bad = s.registrar.apply(acc.Agent, req.CallID().Value(), req.CSeq().SeqNo, c); bad == nil {
			s.stats.registered.Add(1)
			tx.status(200, append(s.listing(ds), pathsTaken(&req.MessageData)...)...)
			return
		}
	}
	res := newResponse(req, bad.code, bad.reason, tx.tag)
	for _, h := range bad.headers {
		res.AppendHeader(h)
	}
	_ = tx.respond(res)
}

// wanted reads the Contacts of a REGISTER. None is a question.
func (s *Server) wanted(req *sip.Request, tx *serverTx, agent string) (c change, bad *refusal) {
	def, given := defaultExpires, false
	if e := header(&req.MessageData, "Expires"); e != "" {
		if d, ok := seconds(e); ok {
			def, given = d, true
		}
	}
	path, bad := pathOf(&req.MessageData)
	if bad != nil {
		return c, bad
	}
	now := s.cfg.Now()
	contacts := req.GetHeaders("contact")
	for _, h := range contacts {
		ct, ok := h.(*sip.ContactHeader)
		if !ok {
			return c, refuse(400, "Bad Contact")
		}
		if ct.Address.Wildcard {
			if len(contacts) > 1 || !given || def != 0 {
				return c, refuse(400, "Contact * Needs Expires 0") // RFC 3261 §10.3 step 6
			}
			c.all = true
			return c, nil
		}
		exp := def
		if e, ok := ct.Params.Get("expires"); ok {
			if d, ok := seconds(e); ok {
				exp = d
			}
		}
		uri := ct.Address.String()
		if exp == 0 {
			c.drop = append(c.drop, uri)
			continue
		}
		if exp < minExpires {
			return c, refuse(423, "", sip.NewHeader("Min-Expires", strconv.Itoa(int(minExpires.Seconds()))))
		}
		if ct.Address.Host == "" {
			return c, refuse(400, "Bad Contact")
		}
		if len(path) == 0 && behindNAT(&ct.Address, tx.flow) { // else its proxy keeps it in reach
			exp = min(exp, natExpires)
		}
		instance, _ := ct.Params.Get("+sip.instance")
		c.keep = append(c.keep, queues.Device{
			Agent: agent, Contact: uri, Instance: strings.Trim(instance, `"`), Transport: tx.flow.Transport, Source: tx.flow.Remote, Local: tx.flow.Local, Path: path,
			UserAgent: plain(header(&req.MessageData, "User-Agent")), CallID: req.CallID().Value(), CSeq: req.CSeq().SeqNo, Node: s.cfg.Node,
			Expires: now.Add(min(exp, maxExpires)),
		})
	}
	return c, nil
}

// listing are the headers of a 200: every binding with the seconds it has left.
func (s *Server) listing(ds []queues.Device) []sip.Header {
	now := s.cfg.Now()
	ds = slices.Clone(ds)
	sort.SliceStable(ds, func(i, j int) bool { return ds[i].Contact < ds[j].Contact })
	var hs []sip.Header
	for _, d := range ds {
		v := fmt.Sprintf("<%s>;expires=%d", d.Contact, int(d.Expires.Sub(now).Seconds()+0.5))
		if d.Instance != "" {
			v += `;+sip.instance="` + d.Instance + `"`
		}
		hs = append(hs, sip.NewHeader("Contact", v))
	}
	hs = append(hs, sip.NewHeader("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")))
	return hs
}

// seconds reads a delta-seconds; nonsense is as if not there.
func seconds(s string) (time.Duration, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	return time.Duration(n) * time.Second, err == nil
}

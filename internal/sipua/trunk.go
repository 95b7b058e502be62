package sipua

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/sipua/resolve"
	"github.com/callyard/callyard/routing"
)

// TrunkTimers are times kept towards carriers. The zero value is what is said here.
type TrunkTimers struct {
	Try     time.Duration // 4 s: no answer of any kind; a trunk's try_s comes before it
	Avoid   time.Duration // 30 s: how long a gateway that failed is tried last
	Resolve time.Duration // 5 s: for DNS
	Enrol   time.Duration // 10 s: first pause after a registration that failed; doubled up to 30 min
	Listen  time.Duration // 3 s: how long a test call's tone is played
	Qualify time.Duration // for tests: in place of a trunk's qualify_s
}

func (t TrunkTimers) orDefault() TrunkTimers {
	for _, x := range []struct {
		at   *time.Duration
		want time.Duration
	}{{&t.Try, 4 * time.Second}, {&t.Avoid, 30 * time.Second}, {&t.Resolve, 5 * time.Second}, {&t.Enrol, 10 * time.Second}, {&t.Listen, 3 * time.Second}} {
		if *x.at == 0 {
			*x.at = x.want
		}
	}
	return t
}

// carriers is what is known of trunks besides their configuration.
type carriers struct {
	srv    *Server
	timers TrunkTimers
	dns    *resolve.Resolver
	rate   *buckets[string]

	mu       sync.Mutex
	gateways map[gatewayKey]*gateway
	counts   map[string]*trunkCounts
	enrolled map[string]*enrolment // by trunk
	tasks    map[string]*task      // registrations and qualifications under way
	trials   map[string]bool       // trunks with a test call under way
	shut     bool
}

func newCarriers(s *Server) *carriers {
	cfg := resolve.Config{Servers: s.cfg.DNS, Now: s.cfg.Now}
	if len(cfg.Servers) == 0 {
		cfg.System = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	return &carriers{
		srv: s, timers: s.cfg.TrunkTimers.orDefault(), dns: resolve.New(cfg), rate: newBuckets[string](1, 1, s.cfg.Now),
		gateways: map[gatewayKey]*gateway{}, counts: map[string]*trunkCounts{}, enrolled: map[string]*enrolment{}, tasks: map[string]*task{}, trials: map[string]bool{},
	}
}

// patience is how long a gateway may be silent.
func (c *carriers) patience(t routing.Trunk) time.Duration {
	if t.TryS > 0 {
		return time.Duration(t.TryS * float64(time.Second))
	}
	return c.timers.Try
}

// admits takes a call into a trunk's rate, both ways together.
func (c *carriers) admits(t routing.Trunk) bool {
	if t.CallsPerS <= 0 || c.rate.takeAt(t.Name, t.CallsPerS, max(1, t.CallsPerS)) {
		return true
	}
	c.count(t.Name, func(n *trunkCounts) { n.shed++ })
	return false
}

// order puts trunks that cannot carry a call now behind those that can.
func (c *carriers) order(ts []routing.Trunk) []routing.Trunk {
	ts = slices.Clone(ts)
	slices.SortStableFunc(ts, func(a, b routing.Trunk) int { return c.rank(a) - c.rank(b) })
	return ts
}

func (c *carriers) rank(t routing.Trunk) int {
	if why := c.down(t); why != "" {
		return 1
	}
	return 0
}

// down is why a trunk carries no calls now: not registered, or all of its
// gateways that are known have failed. "" if nothing is known against it.
func (c *carriers) down(t routing.Trunk) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.Register {
		if e := c.enrolled[t.Name]; e != nil && e.failed() {
			return "not registered: " + e.trouble()
		}
	}
	now, known, bad := c.srv.cfg.Now(), 0, ""
	for k, g := range c.gateways {
		if k.trunk != t.Name {
			continue
		}
		known++
		if !g.avoided(now) {
			return ""
		}
		bad = g.failure
	}
	if known == 0 {
		return ""
	}
	return "no gateway answers: " + bad
}

// task is a goroutine that serves one trunk until stopped.
type task struct {
	key  string // what it depends on: changed, it is begun anew
	stop chan struct{}
	done chan struct{}
}

// reconcile begins and ends registrations and qualifications as the trunks'
// configuration says now.
func (c *carriers) reconcile() {
	trunks := c.srv.cfg.Trunks()
	want := map[string]func(*task){}
	keys := map[string]string{}
	for _, t := range trunks {
		via := fmt.Sprint(t.Gateways(), t.Transport, t.Domain, t.TryS)
		if t.Register {
			name := "register " + t.Name
			keys[name] = fmt.Sprint(via, t.Username, string(t.Password), t.Registrar, t.RegisterS)
			want[name] = func(k *task) { c.enrol(t, k) }
		}
		if t.QualifyS > 0 && len(t.Gateways()) > 0 {
			name := "qualify " + t.Name
			keys[name] = fmt.Sprint(via, t.QualifyS)
			want[name] = func(k *task) { c.qualify(t, k) }
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return
	}
	for name, k := range c.tasks {
		if keys[name] != k.key {
			k.end()
		}
	}
	for name, run := range want {
		var after <-chan struct{}
		if old := c.tasks[name]; old != nil {
			if old.key == keys[name] {
				continue
			}
			after = old.done // the old one takes its leave of the registrar first
		}
		k := &task{key: keys[name], stop: make(chan struct{}), done: make(chan struct{})}
		c.tasks[name] = k
		c.srv.wg.Go(func() {
			defer close(k.done)
			if after != nil {
				<-after
			}
			run(k)
		})
	}
	for name, k := range c.tasks {
		if _, ok := want[name]; !ok {
			k.end()
			delete(c.tasks, name)
		}
	}
	c.forget(trunks)
}

// end is called under the carriers' lock.
func (k *task) end() {
	select {
	case <-k.stop:
	default:
		close(k.stop)
	}
}

// forget drops what is known of trunks that are gone. mu is held.
func (c *carriers) forget(trunks []routing.Trunk) {
	there := map[string]bool{}
	for _, t := range trunks {
		there[t.Name] = true
	}
	for k := range c.gateways {
		if !there[k.trunk] {
			delete(c.gateways, k)
		}
	}
	for name := range c.counts {
		if !there[name] {
			delete(c.counts, name)
		}
	}
}

// stop ends all tasks, which take their leave, and waits for them.
func (c *carriers) stop() {
	c.mu.Lock()
	c.shut = true
	var wait []chan struct{}
	for _, k := range c.tasks {
		k.end()
		wait = append(wait, k.done)
	}
	c.mu.Unlock()
	for _, done := range wait {
		<-done
	}
}

// TrunksChanged tells that Config.Trunks has something new to say: registrations
// begin and end at once.
func (s *Server) TrunksChanged() {
	select {
	case <-s.stopping:
	default:
		s.carriers.reconcile()
	}
}

// within is a context that ends after d, or with the server.
func (s *Server) within(d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	go func() {
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

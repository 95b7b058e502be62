package sipua_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/queues"
)

// store keeps registrations as the database would.
type store struct {
	mu sync.Mutex
	m  map[string]queues.Device
}

func (s *store) SaveDevice(_ context.Context, d queues.Device) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string]queues.Device{}
	}
	s.m[d.Agent+d.Contact] = d
	return nil
}

func (s *store) DropDevice(_ context.Context, d queues.Device) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if is := s.m[d.Agent+d.Contact]; is.CallID == d.CallID && is.CSeq <= d.CSeq {
		delete(s.m, d.Agent+d.Contact)
	}
	return nil
}

func (s *store) Devices(context.Context, string, time.Time) (ds []queues.Device, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.m {
		ds = append(ds, d)
	}
	return ds, nil
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) add(d time.Duration) { c.mu.Lock(); c.t = c.t.Add(d); c.mu.Unlock() }

// try sends a REGISTER with credentials for the challenge, and returns what came.
func try(p *peer, k *talk, challenge msg, code int, alg string, nc int, password string, headers ...string) msg {
	p.t.Helper()
	k.do("REGISTER", "", append(headers, authorization(challenge, "REGISTER", k.target, k.from, password, alg, nc))...)
	return p.status("REGISTER", code)
}

func TestRegister(t *testing.T) {
	challenged := func(h *hub, t *testing.T, user string) (*peer, *talk, msg) {
		p := udpPeer(t, h.udp)
		k := p.talk(user, user)
		k.target = "sip:" + h.udp
		k.do("REGISTER", "")
		return p, k, p.status("REGISTER", 401)
	}

	t.Run("SHA-256 is asked for first, MD5 second, both do", func(t *testing.T) {
		h := start(t)
		p, k, ch := challenged(h, t, "rep1")
		cs := ch.hdrs("WWW-Authenticate")
		if len(cs) != 2 || !strings.Contains(cs[0], "algorithm=SHA-256") || !strings.Contains(cs[1], "algorithm=MD5") || strings.Contains(ch.raw, "stale") {
			t.Fatalf("%q", cs)
		}
		res := try(p, k, ch, 200, "SHA-256", 1, "pw1", "Expires: 9999")
		if !strings.HasSuffix(res.hdr("Contact"), ";expires=7200") {
			t.Errorf("%s", res.hdr("Contact"))
		}
		try(p, k, ch, 200, "MD5", 1, "pw1")
		res = try(p, k, ch, 200, "MD5", 2, "pw1")
		if !strings.HasSuffix(res.hdr("Contact"), ";expires=3600") {
			t.Errorf("%s", res.hdr("Contact"))
		}
		// The count repeats: a replay, or a phone that restarted its count.
		if res := try(p, k, ch, 401, "MD5", 2, "pw1"); !strings.Contains(res.raw, "stale=true") {
			t.Errorf("%s", res.raw)
		}
	})

	t.Run("wrong passwords and unknown users look the same, and are slowed down", func(t *testing.T) {
		h := start(t)
		for _, user := range []string{"rep1", "nobody"} {
			p, k, ch := challenged(h, t, user)
			for i := range 10 {
				if res := try(p, k, ch, 401, "MD5", i+1, "guess"); strings.Contains(res.raw, "stale") {
					t.Fatalf("%s", res.raw)
				}
			}
			try(p, k, ch, 403, "MD5", 11, "pw1")
		}
		h.phone(t, "rep2", "pw2") // nobody else suffers
	})

	t.Run("MD5 alone, for clients that know no other", func(t *testing.T) {
		h := start(t, func(c *sipua.Config) { c.Digests = []string{"MD5"} })
		p, k, ch := challenged(h, t, "rep1")
		if cs := ch.hdrs("WWW-Authenticate"); len(cs) != 1 || !strings.Contains(cs[0], "algorithm=MD5") {
			t.Fatalf("%q", cs)
		}
		try(p, k, ch, 200, "MD5", 1, "pw1")
	})

	t.Run("of several credentials the best count", func(t *testing.T) {
		c := &clock{t: time.Unix(1e9, 0)}
		h := start(t, func(cfg *sipua.Config) { cfg.Now = c.now })
		p, k, ch := challenged(h, t, "rep1")
		try(p, k, ch, 200, "SHA-256", 1, "pw1")
		c.add(6 * time.Minute)
		stale := try(p, k, ch, 401, "SHA-256", 2, "pw1")
		// Linphone 5.1 then answers both challenges, one of them wrongly, and first.
		other := authorization(stale, "REGISTER", k.target, "rep1", "of another digest", "MD5", 1)
		foreign := strings.Replace(other, realm, "elsewhere", 1)
		try(p, k, stale, 200, "SHA-256", 1, "pw1", other, foreign)
	})

	t.Run("a nonce grows old", func(t *testing.T) {
		c := &clock{t: time.Unix(1e9, 0)}
		h := start(t, func(cfg *sipua.Config) { cfg.Now = c.now })
		p, k, ch := challenged(h, t, "rep1")
		c.add(6 * time.Minute)
		res := try(p, k, ch, 401, "MD5", 1, "pw1")
		if !strings.Contains(res.raw, "stale=true") {
			t.Errorf("%s", res.raw)
		}
		try(p, k, res, 200, "MD5", 1, "pw1")
	})

	t.Run("only for oneself", func(t *testing.T) {
		h := start(t)
		p := udpPeer(t, h.udp)
		k := p.talk("rep2", "rep2")
		k.target = "sip:" + h.udp
		k.do("REGISTER", "")
		ch := p.status("REGISTER", 401)
		k.do("REGISTER", "", authorization(ch, "REGISTER", k.target, "rep1", "pw1", "MD5", 1))
		p.status("REGISTER", 401)
	})

	t.Run("contacts come, are listed, refreshed, and go", func(t *testing.T) {
		st := &store{}
		h := start(t, func(c *sipua.Config) { c.Bindings = st })
		p, k, ch := challenged(h, t, "rep1")
		nc := 0
		do := func(code int, headers ...string) msg {
			nc++
			return try(p, k, ch, code, "MD5", nc, "pw1", headers...)
		}
		do(423, "Expires: 1")
		if h.Stats().Bindings != 0 {
			t.Error("a refused REGISTER left something")
		}
		do(400, "Contact: *", "Expires: 300")
		do(400, "Contact: *")
		do(400, "Contact: *", "Contact: <sip:a@127.0.0.1>", "Expires: 0")
		res := do(200, "Contact: <sip:a@127.0.0.1:5070>;expires=100, <sip:b@127.0.0.1:5071>", "Expires: 200", `User-Agent: Desk 1.0`)
		if got := res.hdrs("Contact"); !slices.Equal(got, []string{"<sip:a@127.0.0.1:5070>;expires=100", "<sip:b@127.0.0.1:5071>;expires=200"}) {
			t.Errorf("%q", got)
		}
		ds, _ := st.Devices(context.Background(), "", time.Time{})
		if len(ds) != 2 || ds[0].Agent != "rep1" || ds[0].Transport != "udp" || ds[0].Source != p.addr || ds[0].Local != h.udp || ds[0].UserAgent != "Desk 1.0" {
			t.Errorf("%+v", ds)
		}
		// A question: no Contact at all.
		nc++
		k.seq++
		q := k.message("REGISTER", "z9hG4bKq"+unique(), k.seq, "", authorization(ch, "REGISTER", k.target, "rep1", "pw1", "MD5", nc))
		p.send(strings.Replace(q, "Contact: <sip:rep1@"+p.addr+">\r\n", "", 1))
		if got := p.status("REGISTER", 200).hdrs("Contact"); len(got) != 2 {
			t.Errorf("%q", got)
		}
		res = do(200, "Contact: <sip:a@127.0.0.1:5070>;expires=0")
		if got := res.hdrs("Contact"); len(got) != 1 || !strings.Contains(got[0], "sip:b@") {
			t.Errorf("%q", got)
		}
		k.seq -= 3
		do(500, "Contact: <sip:b@127.0.0.1:5071>;expires=300") // older than what it refreshes
		k.seq += 3
		do(200, "Contact: *", "Expires: 0")
		if ds, _ := st.Devices(context.Background(), "", time.Time{}); len(ds) != 0 || h.Stats().Bindings != 0 {
			t.Errorf("%+v", ds)
		}
	})

	t.Run("a phone that restarted replaces itself", func(t *testing.T) {
		h := start(t)
		p, k, ch := challenged(h, t, "rep1")
		try(p, k, ch, 200, "MD5", 1, "pw1", `Contact: <sip:a@127.0.0.1:5070>;+sip.instance="<urn:uuid:1>"`)
		res := try(p, k, ch, 200, "MD5", 2, "pw1", `Contact: <sip:a@127.0.0.1:5079>;+sip.instance="<urn:uuid:1>"`)
		if got := res.hdrs("Contact"); len(got) != 1 || !strings.Contains(got[0], "5079") {
			t.Errorf("%q", got)
		}
	})

	t.Run("registrations run out, and survive a restart until then", func(t *testing.T) {
		c := &clock{t: time.Unix(1e9, 0)}
		st := &store{}
		h := start(t, func(cfg *sipua.Config) { cfg.Bindings, cfg.Now = st, c.now })
		h.phone(t, "rep1", "pw1")
		g := start(t, func(cfg *sipua.Config) { cfg.Bindings, cfg.Now = st, c.now })
		if legs, err := g.Dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{}); err != nil || len(legs) != 1 {
			t.Fatal(legs, err)
		}
		c.add(301 * time.Second)
		if _, err := g.Dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{}); err == nil {
			t.Error("a phone that is gone was dialled")
		}
	})

	t.Run("behind NAT a phone is reached where it spoke from", func(t *testing.T) {
		h := start(t)
		p, k, ch := challenged(h, t, "rep1")
		try(p, k, ch, 200, "MD5", 1, "pw1", "Contact: <sip:a@10.0.0.9:5060>")
		if _, err := h.Dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{}); err != nil {
			t.Fatal(err)
		}
		if inv := p.request("INVITE"); !strings.HasPrefix(inv.first(), "INVITE sip:a@10.0.0.9:5060 ") {
			t.Errorf("%s", inv.first())
		}
	})

	t.Run("on the same host a phone is reached where it says it listens", func(t *testing.T) {
		h := start(t)
		q := udpPeer(t, h.udp)
		p, k, ch := challenged(h, t, "rep1")
		try(p, k, ch, 200, "MD5", 1, "pw1", "Contact: <sip:a@"+q.addr+">")
		if _, err := h.Dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{}); err != nil {
			t.Fatal(err)
		}
		q.request("INVITE")
	})
}

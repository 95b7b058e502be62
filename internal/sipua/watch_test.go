package sipua_test

import (
	"crypto/tls"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/lamps"
	"github.com/callyard/callyard/internal/sipua"
)

// legsOf are the places that a test has a hub know.
type legsOf struct {
	mu   sync.Mutex
	legs map[string][]callctl.Leg
}

func (p *legsOf) places(id call.ID, agent string) []callctl.Leg {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.legs[string(id)+" "+agent]
}

func (p *legsOf) put(id call.ID, agent string, legs ...callctl.Leg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.legs[string(id)+" "+agent] = legs
}

func (w *wall) put(h *hub, code string, l lamps.Lamp) {
	w.mu.Lock()
	w.lamps[code] = l
	w.mu.Unlock()
	h.LampsChanged()
}

var dialogOf = regexp.MustCompile(`call-id="([^"]*)" local-tag="([^"]*)" remote-tag="([^"]*)" direction="([a-z]+)"`)

// A lamp names the dialog with the watched party's tag as the local one, once that
// party has one (RFC 4235 §4.1.2).
func TestLampNamesTheDialog(t *testing.T) {
	p := &legsOf{legs: map[string][]callctl.Leg{}}
	h, wall := lit(t, func(c *sipua.Config) { c.Places = p.places })
	desk := h.phone(t, "rep1", "pw1")
	watcher := udpPeer(t, h.udp)
	w, _ := subscribe(watcher, "rep2", "201", 200, "Event: dialog")
	w.told(0, "terminated")

	leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
	inv := desk.request("INVITE")
	p.put("call_1", "rep1", leg.leg)
	wall.put(h, "201", lamps.Lamp{State: lamps.Blinking, Agent: "rep1", Call: "call_1"})
	if m := w.told(1, "early"); dialogOf.MatchString(m.body()) {
		t.Errorf("the phone has not answered yet: there is no dialog\n%s", m.body())
	}
	watcher.quiet(100*time.Millisecond, func(m msg) bool { return m.method() == "NOTIFY" }) // its answer has been seen
	desk.reply(inv, 180, "ofRep1", "")
	event[callctl.LegRang](leg)
	m := w.told(2, "early") // nothing but the 180 has said so
	_, ours, _ := strings.Cut(inv.hdr("From"), ";tag=")
	want := []string{inv.hdr("Call-ID"), "ofRep1", ours, "recipient"}
	if got := dialogOf.FindStringSubmatch(m.body()); got == nil || strings.Join(got[1:], " ") != strings.Join(want, " ") {
		t.Fatalf("%q, want %q\n%s", got, want, m.body())
	}

	// A caller who is parked: the far tag is the caller's, also there.
	caller := udpPeer(t, h.udp)
	k := caller.talk("+34600000001", "700")
	k.do("INVITE", offer())
	in, _ := h.incoming()
	in.leg.Answer(callctl.Party{})
	k.up(caller.status("INVITE", 200))
	k.ack("")
	event[callctl.LegAnswered](in)
	p.put("call_2", "", in.leg)
	v, _ := subscribe(watcher, "rep2", "701", 200, "Event: dialog")
	v.told(0, "terminated")
	wall.put(h, "701", lamps.Lamp{State: lamps.Lit, Call: "call_2"})
	m = v.told(1, "confirmed")
	want = []string{k.callID, k.fromTag, k.toTag, "recipient"}
	if got := dialogOf.FindStringSubmatch(m.body()); got == nil || strings.Join(got[1:], " ") != strings.Join(want, " ") {
		t.Fatalf("%q, want %q\n%s", got, want, m.body())
	}
	desk.reply(inv, 486, "ofRep1", "")
	desk.request("ACK")
	k.do("BYE", "")
	caller.status("BYE", 200)
}

// A phone that is gone without a word loses its subscription once a NOTIFY has not
// been answered, and is told nothing more.
func TestPhoneVanishes(t *testing.T) {
	h, wall := lit(t)
	p := udpPeer(t, h.udp)
	w, _ := subscribe(p, "rep1", "701", 200, dialogEvent)
	w.told(0, "terminated")
	wall.set(h, lamps.Lit, "701")
	p.request("NOTIFY")
	h.until(t, "the subscription is over", func() bool {
		st := h.Stats()
		return st.Subscriptions == 0 && st.NotifiesFailed == 1
	})
	wall.set(h, lamps.Dark, "701")
	h.until(t, "nothing more is sent", func() bool { return h.Stats().Notifies == 2 })
	w.again(481, dialogEvent)
}

func TestSubscriptionOverTLSAndWebSocket(t *testing.T) {
	ca := newAuthority(t)
	cert, key := ca.certify("hub", 2, "127.0.0.1")
	for name, connect := range map[string]func(*testing.T, *hub) (p *peer, cut func() error){
		"TLS": func(t *testing.T, h *hub) (*peer, func() error) {
			p, err := tlsPeer(t, h.addr("tls "), &tls.Config{RootCAs: ca.pool(), MinVersion: tls.VersionTLS12})
			if err != nil {
				t.Fatal(err)
			}
			p.secure = true
			return p, p.tcp.Close
		},
		"WebSocket": func(t *testing.T, h *hub) (*peer, func() error) {
			p := webPeer(t, h.front())
			return p, p.web.Close
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, wall := lit(t, func(c *sipua.Config) {
				c.Listen = append(c.Listen, sipua.Interface{Transport: "tls", Bind: "127.0.0.1:0", CertFile: cert, KeyFile: key})
			})
			p, cut := connect(t, h)
			w, _ := subscribe(p, "rep1", "701", 200, dialogEvent)
			w.told(0, "terminated")
			wall.set(h, lamps.Lit, "701")
			w.told(1, "confirmed") // over the connection that asked: there is no other way
			w.again(200, dialogEvent, "Expires: 600")
			w.told(2, "confirmed")
			if err := cut(); err != nil {
				t.Fatal(err)
			}
			h.until(t, "the connection is known to be closed", func() bool { return h.Stats().Streams == 0 })
			wall.set(h, lamps.Dark, "701")
			h.until(t, "the subscription is over", func() bool {
				st := h.Stats()
				return st.Subscriptions == 0 && st.NotifiesFailed == 1
			})
		})
	}
}

func TestSubscriptionsAreBounded(t *testing.T) {
	h, _ := lit(t, func(c *sipua.Config) { c.Watches = 2 })
	p := udpPeer(t, h.udp)
	first, _ := subscribe(p, "rep1", "701", 200, dialogEvent)
	first.told(0, "terminated")
	second, _ := subscribe(p, "rep2", "701", 200, dialogEvent)
	second.told(0, "terminated")
	if _, res := subscribe(p, "rep1", "702", 503, dialogEvent); res.hdr("Retry-After") == "" {
		t.Errorf("%s", res.raw)
	}
	first.again(200, dialogEvent) // who is in stays in
	first.told(1, "terminated")
	first.again(200, dialogEvent, "Expires: 0")
	first.told(2, "terminated")
	third, _ := subscribe(p, "rep1", "702", 200, dialogEvent)
	third.told(0, "terminated")
}

// staff are accounts that change.
type staff struct {
	mu sync.Mutex
	accounts
}

func (s *staff) Account(user string) (sipua.Account, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts.Account(user)
}

// Who has been deleted watches no more, and is told nothing with the last word.
func TestSubscriptionOfADeletedAgent(t *testing.T) {
	team := &staff{accounts: accounts{"rep1": account("rep1", "pw1"), "rep2": account("rep2", "pw2")}}
	h, wall := lit(t, func(c *sipua.Config) { c.Accounts = team })
	p := udpPeer(t, h.udp)
	w, _ := subscribe(p, "rep1", "701", 200, dialogEvent)
	w.told(0, "terminated")
	stays, _ := subscribe(p, "rep2", "702", 200, dialogEvent)
	stays.told(0, "terminated")
	h.AccountsChanged() // and nobody has gone
	wall.set(h, lamps.Lit, "701")
	w.told(1, "confirmed")
	team.mu.Lock()
	delete(team.accounts, "rep1")
	team.mu.Unlock()
	h.AccountsChanged()
	if m := w.told(2, "terminated"); m.hdr("Subscription-State") != "terminated;reason=rejected" || strings.Contains(m.body(), "+34600000001") {
		t.Errorf("%s", m.raw)
	}
	wall.set(h, lamps.Lit, "702")
	stays.told(1, "confirmed")
	if n := h.Stats().Subscriptions; n != 1 {
		t.Errorf("%d subscriptions", n)
	}
}

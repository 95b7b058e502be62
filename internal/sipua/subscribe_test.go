package sipua_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/lamps"
	"github.com/callyard/callyard/internal/sipua"
)

// wall is lamps that a test switches.
type wall struct {
	mu    sync.Mutex
	lamps map[string]lamps.Lamp
	boxes map[string]lamps.Box
}

func (w *wall) Lamp(code string) (lamps.Lamp, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l, ok := w.lamps[code]
	if !ok {
		l.State = lamps.Dark
	}
	return l, ok
}

func (w *wall) Box(watcher, code string) (lamps.Box, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.boxes[code]
	b.Name = code
	return b, watcher == code || !strings.HasPrefix(code, "rep")
}

func (w *wall) Fresh(then func()) { then() }

// set changes lamps and makes it known.
func (w *wall) set(h *hub, s lamps.State, codes ...string) {
	w.mu.Lock()
	for _, c := range codes {
		w.lamps[c] = lamps.Lamp{State: s, Party: lamps.Party{Number: "+34600000001", Name: `Ana "x`}}
	}
	w.mu.Unlock()
	h.LampsChanged()
}

// lit is a hub with lamps.
func lit(t *testing.T, change ...func(*sipua.Config)) (*hub, *wall) {
	w := &wall{lamps: map[string]lamps.Lamp{}, boxes: map[string]lamps.Box{}}
	return start(t, append([]func(*sipua.Config){func(c *sipua.Config) {
		c.Lamps, c.Timers.MinWatch = w, time.Second
	}}, change...)...), w
}

// watches is a subscription of rep1 as a phone sees it.
type watches struct {
	*talk
	nc int
	ch msg
}

// subscribe asks, answers the challenge and returns the final answer.
func subscribe(p *peer, user, code string, status int, headers ...string) (*watches, msg) {
	p.t.Helper()
	w := &watches{talk: p.talk(user, code)}
	w.do("SUBSCRIBE", "", headers...)
	w.ch = p.status("SUBSCRIBE", 401)
	return w, w.again(status, headers...)
}

func (w *watches) again(status int, headers ...string) msg {
	w.p.t.Helper()
	w.nc++
	w.do("SUBSCRIBE", "", append(headers, authorization(w.ch, "SUBSCRIBE", w.target, w.from, "pw"+strings.TrimPrefix(w.from, "rep"), "MD5", w.nc))...)
	res := w.p.status("SUBSCRIBE", status)
	if status == 200 && w.toTag == "" {
		w.up(res)
	}
	return res
}

// told waits for a NOTIFY, answers it, and checks its version.
func (w *watches) told(version int, state string) msg {
	w.p.t.Helper()
	m := w.p.request("NOTIFY")
	w.p.reply(m, 200, w.fromTag, "")
	if got := version0(m); got != version {
		w.p.t.Fatalf("version %d, want %d\n%s", got, version, m.raw)
	}
	if !strings.Contains(m.body(), "<state>"+state+"</state>") || !strings.Contains(m.body(), `state="full"`) {
		w.p.t.Fatalf("want %s\n%s", state, m.raw)
	}
	return m
}

func version0(m msg) int {
	x := regexp.MustCompile(`version="(\d+)" state`).FindStringSubmatch(m.body())
	if x == nil {
		return -1
	}
	n, _ := strconv.Atoi(x[1])
	return n
}

const dialogEvent = "Event: dialog;id=7"

func TestSubscribe(t *testing.T) {
	t.Run("dark, lit, blinking, dark: each told once, in order", func(t *testing.T) {
		h, wall := lit(t)
		p := udpPeer(t, h.udp)
		w, res := subscribe(p, "rep1", "701", 200, dialogEvent, "Expires: 99999")
		if res.hdr("Expires") != "3600" || res.uri("Contact") == "" {
			t.Errorf("%s", res.raw)
		}
		m := w.told(0, "terminated")
		for name, want := range map[string]string{"Event": "dialog;id=7", "Subscription-State": "active;expires=3600", "Content-Type": "application/dialog-info+xml", "Call-ID": w.callID} {
			if m.hdr(name) != want {
				t.Errorf("%s: %q, want %q", name, m.hdr(name), want)
			}
		}
		if !strings.Contains(m.hdr("To"), "tag="+w.fromTag) || !strings.Contains(m.hdr("From"), "tag="+w.toTag) {
			t.Errorf("%s", m.raw)
		}
		wall.set(h, lamps.Lit, "701")
		if m = w.told(1, "confirmed"); !strings.Contains(m.body(), `<identity display="Ana x">sip:+34600000001@127.0.0.1</identity>`) || !strings.Contains(m.body(), `entity="sip:701@127.0.0.1"`) {
			t.Errorf("%s", m.body())
		}
		h.LampsChanged() // and nothing has
		wall.set(h, lamps.Blinking, "701")
		w.told(2, "early")
		wall.set(h, lamps.Dark, "701")
		w.told(3, "terminated")
		w.again(200, dialogEvent, "Expires: 600") // a refresh is answered in full
		if m = w.told(4, "terminated"); m.hdr("Subscription-State") != "active;expires=600" {
			t.Error(m.hdr("Subscription-State"))
		}
		w.again(200, dialogEvent, "Expires: 0")
		if m = w.told(5, "terminated"); !strings.HasPrefix(m.hdr("Subscription-State"), "terminated") {
			t.Error(m.hdr("Subscription-State"))
		}
		w.again(481, dialogEvent)
		if st := h.Stats(); st.Subscriptions != 0 || st.Notifies != 6 || st.NotifiesFailed != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestSubscribeRefused(t *testing.T) {
	// Nobody answers the many NOTIFYs here.
	h, _ := lit(t, func(c *sipua.Config) { c.Timers.MinWatch, c.Timers.GiveUp = 0, time.Minute })
	p := udpPeer(t, h.udp)
	for _, headers := range [][]string{{"Event: presence"}, nil} {
		k := p.talk("rep1", "701")
		k.do("SUBSCRIBE", "", headers...)
		if res := p.status("SUBSCRIBE", 489); res.hdr("Allow-Events") != "dialog, message-summary, refer" {
			t.Errorf("%s", res.raw)
		}
	}
	if _, res := subscribe(p, "rep1", "701", 423, dialogEvent, "Expires: 59"); res.hdr("Min-Expires") != "60" {
		t.Errorf("%s", res.raw)
	}
	if _, res := subscribe(p, "rep1", "701", 406, dialogEvent, "Accept: application/pidf+xml"); res.hdr("Accept") != "application/dialog-info+xml" {
		t.Errorf("%s", res.raw)
	}
	subscribe(p, "rep1", "rep2", 403, "Event: message-summary") // somebody else's mailbox
	w, _ := subscribe(p, "rep1", "701", 200, dialogEvent, "Expires: 60")
	w.told(0, "terminated")
	w.again(423, dialogEvent, "Expires: 10")
	w.again(481, "Event: dialog;id=8")
	w.seq -= 3
	w.again(500, dialogEvent)
	// Of a process that is no more: begin anew.
	k := p.talk("rep1", "701")
	k.toTag = "gone"
	k.do("SUBSCRIBE", "", dialogEvent)
	p.status("SUBSCRIBE", 481)
	k = p.talk("stranger", "701")
	k.do("SUBSCRIBE", "", dialogEvent)
	p.status("SUBSCRIBE", 401)
	for range 199 {
		k := p.talk("rep1", "702")
		w.nc++
		k.do("SUBSCRIBE", "", "Event: dialog", authorization(w.ch, "SUBSCRIBE", k.target, "rep1", "pw1", "MD5", w.nc+1))
		p.status("SUBSCRIBE", 200)
	}
	k = p.talk("rep1", "703")
	k.do("SUBSCRIBE", "", "Event: dialog", authorization(w.ch, "SUBSCRIBE", k.target, "rep1", "pw1", "MD5", w.nc+2))
	if res := p.status("SUBSCRIBE", 403); !strings.Contains(res.first(), "Too Many Subscriptions") {
		t.Errorf("%s", res.raw)
	}
}

func TestSubscriptionEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expires string
		answer  func(p *peer, m msg) // of the first NOTIFY
		state   string               // of the last NOTIFY; "": none comes
		failed  int64
	}{
		"by expiry":                       {"1", func(p *peer, m msg) { p.reply(m, 200, "", "") }, "terminated;reason=timeout", 0},
		"when only asked for":             {"0", nil, "terminated;reason=timeout", 0},
		"when the phone knows it no more": {"300", func(p *peer, m msg) { p.reply(m, 481, "", "") }, "", 1},
		"when the phone refuses":          {"300", func(p *peer, m msg) { p.reply(m, 500, "", "") }, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			h, wall := lit(t)
			p := udpPeer(t, h.udp)
			w, _ := subscribe(p, "rep1", "701", 200, dialogEvent, "Expires: "+c.expires)
			m := p.request("NOTIFY")
			if c.answer != nil {
				c.answer(p, m)
				if c.state != "" {
					m = p.request("NOTIFY")
				}
			}
			if c.state != "" && m.hdr("Subscription-State") != c.state {
				t.Errorf("%s", m.raw)
			}
			if c.state != "" {
				p.reply(m, 200, "", "")
			}
			h.until(t, "the subscription is gone", func() bool {
				st := h.Stats()
				return st.Subscriptions == 0 && st.NotifiesFailed == c.failed
			})
			wall.set(h, lamps.Lit, "701")
			w.again(481, dialogEvent)
		})
	}

	t.Run("not by a phone that asks for patience", func(t *testing.T) {
		h, _ := lit(t)
		p := udpPeer(t, h.udp)
		w, _ := subscribe(p, "rep1", "701", 200, dialogEvent)
		p.reply(p.request("NOTIFY"), 503, "", "", "Retry-After: 1")
		w.told(1, "terminated")
	})

	t.Run("by our going, with an invitation to come back", func(t *testing.T) {
		h, _ := lit(t)
		p := udpPeer(t, h.udp)
		w, _ := subscribe(p, "rep1", "701", 200, dialogEvent)
		w.told(0, "terminated")
		h.Stop()
		if m := p.request("NOTIFY"); m.hdr("Subscription-State") != "terminated;reason=probation;retry-after=10" {
			t.Errorf("%s", m.raw)
		}
	})
}

// A lamp that flickers is told of as it is in the end; one phone never has two
// NOTIFYs to put in order.
func TestLampsAreToldSparingly(t *testing.T) {
	h, wall := lit(t)
	p := udpPeer(t, h.udp)
	w, _ := subscribe(p, "rep1", "701", 200, dialogEvent)
	w.told(0, "terminated")
	wall.set(h, lamps.Lit, "701")
	m := p.request("NOTIFY")
	for i := range 20 {
		wall.set(h, []lamps.State{lamps.Lit, lamps.Blinking}[i%2], "701")
	}
	p.quiet(200*time.Millisecond, func(x msg) bool { return x.method() == "NOTIFY" && version0(x) != 1 }) // until that is answered
	p.reply(m, 200, "", "")
	for {
		// Repetitions of the one before may still come.
		if m = p.request("NOTIFY"); version0(m) == 2 {
			break
		}
		p.reply(m, 200, "", "")
	}
	if !strings.Contains(m.body(), "early") {
		t.Errorf("%s", m.raw)
	}
}

// A change that many watch is spread over time, and reaches all.
func TestLampsArePaced(t *testing.T) {
	t.Parallel()
	h, wall := lit(t)
	p := udpPeer(t, h.udp)
	w, _ := subscribe(p, "rep1", "900", 200, dialogEvent)
	w.told(0, "terminated")
	const keys = 90
	for i := range keys {
		k := p.talk("rep1", fmt.Sprint(100+i))
		k.do("SUBSCRIBE", "", "Event: dialog", authorization(w.ch, "SUBSCRIBE", k.target, "rep1", "pw1", "MD5", i+2))
		p.reply(p.request("NOTIFY"), 200, k.fromTag, "")
	}
	var codes []string
	for i := range keys {
		codes = append(codes, fmt.Sprint(100+i))
	}
	wall.set(h, lamps.Lit, codes...)
	begun, seen := time.Now(), map[string]bool{}
	for len(seen) < keys {
		m := p.request("NOTIFY")
		p.reply(m, 200, "", "")
		seen[m.hdr("Call-ID")] = true
	}
	// 50 at most at once, the other 40 at 50 a second.
	if took := time.Since(begun); took < 700*time.Millisecond {
		t.Errorf("%d phones told in %s", keys, took)
	}
}

// Behind NAT, or over a stream, a phone is told where it asked from.
func TestSubscriptionKeepsToItsFlow(t *testing.T) {
	t.Run("behind NAT", func(t *testing.T) {
		h, wall := lit(t)
		p := udpPeer(t, h.udp)
		w, _ := subscribe(p, "rep1", "701", 200, dialogEvent, "Contact: <sip:a@10.0.0.9:5060>")
		if m := w.told(0, "terminated"); !strings.HasPrefix(m.first(), "NOTIFY sip:a@10.0.0.9:5060 ") {
			t.Errorf("%s", m.raw)
		}
		// The NAT has given it another port.
		q := udpPeer(t, h.udp)
		w.p = q
		w.again(200, dialogEvent, "Contact: <sip:a@10.0.0.9:5060>")
		w.told(1, "terminated")
		wall.set(h, lamps.Lit, "701")
		w.told(2, "confirmed")
	})
	t.Run("over TCP, until it is closed", func(t *testing.T) {
		h, wall := lit(t)
		p := tcpPeer(t, h.tcp)
		w, _ := subscribe(p, "rep1", "701", 200, dialogEvent, "Contact: <sip:a@127.0.0.1:1;transport=tcp>")
		w.told(0, "terminated")
		wall.set(h, lamps.Lit, "701")
		w.told(1, "confirmed")
		_ = p.tcp.Close()
		h.until(t, "the connection is known to be closed", func() bool { return h.Stats().Streams == 0 })
		wall.set(h, lamps.Dark, "701")
		h.until(t, "the subscription is over", func() bool {
			st := h.Stats()
			return st.Subscriptions == 0 && st.NotifiesFailed == 1
		})
	})
}

func TestMessagesWait(t *testing.T) {
	h, wall := lit(t)
	p := udpPeer(t, h.udp)
	subscribe(p, "rep1", "rep1", 200, "Event: message-summary", "Accept: application/simple-message-summary")
	m := p.request("NOTIFY")
	p.reply(m, 200, "", "")
	if m.hdr("Content-Type") != "application/simple-message-summary" || m.body() != "Messages-Waiting: no\r\nMessage-Account: sip:rep1@127.0.0.1\r\nVoice-Message: 0/0 (0/0)\r\n" {
		t.Errorf("%s", m.raw)
	}
	wall.mu.Lock()
	wall.boxes["rep1"] = lamps.Box{New: 2, Heard: 1}
	wall.mu.Unlock()
	h.LampsChanged()
	if m = p.request("NOTIFY"); !strings.Contains(m.body(), "Messages-Waiting: yes\r\n") || !strings.Contains(m.body(), "Voice-Message: 2/1 (0/0)") {
		t.Errorf("%s", m.raw)
	}
	p.reply(m, 200, "", "")
}

// until asks until the answer is yes.
func (h *hub) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not in time: %s; %+v", what, h.Stats())
		case <-tick.C:
		}
	}
}

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/app"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/softphone"
)

// refusal is how a call that is not answered was refused.
func refusal(t *testing.T, d *softphone.Dialog) *softphone.StatusError {
	t.Helper()
	var refused *softphone.StatusError
	if err := d.WaitAnswered(within(t, 20*time.Second)); !errors.As(err, &refused) {
		t.Fatalf("the call should be refused: %v", err)
	}
	return refused
}

// What is not SIP, or hardly, disturbs nobody.
func TestGarbage(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	trunk := h.callers()
	caller := h.calls(trunk, parks)
	id := h.newCall()
	h.told(id, call.Parked)

	invite := "INVITE sip:+12025550100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKgarbage\r\nMax-Forwards: 70\r\n" +
		"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:+12025550100@127.0.0.1>\r\nCall-ID: garbage\r\nCSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1:9>\r\n"
	bad := [][]byte{
		{},
		{0},
		[]byte("\r\n\r\n"), []byte("x"), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), []byte("INVITE"), []byte("INVITE sip: SIP/2.0\r\n\r\n"),
		[]byte("SIP/2.0 200 OK\r\n\r\n"), []byte("SIP/2.0 999999999999999999999 X\r\n\r\n"),
		[]byte(invite + "Content-Length: -1\r\n\r\n"), []byte(invite + "Content-Length: 99999999999\r\n\r\nv=0"),
		[]byte(invite + "Content-Type: application/sdp\r\nContent-Length: 9\r\n\r\nnot sdp\r\n"),
		[]byte(strings.Replace(invite, "CSeq: 1 INVITE", "CSeq: 99999999999999 INVITE", 1) + "Content-Length: 0\r\n\r\n"),
		[]byte(strings.Replace(invite, "CSeq: 1 INVITE", "CSeq: 1 BYE", 1) + "Content-Length: 0\r\n\r\n"),
		[]byte(strings.Replace(invite, "Via: SIP/2.0/UDP", "Via: \x00\xff\xfe", 1) + "Content-Length: 0\r\n\r\n"),
		[]byte(strings.Replace(invite, "From: <sip:a@127.0.0.1>;tag=1\r\n", "", 1) + "Content-Length: 0\r\n\r\n"),
		[]byte(strings.Replace(invite, "Call-ID: garbage\r\n", "", 1) + "Content-Length: 0\r\n\r\n"),
		[]byte("BYE sip:x@127.0.0.1 SIP/2.0\r\n" + invite[strings.Index(invite, "Via"):] + "Content-Length: 0\r\n\r\n"),
		bytes.Repeat([]byte("A"), 60000), []byte(invite + "X: " + strings.Repeat("y", 50000) + "\r\n\r\n"),
		[]byte("REGISTER sip:127.0.0.1 SIP/2.0\r\n" + strings.Repeat("Via: SIP/2.0/UDP 127.0.0.1:9\r\n", 1000) + "\r\n"),
	}
	dice := rand.New(rand.NewPCG(1, 2)) // the same garbage each time
	for range 300 {
		b := []byte(invite + "Content-Length: 0\r\n\r\n")
		for range 1 + dice.IntN(20) {
			b[dice.IntN(len(b))] = byte(dice.UintN(256))
		}
		bad = append(bad, b[:dice.IntN(len(b)+1)])
	}
	udp, err := net.Dial("udp", h.sip)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	for i, b := range bad {
		if _, err := udp.Write(b); err != nil {
			t.Fatal(err)
		}
		if i%3 != 0 {
			continue
		}
		tcp, err := net.Dial("tcp", h.SIPAddr("tcp"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = tcp.Write(b) // the hub may have hung up before all is written
		_ = tcp.Close()
	}

	// Some of it was an INVITE nearly enough to be one; nobody acknowledges, and it
	// is in nobody's way.
	hears(t, "the parked caller", caller, musicHz)
	d := h.dialled(h.rep("rep2", softphone.Manual), "rep2", strconv.Itoa(h.onlyPark(id).Slot))
	hears(t, "the caller", caller, repHz["rep2"])
	d.Hangup()
	ends(t, "the caller", caller)
	h.over(id, "answered")
}

func TestWhoIsRefused(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	trunk := h.callers()

	t.Run("a number nobody has", func(t *testing.T) {
		r := refusal(t, h.dials(trunk, "+12025559999"))
		if text := r.Header.Get("Reason") + r.Header.Get("Warning"); r.Status != 404 || !strings.Contains(text, "+12025559999") {
			t.Errorf("%v: %q should name the number", r, text)
		}
	})
	t.Run("a wrong password, which is not tried for ever", func(t *testing.T) {
		p := h.phone(softphone.Config{Hub: h.sip, User: "rep1", Password: "wrong"})
		var registers, invites atomic.Int32
		p.DropOutgoing(func(m *softphone.Message) bool {
			switch m.Method {
			case "REGISTER":
				registers.Add(1)
			case "INVITE":
				invites.Add(1)
			}
			return false
		})
		var refused *softphone.StatusError
		if err := p.Register(within(t, 15*time.Second), time.Minute); !errors.As(err, &refused) || (refused.Status != 401 && refused.Status != 403) {
			t.Errorf("registers: %v", err)
		}
		if r := refusal(t, h.dials(p, "202")); r.Status != 401 && r.Status != 403 {
			t.Errorf("calls: %v", r)
		}
		if registers.Load() > 3 || invites.Load() > 3 {
			t.Errorf("%d REGISTERs and %d INVITEs", registers.Load(), invites.Load())
		}
		if ds, err := h.Agents.Devices(t.Context(), "rep1", time.Now()); err != nil || len(ds) != 0 {
			t.Errorf("%v %v", ds, err)
		}
	})
	t.Run("a stranger in a rep's name", func(t *testing.T) {
		p := h.phone(softphone.Config{Hub: h.sip, User: "rep1"})
		if r := refusal(t, h.dials(p, "202")); r.Status != 401 {
			t.Errorf("%v", r)
		}
		if r := refusal(t, h.dials(p, parks)); r.Status != 401 {
			t.Errorf("%v", r)
		}
	})
	t.Run("who dials a slot from outside", func(t *testing.T) {
		parked := h.calls(trunk, parks)
		id := h.newCall()
		slot := h.told(id, call.Parked).Slot
		for who, p := range map[string]*softphone.Phone{
			"a caller":                  trunk,
			"a stranger":                h.phone(softphone.Config{Hub: h.sip, User: "stranger"}),
			"a stranger in rep2's name": h.phone(softphone.Config{Hub: h.sip, User: "rep2"}),
		} {
			if r := refusal(t, h.dials(p, slot)); r.Status/100 != 4 {
				t.Errorf("%s: %v", who, r)
			}
		}
		hears(t, "the parked caller", parked, musicHz)
		if p := h.onlyPark(id); p.State != "parked" {
			t.Errorf("%+v", p)
		}
		parked.Hangup()
		h.over(id, "abandoned")
	})
	t.Run("who comes from nowhere we know", func(t *testing.T) {
		h.apply(`trunks: [{name: loopback, sources: ["192.0.2.0/24"]}]`)
		if r := refusal(t, h.dials(trunk, parks)); r.Status != 403 {
			t.Errorf("%v", r)
		}
		if r := refusal(t, h.dials(h.phone(softphone.Config{Hub: h.sip, User: "stranger"}), "201")); r.Status != 403 {
			t.Errorf("%v", r)
		}
	})
	if live := h.Hub.Live(); len(live) != 0 {
		t.Errorf("%+v", live)
	}
}

func TestSecondHub(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	second := func(change option) error {
		t.Helper()
		cfg := config.Default()
		cfg.Node, cfg.DataDir, cfg.Database = "second", t.TempDir(), h.DB.Pool.Config().ConnString()
		cfg.SIP.Listen, cfg.HTTP.Listen, cfg.HTTP.Ops = []string{"udp:127.0.0.1:0"}, "127.0.0.1:0", ""
		change(&cfg)
		a, err := app.Start(within(t, 30*time.Second), cfg, logger(t))
		if err == nil {
			t.Error("should not start")
			_ = a.Stop(t.Context())
			return errors.New("")
		}
		return err
	}
	for _, tt := range []struct {
		name   string
		change option
		want   []string
	}{
		{"on the same folder", func(c *config.Config) { c.DataDir = h.dir }, []string{h.dir, "process id " + strconv.Itoa(os.Getpid())}},
		{"on the same SIP port", func(c *config.Config) { c.SIP.Listen = []string{"udp:" + h.sip} }, []string{h.sip, "in use"}},
		{"on the same SIP port over TCP", func(c *config.Config) { c.SIP.Listen = []string{"tcp:" + h.SIPAddr("tcp")} }, []string{h.SIPAddr("tcp"), "in use"}},
		{"on the same HTTP port", func(c *config.Config) { c.HTTP.Listen = h.HTTPAddr() }, []string{h.HTTPAddr(), "in use", "http.listen"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := second(tt.change)
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v: does not say %q", err, w)
				}
			}
		})
	}
	caller := h.calls(h.callers(), parks) // and the first goes on
	id := h.newCall()
	hears(t, "the caller", caller, musicHz)
	caller.Hangup()
	h.over(id, "abandoned")
}

// A flow with faults is refused with each of them, and nothing of the file that
// it stands in takes effect.
func TestFaultyFlow(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	trunk := h.callers()
	for _, tt := range []struct{ name, nodes, faults string }{
		{"its shape", `{"answer": {"type": "answer", "on": {"default": "odd"}}, "odd": {"type": "sing", "on": {"default": "odder"}}, "odder": {"type": "dance"}}`, "sing dance"},
		{"what it names", `{"answer": {"type": "answer", "on": {"default": "park"}},
			"park": {"type": "park", "cfg": {"lot": "nowhere", "max_park_s": 60, "ladder": [{"after_s": 60, "do": "goto", "outcome": "expired"}]}, "on": {"default": "queue"}},
			"queue": {"type": "queue", "cfg": {"queue": "nobody"}, "on": {"default": "missing"}}}`, "nowhere nobody missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var refused struct {
				Code   string
				Errors []struct{ Message, Location string }
			}
			h.post(http.StatusUnprocessableEntity, "/v1/apply", json.RawMessage(`{
				"lots": [{"name": "beside", "first": 801, "last": 805}],
				"flows": [{"schema": "callflow/v1", "name": "faulty", "entry": "answer", "nodes": `+tt.nodes+`}],
				"numbers": [{"number": "+12025550160", "flow": "faulty"}]}`), &refused)
			for fault := range strings.FieldsSeq(tt.faults) {
				if !slices.ContainsFunc(refused.Errors, func(e struct{ Message, Location string }) bool { return strings.Contains(e.Message, fault) }) {
					t.Errorf("does not name %q: %+v", fault, refused)
				}
			}
			if r := refusal(t, h.dials(trunk, "+12025550160")); r.Status != 404 {
				t.Errorf("%v", r)
			}
			if _, err := h.Lots.Lot(t.Context(), "beside"); err == nil {
				t.Error("a lot of the refused file was saved")
			}
		})
	}
}

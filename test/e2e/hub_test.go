// Package e2e runs the whole hub in-process, on Postgres, with phones over
// loopback that hear what is said to them.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/app"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/internal/softphone"
)

// Tones by which the phones know each other; music is "tone440".
const (
	callerHz = 600
	musicHz  = 440
)

var repHz = map[string]int{"rep1": 900, "rep2": 1100, "rep3": 1300, "rep4": 1500}

// hub is a running hub and the way to it.
type hub struct {
	*app.App
	t    *testing.T
	sip  string
	dir  string           // the data folder
	seen map[call.ID]bool // calls that newCall has returned
}

var nodes atomic.Int32

// TestMain lets more stories run at once than there are processors: they mostly
// wait for a tone.
func TestMain(m *testing.M) {
	flag.Parse()
	if p := flag.Lookup("test.parallel"); p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		if err := p.Value.Set("5"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

type option func(*config.Config)

// start runs a hub with the standard set-up and what the test adds to it.
func start(t *testing.T, more string, opts ...option) *hub {
	t.Helper()
	dir, err := os.MkdirTemp("", "callyard-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg := config.Default()
	cfg.Node = fmt.Sprintf("e2e%d_%d", os.Getpid(), nodes.Add(1))
	cfg.DataDir = dir
	cfg.Database = ""
	cfg.SIP.Listen = []string{"udp:127.0.0.1:0", "tcp:127.0.0.1:0"}
	cfg.SIP.CallsPerS = 2000
	cfg.HTTP.Listen, cfg.HTTP.Ops = "127.0.0.1:0", ""
	cfg.WrapUpS = 0
	for _, o := range opts {
		o(&cfg)
	}
	if cfg.Database == "" {
		cfg.Database = pgtest.URL(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	a, err := app.Start(ctx, cfg, logger(t))
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{App: a, t: t, dir: dir, sip: strings.TrimPrefix(a.SIP.Addrs()[0], "udp "), seen: map[call.ID]bool{}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	h.apply(standard)
	if more != "" {
		h.apply(more)
	}
	return h
}

// logger writes the hub's log into the test's.
func logger(t *testing.T) *slog.Logger {
	t.Helper()
	level := slog.LevelWarn
	if os.Getenv("E2E_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
}

func (h *hub) apply(doc string) {
	h.t.Helper()
	d, err := setup.Read([]byte(doc))
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.Setup(h.t.Context(), d); err != nil {
		h.t.Fatal(err)
	}
}

// rep registers a rep's phone.
func (h *hub) rep(name string, pickup softphone.Pickup) *softphone.Phone {
	h.t.Helper()
	p := h.phone(softphone.Config{Hub: h.sip, User: name, Password: "secret-" + name, ToneHz: repHz[name], Pickup: pickup})
	if err := p.Register(within(h.t, 5*time.Second), 5*time.Minute); err != nil {
		h.t.Fatalf("%s registers: %v", name, err)
	}
	return p
}

func (h *hub) phone(cfg softphone.Config) *softphone.Phone {
	h.t.Helper()
	p, err := softphone.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = p.Close() })
	return p
}

// callers is the trunk: every caller calls through it.
func (h *hub) callers() *softphone.Phone {
	return h.phone(softphone.Config{Hub: h.sip, User: "carrier", ToneHz: callerHz})
}

// calls places a call through the trunk and waits until it is answered.
func (h *hub) calls(trunk *softphone.Phone, number string) *softphone.Dialog {
	h.t.Helper()
	d := h.dials(trunk, number)
	if err := d.WaitAnswered(within(h.t, 5*time.Second)); err != nil {
		h.t.Fatalf("call to %s: %v", number, err)
	}
	return d
}

func (h *hub) dials(p *softphone.Phone, number string) *softphone.Dialog {
	h.t.Helper()
	d, err := p.Call(within(h.t, 5*time.Second), number)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func hears(t *testing.T, who string, d *softphone.Dialog, hz int) {
	t.Helper()
	if err := d.Hears(within(t, 15*time.Second), hz); err != nil {
		t.Fatalf("%s should hear %d Hz: %v; heard %v", who, hz, err, d.Heard())
	}
}

func ends(t *testing.T, who string, d *softphone.Dialog) softphone.Ended {
	t.Helper()
	e, err := d.WaitEnded(within(t, 20*time.Second))
	if err != nil {
		t.Fatalf("%s's leg should end: %v", who, err)
	}
	return e
}

// offeredTo waits for the next call at a phone.
func offeredTo(t *testing.T, who string, p *softphone.Phone) *softphone.Dialog {
	t.Helper()
	select {
	case d := <-p.Incoming():
		return d
	case <-within(t, 20*time.Second).Done():
		t.Fatalf("%s's phone should ring", who)
		return nil
	}
}

// newCall waits for a call that the ledger did not have before and returns it.
func (h *hub) newCall() call.ID {
	h.t.Helper()
	var id call.ID
	eventually(h.t, "a new call in the ledger", func() bool {
		rows, _, err := h.Book.Calls(h.t.Context(), callpg.Filter{Limit: 200})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, r := range rows {
			if !h.seen[r.ID] {
				h.seen[r.ID], id = true, r.ID
				return true
			}
		}
		return false
	})
	return id
}

// eventually asks until the answer is yes: for what is written beside the call.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	eventuallyFor(t, 20*time.Second, what, ok)
}

func eventuallyFor(t *testing.T, patience time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx := within(t, patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// told waits until the call's ledger holds a fact of the type and returns it.
func (h *hub) told(id call.ID, kind call.EventType) call.Event {
	h.t.Helper()
	var found call.Event
	eventually(h.t, "a fact "+string(kind), func() bool {
		events, err := h.Book.Timeline(h.t.Context(), id)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, e := range events {
			if e.Type == kind {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// over waits for the end of a call and checks its ledger: gap-free, ended once,
// and nothing left behind.
func (h *hub) over(id call.ID, outcome string) []call.Event {
	h.t.Helper()
	h.told(id, call.Ended)
	events, err := h.Book.Timeline(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	endings := 0
	for i, e := range events {
		if e.Seq != i+1 {
			h.t.Errorf("fact %d of %s has seq %d", i+1, id, e.Seq)
		}
		if e.Type == call.Ended {
			endings++
			if got := e.Data["outcome"]; got != outcome {
				h.t.Errorf("outcome %v, want %s", got, outcome)
			}
		}
	}
	if endings != 1 {
		h.t.Errorf("%d endings of %s", endings, id)
	}
	eventually(h.t, "no live park, place in line, busy agent or live call left", func() bool {
		var left int
		err := h.DB.Pool.QueryRow(h.t.Context(), `select
			(select count(*) from parks where call_id = $1 and ended_at is null) +
			(select count(*) from entries where call_id = $1) +
			(select count(*) from agents where call_id = $1)`, id).Scan(&left)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, c := range h.Hub.Live() {
			if c.ID == id {
				left++
			}
		}
		return left == 0
	})
	if h.t.Failed() {
		for _, e := range events {
			h.t.Log(e.Seq, e.Type, e.Node, e.Slot, e.Actor, e.Cause, e.Data)
		}
	}
	return events
}

// parkReasons is why the call's parks ended, in order.
func (h *hub) parkReasons(id call.ID) []string {
	h.t.Helper()
	rows, err := h.DB.Pool.Query(h.t.Context(), `select coalesce(reason, '') from parks where call_id = $1 order by parked_at`, id)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/cli"
	"github.com/callyard/callyard/internal/demo"
	"github.com/callyard/callyard/internal/pgtest"
)

// command runs a command line in this process.
func command(ctx context.Context, out, errs *output, args ...string) int {
	return cli.Run(ctx, args, cli.Options{Version: "test", Program: "callyard", Start: start, Out: out, Err: errs})
}

// output is what a command has printed so far; told is closed once it has
// printed a text.
type output struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	text string
	told chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(b)
	if o.told != nil && strings.Contains(o.buf.String(), o.text) {
		close(o.told)
		o.told = nil
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// runDemo runs the demo on free ports until the test ends.
func runDemo(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "demo")
	ctx, cancel := context.WithCancel(t.Context())
	runs, over := make(chan struct{}), make(chan int, 1)
	out, errs := &output{text: "Data  ", told: runs}, &output{}
	url := pgtest.URL(t)
	go func() {
		over <- command(ctx, out, errs, "demo", "--data-dir", dir, "--database-url", url, "--sip-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")
	}()
	select {
	case <-runs:
	case code := <-over:
		t.Fatalf("the demo ended with %d\n%s%s", code, out, errs)
	case <-time.After(30 * time.Second):
		t.Fatalf("the demo does not start\n%s%s", out, errs)
	}
	t.Cleanup(func() {
		cancel()
		if code := <-over; code != cli.OK {
			t.Errorf("the demo ended with %d\n%s", code, errs)
		}
		if _, err := demo.Running(dir); !errors.Is(err, demo.ErrNotRunning) {
			t.Errorf("after the demo has stopped: %v", err)
		}
	})
	return dir
}

// told is what "demo call -o json" prints.
type told struct {
	events []string
	result demo.Result
	logged []crm.Delivery
}

func demoCall(t *testing.T, dir string, more ...string) told {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	out, errs := &output{}, &output{}
	if code := command(ctx, out, errs, append([]string{"demo", "call", "--data-dir", dir, "-o", "json", "--talk", "100ms"}, more...)...); code != cli.OK {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	var got told
	for line := range strings.Lines(out.String()) {
		var e struct {
			Type   string
			Result demo.Result
			CRM    []crm.Delivery
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got.events = append(got.events, e.Type)
		if e.Type == "demo.result" {
			got.result, got.logged = e.Result, e.CRM
		}
	}
	return got
}

// has checks that these events came in this order, whatever came between.
func (g told) has(t *testing.T, types ...string) {
	t.Helper()
	i := 0
	for _, e := range g.events {
		if i < len(types) && e == types[i] {
			i++
		}
	}
	if i < len(types) {
		t.Errorf("no %s in %v", types[i], g.events)
	}
}

func TestDemoCall(t *testing.T) {
	dir := runDemo(t)

	t.Run("parked, retrieved by dialling the slot, heard both ways, logged once", func(t *testing.T) {
		g := demoCall(t, dir, "--answer-after", "500ms")
		g.has(t, "call.offered", "flow.started", "crm.looked_up", "park.parked", "park.claimed", "park.retrieved", "call.connected", "call.ended", "demo.result")
		r := g.result
		if r.Outcome != "answered" || r.Rep != demo.Rep || !r.Music || r.CallerHearsRep == nil || !*r.CallerHearsRep || r.RepHearsCaller == nil || !*r.RepHearsCaller {
			t.Errorf("%+v", r)
		}
		if len(g.logged) != 1 || g.logged[0].State != crm.DeliveryDone || g.logged[0].Activity.Agent != demo.Rep || g.logged[0].Activity.Key != string(r.Call) {
			t.Errorf("logged %+v", g.logged)
		}
		if about := g.logged[0].Activity.About; len(about) != 1 {
			t.Errorf("the activity is about %+v", about)
		}
	})

	t.Run("the caller gives up", func(t *testing.T) {
		g := demoCall(t, dir, "--abandon-after", "500ms")
		g.has(t, "park.parked", "park.abandoned", "call.ended")
		if r := g.result; r.Outcome != "abandoned" || r.Rep != "" || r.CallerHearsRep != nil {
			t.Errorf("%+v", r)
		}
		if len(g.logged) != 1 || g.logged[0].Activity.Outcome != "abandoned" {
			t.Errorf("logged %+v", g.logged)
		}
	})

	t.Run("escalated until the rep is offered the call", func(t *testing.T) {
		g := demoCall(t, dir, "--let-it-escalate")
		g.has(t, "park.parked", "park.step_started", "offer.answered", "call.connected", "call.ended")
		if r := g.result; r.Outcome != "answered" || r.CallerHearsRep == nil || !*r.CallerHearsRep || !*r.RepHearsCaller {
			t.Errorf("%+v", r)
		}
	})

	t.Run("in words, with the outcome and the activity at the end", func(t *testing.T) {
		out, errs := &output{}, &output{}
		if code := command(t.Context(), out, errs, "demo", "call", "--data-dir", dir, "--answer-after", "300ms", "--talk", "0s"); code != cli.OK {
			t.Fatalf("exit code %d\n%s%s", code, out, errs)
		}
		for _, want := range []string{"the caller hears music: yes", "the caller hears ben: yes; ben hears the caller: yes", "outcome   answered", "one activity with contacts, done: answered by ben"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in\n%s", want, out)
			}
		}
	})
}

func TestAdministration(t *testing.T) {
	dir := runDemo(t)
	st, err := demo.Running(dir)
	if err != nil {
		t.Fatal(err)
	}
	set, err := demo.Set()
	if err != nil {
		t.Fatal(err)
	}
	ask := func(t *testing.T, want int, part string, args ...string) {
		t.Helper()
		out, errs := &output{}, &output{}
		if code := command(t.Context(), out, errs, append(args, "--url", st.URL, "--key", st.Key)...); code != want || !strings.Contains(out.String()+errs.String(), part) {
			t.Errorf("%v: exit code %d, want %d and %q\n%s%s", args, code, want, part, out, errs)
		}
	}
	file := func(doc []byte) string {
		path := filepath.Join(t.TempDir(), "doc.json")
		if err := os.WriteFile(path, doc, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}

	t.Run("a set-up that is there already changes nothing, a new one is told", func(t *testing.T) {
		doc := []byte(`{"lots":[{"name":"help","extension":"800","first":801,"last":803}]}`)
		ask(t, cli.OK, "1 created", "apply", "-f", file(doc))
		ask(t, cli.OK, "1 unchanged", "apply", "-f", file(doc))
		ask(t, cli.Failure, "callyard: ", "apply", "-f", file([]byte(`{"lots":[{"name":"none","first":9,"last":1}]}`)))
	})

	t.Run("a changed flow becomes the next version", func(t *testing.T) {
		doc := bytes.Replace(set.Flows[0], []byte("Picks up"), []byte("Answers"), 1)
		ask(t, cli.OK, "demo-sales: version 2 is live", "flow", "publish", "demo-sales", "-f", file(doc), "-m", "wording")
		ask(t, cli.Failure, `no flow "unheard-of"`, "flow", "publish", "unheard-of", "-m", "x")
	})

	t.Run("a flow that names a lot the hub does not have is refused with the place", func(t *testing.T) {
		doc := bytes.Replace(set.Flows[0], []byte(`"lot":"sales"`), []byte(`"lot":"attic"`), 1)
		ask(t, cli.Failure, "attic", "flow", "publish", "demo-sales", "-f", file(doc), "-m", "x")
	})

	t.Run("nobody is parked, and a wrong key is told so", func(t *testing.T) {
		ask(t, cli.OK, "nobody is parked", "parked")
		st.Key = "ck_wrong"
		ask(t, cli.Failure, "CALLYARD_KEY", "parked")
	})
}

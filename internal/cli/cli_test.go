package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/demo"
	"github.com/callyard/callyard/internal/setup"
)

// said is what a command came to.
type said struct {
	code     int
	out, err string
}

// sh runs a command line as a shell would, without a hub of its own.
func sh(t *testing.T, args ...string) said {
	t.Helper()
	return shWith(t, t.Context(), Options{}, args...)
}

func shWith(t *testing.T, ctx context.Context, o Options, args ...string) said {
	t.Helper()
	var out, errs bytes.Buffer
	o.Version, o.Program, o.Out, o.Err = "1.2.3", "callyard", &out, &errs
	if o.OpenAPI == nil {
		o.OpenAPI = func() ([]byte, error) { return []byte("{}\n"), nil }
	}
	code := Run(ctx, args, o)
	return said{code, out.String(), errs.String()}
}

func (s said) must(t *testing.T, code int, parts ...string) {
	t.Helper()
	if s.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", s.code, code, s.out, s.err)
	}
	for _, p := range parts {
		if !strings.Contains(s.out+s.err, p) {
			t.Errorf("%q is not in\n%s%s", p, s.out, s.err)
		}
	}
}

// TestMain takes the developer's own hub out of the environment.
func TestMain(m *testing.M) {
	for _, name := range []string{"CALLYARD_URL", "CALLYARD_KEY", "DATABASE_URL"} {
		_ = os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommandLine(t *testing.T) {
	t.Run("misuse is 2, says what is wrong and where to read on", func(t *testing.T) {
		for _, c := range []struct {
			args []string
			want string
		}{
			{[]string{"park"}, `there is no command "park"; did you mean parked?`},
			{[]string{"flow", "chek"}, `there is no command "chek"; did you mean check?`},
			{[]string{"demo", "cal"}, `there is no command "cal"; did you mean call?`},
			{[]string{"version", "--loud"}, "unknown flag: --loud"},
			{[]string{"version", "-o", "xml"}, "there are table, json and yaml"},
			{[]string{"flow", "check"}, "FILE is missing"},
			{[]string{"flow", "check", "a", "b"}, `"b" is too much`},
			{[]string{"flow", "publish", "x"}, "-m MESSAGE is missing"},
			{[]string{"flow", "simulate", "a.json", "--agent", "ann"}, "write it as ann=available:4s"},
			{[]string{"flow", "simulate", "a.json", "--hangup", "soon"}, "such as 3s"},
			{[]string{"flow", "simulate", "a.json", "--at", "noon"}, "write it as 2026-11-03T10:00:00+01:00"},
			{[]string{"flow", "dry-run", "x", "--from", "2026-11-03", "--to", "2026-11-02"}, "--to is not after --from"},
			{[]string{"apply"}, "-f FILE is missing"},
			{[]string{"demo", "call", "--answer-after", "1s", "--let-it-escalate"}, "there can be one"},
			{[]string{"demo", "call", "--abandon-after", "5m"}, "between 0 and 1m"},
		} {
			s := sh(t, c.args...)
			s.must(t, Misuse, "callyard: ", c.want, "--help'")
			if s.out != "" {
				t.Errorf("%v printed %q as a result", c.args, s.out)
			}
		}
	})

	t.Run("failure is 1, in one line", func(t *testing.T) {
		s := sh(t, "flow", "check", filepath.Join(t.TempDir(), "none.json"))
		s.must(t, Failure, "callyard: open ", "no such file")
		if strings.Count(s.err, "\n") != 1 {
			t.Errorf("%q", s.err)
		}
	})

	t.Run("every command has help with an example", func(t *testing.T) {
		for _, args := range []string{"", "serve", "demo", "demo call", "migrate", "doctor", "apply", "flow", "flow check", "flow publish", "parked", "version", "openapi"} {
			sh(t, append(strings.Fields(args), "--help")...).must(t, OK, "Examples:", "callyard "+args)
		}
	})

	t.Run("version and openapi", func(t *testing.T) {
		sh(t, "version").must(t, OK, "callyard 1.2.3\n")
		sh(t, "version", "-o", "json").must(t, OK, `"version": "1.2.3"`)
		sh(t, "openapi").must(t, OK, "{}\n")
	})
}

// fakeHub is a node that listens nowhere.
type fakeHub struct {
	mu      sync.Mutex
	agents  []string
	applied []setup.Document
	fails   error
	key     string
	link    string
	made    int
	stopped chan struct{}
}

func newFakeHub() *fakeHub { return &fakeHub{key: "ck_first", stopped: make(chan struct{})} }

func (h *fakeHub) Setup(_ context.Context, _ string, d setup.Document) ([]setup.Change, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.applied = append(h.applied, d)
	return []setup.Change{{Kind: "lot", Name: "sales", Action: "created"}}, h.fails
}
func (h *fakeHub) Agents(context.Context) ([]string, error) { return h.agents, nil }
func (h *fakeHub) Addrs() Addrs {
	return Addrs{SIP: []string{"udp 127.0.0.1:5060", "tcp 127.0.0.1:5060"}, HTTP: "127.0.0.1:8080", Ops: "127.0.0.1:9090"}
}
func (h *fakeHub) FirstKey() string  { return h.key }
func (h *fakeHub) AdminLink() string { return h.link }
func (h *fakeHub) NewKey(context.Context, string) (string, error) {
	h.made++
	return "ck_new", nil
}

func (h *fakeHub) Stop(context.Context) error {
	close(h.stopped)
	return nil
}

// starts is options with which the hub starts, and ends as soon as it runs.
func (h *fakeHub) starts(t *testing.T) (context.Context, Options) {
	ctx, cancel := context.WithCancel(t.Context())
	return ctx, Options{Start: func(_ context.Context, _ config.Config, _ *slog.Logger) (Hub, error) {
		cancel()
		return h, nil
	}}
}

// freely are flags for ports that are free.
var freely = []string{"--sip-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--ops-listen", "off"}

func TestServe(t *testing.T) {
	t.Run("applies, says where it listens and the key, and stops", func(t *testing.T) {
		h := newFakeHub()
		ctx, o := h.starts(t)
		file := write(t, "setup.yaml", "lots: [{name: sales, extension: \"700\", first: 701, last: 705}]\n")
		shWith(t, ctx, o, append([]string{"serve", "--apply", file}, freely...)...).
			must(t, OK, "setup.yaml: 1 created", "udp 127.0.0.1:5060, tcp 127.0.0.1:5060", "http://127.0.0.1:8080/v1", "9090/livez", "ck_first", "only this once")
		<-h.stopped
		if len(h.applied) != 1 || h.applied[0].Lots[0].Name != "sales" {
			t.Errorf("applied %+v", h.applied)
		}
	})

	t.Run("a key that was shown before is not spoken of", func(t *testing.T) {
		h := newFakeHub()
		h.key = ""
		ctx, o := h.starts(t)
		if s := shWith(t, ctx, o, append([]string{"serve"}, freely...)...); strings.Contains(s.out, "Key") || s.code != OK {
			t.Errorf("%+v", s)
		}
	})

	t.Run("a faulty set-up file is told before anything starts", func(t *testing.T) {
		file := write(t, "setup.yaml", "lotz: []\n")
		o := Options{Start: func(context.Context, config.Config, *slog.Logger) (Hub, error) {
			t.Error("started")
			return nil, errors.New("no")
		}}
		shWith(t, t.Context(), o, append([]string{"serve", "--apply", file}, freely...)...).must(t, Failure, `unknown field "lotz"`)
	})

	t.Run("a set-up that fails stops the hub", func(t *testing.T) {
		h := newFakeHub()
		h.fails = errors.New("slot 701 is twice")
		_, o := h.starts(t)
		file := write(t, "setup.yaml", "queues: []\n")
		shWith(t, t.Context(), o, append([]string{"serve", "--apply", file}, freely...)...).must(t, Failure, "slot 701 is twice")
		<-h.stopped
	})

	t.Run("flags win over the environment, which wins over the file", func(t *testing.T) {
		t.Setenv("CALLYARD_REGION", "ES")
		t.Setenv("CALLYARD_WRAP_UP_S", "7")
		var got config.Config
		o := Options{Start: func(_ context.Context, cfg config.Config, _ *slog.Logger) (Hub, error) {
			got = cfg
			return nil, errors.New("enough")
		}}
		file := write(t, "c.yaml", "region: FR\nwrap_up_s: 9\nnode: n9\n")
		shWith(t, t.Context(), o, append([]string{"serve", "-c", file, "--region", "PT", "--data-dir", "/d", "--log-level", "debug"}, freely...)...).must(t, Failure, "enough")
		if got.Region != "PT" || got.WrapUpS != 7 || got.Node != "n9" || got.DataDir != "/d" || got.Log.Level != "debug" || got.HTTP.Ops != "" {
			t.Errorf("%+v", got)
		}
		if l := got.SIP.Listen; len(l) != 2 || l[0] != "udp:127.0.0.1:0" || l[1] != "tcp:127.0.0.1:0" {
			t.Errorf("SIP %v", l)
		}
	})

	t.Run("a level that there is not", func(t *testing.T) {
		sh(t, "serve", "--log-level", "loud").must(t, Failure, `"loud" is not debug`)
	})

	t.Run("a port in use is named, with who has it and another", func(t *testing.T) {
		l, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		at := l.LocalAddr().String()
		s := sh(t, "serve", "--sip-listen", "udp:"+at, "--http-listen", "127.0.0.1:0", "--ops-listen", "off")
		s.must(t, Failure, "SIP udp "+at+" is in use", "--sip-listen 127.0.0.1:")
		if _, err := os.Stat("/proc/net/udp"); err == nil {
			s.must(t, Failure, fmt.Sprintf("(process %d)", os.Getpid()))
		}
	})
}

func TestDemo(t *testing.T) {
	t.Run("shows how to take part, and is found while it runs", func(t *testing.T) {
		dir := t.TempDir()
		h := newFakeHub()
		ctx, cancel := context.WithCancel(t.Context())
		var state demo.State
		h.agents = []string{"ann", "ben"}
		o := Options{Start: func(context.Context, config.Config, *slog.Logger) (Hub, error) { return h, nil }}
		pipe := &until{text: "Data  ", then: func() {
			var err error
			if state, err = demo.Running(dir); err != nil {
				t.Error(err)
			}
			cancel()
		}}
		o.Out, o.Err, o.Version, o.Program = pipe, pipe, "1", "bin/callyard"
		if code := Run(ctx, append([]string{"demo", "--data-dir", dir}, freely...), o); code != OK {
			t.Fatalf("exit code %d: %s", code, pipe.String())
		}
		for _, want := range []string{"bin/callyard demo call --data-dir " + dir, "ben   demo-ben", "dial 701", "transfer to 700", "ck_first", "http://127.0.0.1:8080"} {
			if !strings.Contains(pipe.String(), want) {
				t.Errorf("%q is not in\n%s", want, pipe.String())
			}
		}
		if state.Key != "ck_first" || state.SIP != "127.0.0.1:5060" || state.URL != "http://127.0.0.1:8080" {
			t.Errorf("%+v", state)
		}
		if _, err := demo.Running(dir); !errors.Is(err, demo.ErrNotRunning) {
			t.Errorf("after it has stopped: %v", err)
		}
		if s, err := demo.ReadState(dir); err != nil || s.Key != "ck_first" {
			t.Errorf("the key is lost: %+v, %v", s, err)
		}
	})

	t.Run("the key of the first start is used again, a lost one is replaced", func(t *testing.T) {
		h := newFakeHub()
		h.key = ""
		dir := t.TempDir()
		if err := (demo.State{Key: "ck_kept"}).Save(dir); err != nil {
			t.Fatal(err)
		}
		if s, err := demoState(t.Context(), h, dir); err != nil || s.Key != "ck_kept" || h.made != 0 {
			t.Errorf("%+v, %v", s, err)
		}
		if s, err := demoState(t.Context(), h, t.TempDir()); err != nil || s.Key != "ck_new" {
			t.Errorf("%+v, %v", s, err)
		}
	})

	t.Run("somebody's own database is left alone", func(t *testing.T) {
		h := newFakeHub()
		h.agents = []string{"ann", "maria"}
		ctx, o := h.starts(t)
		shWith(t, ctx, o, append([]string{"demo", "--data-dir", t.TempDir()}, freely...)...).must(t, Failure, `a rep "maria" who is not of the demo`)
		if len(h.applied) != 0 {
			t.Error("the demo set was applied")
		}
	})

	t.Run("only this machine, unless a flag says otherwise", func(t *testing.T) {
		t.Setenv("CALLYARD_SIP__LISTEN", "udp:0.0.0.0:0")
		dir := t.TempDir()
		sh(t, "demo", "--data-dir", dir, "--http-listen", "127.0.0.1:0").must(t, Failure, "can be reached from elsewhere", "--sip-listen")
		h := newFakeHub()
		ctx, o := h.starts(t)
		shWith(t, ctx, o, "demo", "--data-dir", dir, "--http-listen", "127.0.0.1:0", "--sip-listen", "0.0.0.0:0").must(t, OK, "Careful", "demo-ann")
	})

	t.Run("a call without a demo says how to start one", func(t *testing.T) {
		sh(t, "demo", "call", "--data-dir", t.TempDir()).must(t, Failure, "no demo runs", "make run")
	})
}

// until is a writer that does something once it has been told a text.
type until struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	text string
	then func()
}

func (u *until) Write(b []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.buf.Write(b)
	if u.then != nil && strings.Contains(u.buf.String(), u.text) {
		u.then()
		u.then = nil
	}
	return len(b), nil
}

func (u *until) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.buf.String()
}

// api answers a hub's paths with fixed JSON and keeps what it was sent.
func api(t *testing.T, answers map[string]string) (url string, sent func(string) string) {
	t.Helper()
	var mu sync.Mutex
	bodies := map[string]string{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		what := r.Method + " " + r.URL.Path
		mu.Lock()
		bodies[what] = r.Header.Get("If-Match") + r.Header.Get("If-None-Match") + string(b)
		mu.Unlock()
		answer, ok := answers[what]
		if !ok {
			http.Error(w, `{"status":404,"detail":"there is nothing"}`, http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", `"4"`)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s.URL, func(what string) string {
		mu.Lock()
		defer mu.Unlock()
		return bodies[what]
	}
}

func TestApply(t *testing.T) {
	url, sent := api(t, map[string]string{"POST /v1/apply": `{"data":[{"kind":"lot","name":"sales","action":"created"},{"kind":"queue","name":"sales","action":"unchanged"}]}`})
	file := write(t, "setup.yaml", "lots:\n  - {name: sales, extension: \"700\", first: 701, last: 705}\n")

	t.Run("sends the file with nothing added and shows what changed", func(t *testing.T) {
		sh(t, "apply", "-f", file, "--url", url, "--key", "ck_x").must(t, OK, "created    lot    sales", "1 created, 1 unchanged")
		if got := sent("POST /v1/apply"); got != `{"lots":[{"extension":"700","first":701,"last":705,"name":"sales"}]}` {
			t.Errorf("sent %s", got)
		}
	})

	t.Run("as JSON", func(t *testing.T) {
		s := sh(t, "apply", "-f", file, "--url", url, "--key", "ck_x", "-o", "json")
		var got struct{ Data []setup.Change }
		if err := json.Unmarshal([]byte(s.out), &got); err != nil || len(got.Data) != 2 || s.code != OK {
			t.Errorf("%v: %+v", err, s)
		}
	})

	t.Run("the environment names the hub", func(t *testing.T) {
		r := reach{}
		t.Setenv("CALLYARD_URL", url)
		t.Setenv("CALLYARD_KEY", "ck_env")
		if c, err := r.client(); err != nil || c.URL != url || c.Key != "ck_env" {
			t.Errorf("%+v, %v", c, err)
		}
	})

	t.Run("without a key it says where keys come from", func(t *testing.T) {
		t.Setenv("CALLYARD_DATA_DIR", t.TempDir())
		sh(t, "apply", "-f", file, "--url", url).must(t, Failure, "no API key", "CALLYARD_KEY")
	})

	t.Run("the demo that runs is the hub by default, and its key goes nowhere else", func(t *testing.T) {
		dir := t.TempDir()
		t.Setenv("CALLYARD_DATA_DIR", dir)
		if err := os.Mkdir(demoDir(dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := (demo.State{PID: os.Getpid(), URL: url, Key: "ck_demo"}).Save(demoDir(dir)); err != nil {
			t.Fatal(err)
		}
		sh(t, "apply", "-f", file).must(t, OK, "1 created")
		if c, err := (&reach{url: "http://elsewhere.example"}).client(); err == nil {
			t.Errorf("%+v", c)
		}
	})

	t.Run("a faulty file is not sent", func(t *testing.T) {
		sh(t, "apply", "-f", write(t, "x.yaml", "queus: []"), "--url", url, "--key", "k").must(t, Failure, `unknown field "queus"`)
	})
}

func TestParked(t *testing.T) {
	url, _ := api(t, map[string]string{"GET /v1/parked_calls": `{"data":[
		{"id":"park_1","call_id":"call_1","lot":"sales","slot":701,"from":"+12025550142","name":"Demo caller","note":"Demo company","state":"parked",
		 "parked_at":"2026-11-22T10:00:00Z","age_ms":64000,"ladder":[{"after_s":5,"do":"remind","to":"owner"},{"after_s":70,"do":"offer","to":"team:sales"}],
		 "next_step":1,"next_at":"2026-11-22T10:01:10Z"},
		{"id":"park_2","call_id":"call_2","lot":"help","slot":801,"from":"+12025550143","state":"claimed","parked_at":"2026-11-22T10:00:00Z","age_ms":3000,
		 "ladder":[],"next_step":0,"next_at":"2026-11-22T10:01:10Z","claimed_by":{"user":"ben","via":"dial"}}]}`})
	at := []string{"--url", url, "--key", "k"}

	t.Run("who waits where, how long, and what comes next", func(t *testing.T) {
		s := sh(t, append([]string{"parked"}, at...)...)
		s.must(t, OK, "SLOT", "+12025550142 Demo caller", "1:04", "offer team:sales in 0:06", "Demo company", "ben")
		if lines := strings.Split(strings.TrimSpace(s.out), "\n"); len(lines) != 3 || strings.Index(lines[0], "WAITING") != strings.Index(lines[1], "1:04") {
			t.Errorf("not a table:\n%s", s.out)
		}
	})

	t.Run("one lot, as JSON", func(t *testing.T) {
		s := sh(t, append([]string{"parked", "--lot", "help", "-o", "json"}, at...)...)
		var got struct{ Data []parkedCall }
		if err := json.Unmarshal([]byte(s.out), &got); err != nil || len(got.Data) != 1 || got.Data[0].Slot != 801 {
			t.Errorf("%v\n%s", err, s.out)
		}
	})

	t.Run("nobody", func(t *testing.T) {
		sh(t, append([]string{"parked", "--lot", "none"}, at...)...).must(t, OK, "nobody is parked")
	})

	t.Run("no hub", func(t *testing.T) {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		_ = l.Close()
		sh(t, "parked", "--url", "http://"+addr, "--key", "k").must(t, Failure, "no hub answers at http://"+addr, "is it running?")
	})
}

package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/callyard/callyard/analytics"
	"github.com/callyard/callyard/analytics/analyticspg"
	"github.com/callyard/callyard/callback/callbackpg"
	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/disposition/dispositionpg"
	"github.com/callyard/callyard/internal/apitest"
	"github.com/callyard/callyard/internal/auditpg"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/httpapi"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/media"
	"github.com/callyard/callyard/internal/media/clip"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/promptpg"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/internal/speech"
	"github.com/callyard/callyard/internal/userpg"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
	"github.com/callyard/callyard/voicemail/voicemailpg"
	"github.com/callyard/callyard/webhooks/webhookspg"
)

const node = call.NodeID("n1")

// live is the calls of a node without phones: parking and taking are the
// store's, so that races are real.
type live struct {
	lots        *parking.Memory
	agents      *queues.Memory
	owed        map[call.ID]bool // callbacks; set before the first request
	mu          sync.Mutex
	calls       map[call.ID]bool
	talking     map[call.ID]string // the agent
	unreachable map[string]bool
	fail        error
}

func (l *live) Live() []callctl.Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []callctl.Snapshot{}
	for id := range l.calls {
		out = append(out, callctl.Snapshot{ID: id, From: "+34600000001", State: "talking", Agent: l.talking[id], Since: time.Now()})
	}
	return out
}

// talks has an agent talk in a call.
func (l *live) talks(id call.ID, agent string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.talking[id] = agent
}

func (l *live) has(id call.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[id]
}

func (l *live) Park(ctx context.Context, id call.ID, lot string, slot int, by call.Actor) (parking.Park, error) {
	if l.fail != nil {
		return parking.Park{}, l.fail
	}
	if !l.has(id) {
		return parking.Park{}, callctl.ErrNoCall
	}
	return l.lots.Put(ctx, parking.Park{Call: id, Node: node, Lot: lot, Slot: slot, Parker: by.User, Via: by.Via, From: "+34600000001", ParkedAt: time.Now()})
}

func (l *live) Retrieve(ctx context.Context, t parking.Target, agent string) (parking.Park, error) {
	if l.unreachable[agent] {
		return parking.Park{}, callctl.ErrUnreachable
	}
	return l.lots.Claim(ctx, t, call.Actor{User: agent, Via: "rest"}, time.Now())
}

func (l *live) Move(ctx context.Context, id call.ID, m parking.Move) (parking.Park, error) {
	if !l.has(id) {
		return parking.Park{}, callctl.ErrNoCall
	}
	m.At = time.Now()
	return l.lots.Move(ctx, m)
}

func (l *live) Annotate(ctx context.Context, park, note string, by call.Actor) (parking.Park, error) {
	return l.lots.Annotate(ctx, park, note, by, time.Now())
}

func (l *live) Switch(ctx context.Context, id call.ID, from, to string, by call.Actor) (queues.Entry, error) {
	if !l.has(id) {
		return queues.Entry{}, callctl.ErrNoCall
	}
	return l.agents.Switch(ctx, id, from, to, by, time.Now())
}

func (l *live) Withdraw(ctx context.Context, id call.ID, queue string, by call.Actor) error {
	if !l.has(id) {
		return callctl.ErrNoCall
	}
	if l.owed[id] {
		return callctl.ErrCalledBack
	}
	waiting, err := l.agents.Waiting(ctx, queue)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(waiting, func(e queues.Entry) bool { return e.Call == id }) {
		return &queues.NotWaitingError{Call: id, Queue: queue}
	}
	return l.agents.Leave(ctx, id, queue, "withdrawn", by, time.Now())
}

func (l *live) Record(id call.ID, _ string, _ call.Actor) error {
	if !l.has(id) {
		return callctl.ErrNoCall
	}
	return nil
}

func (l *live) Transfer(_ context.Context, id call.ID, to string, _ call.Actor) error {
	switch {
	case !l.has(id):
		return callctl.ErrNoCall
	case to == "nobody":
		return callctl.ErrNowhere
	case to == "busy":
		return callctl.ErrTransferring
	}
	return nil
}

func (l *live) Hangup(id call.ID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.calls[id] {
		return callctl.ErrNoCall
	}
	delete(l.calls, id)
	return nil
}

// hub is an API over a database of its own.
type hub struct {
	t      testing.TB
	db     *pg.DB
	live   *live
	lots   *parking.Memory
	agents *queues.Memory
	routes *routingpg.Store
	book   *callpg.Book
	keys   *keypg.Store
	people *userpg.Store
	feed   *httpapi.Feed
	url    string
	key    string // admin

	mu      sync.Mutex
	changed int
	log     strings.Builder
}

func (h *hub) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(b)
}

func (h *hub) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

func newHub(t testing.TB) *hub {
	t.Helper()
	return newHubWith(t, func(*httpapi.Deps) {})
}

// newHubWith is newHub with some of its parts changed.
func newHubWith(t testing.TB, change func(*httpapi.Deps)) *hub {
	t.Helper()
	h := &hub{t: t, db: pgtest.New(t), lots: parking.NewMemory(), agents: queues.NewMemory()}
	h.live = &live{lots: h.lots, agents: h.agents, owed: map[call.ID]bool{}, calls: map[call.ID]bool{}, unreachable: map[string]bool{}, talking: map[call.ID]string{}}
	h.routes, h.book, h.keys = routingpg.New(h.db), callpg.New(h.db, nil), keypg.New(h.db)
	h.people = userpg.New(h.db)
	contacts, outbox := crmpg.NewContacts(h.db), crmpg.NewOutbox(h.db)
	log := slog.New(slog.NewTextHandler(h, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.feed = httpapi.NewFeed(h.book, log)
	said := dispositionpg.New(h.db, nil)
	library, err := media.NewLibrary()
	if err != nil {
		t.Fatal(err)
	}
	stores := setup.Stores{Lots: h.lots, Agents: h.agents, Routes: h.routes, Contacts: contacts, Realm: "test", Dispositions: said, InUse: idle, Waiting: idle}
	ledger := analyticspg.New(h.db)
	deps := httpapi.Deps{
		Live: h.live, Lots: h.lots, Agents: h.agents, Routes: h.routes, Flows: h.routes, Calendars: h.routes, Contacts: contacts, Outbox: outbox,
		Calls: h.book, Dispositions: said, Callbacks: callbackpg.New(h.db), Jobs: jobs.New(h.db, node, log), Keys: h.keys, People: h.people, Audit: auditpg.New(h.db), Feed: h.feed,
		Report: func(ctx context.Context, w analytics.Window, o analytics.Options) (analytics.Report, error) {
			return analytics.Summarize(ledger.Events(ctx, w), w, o)
		},
		Setup: func(ctx context.Context, d setup.Document, o setup.Options) ([]setup.Change, error) {
			return setup.Apply(ctx, stores, d, o, time.Now())
		},
		Export: func(ctx context.Context, contacts bool) (setup.Exported, error) {
			return setup.Export(ctx, stores, contacts)
		},
		Changed: func(context.Context, string) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changed++
			return nil
		},
		Alone: h.db.Alone,
		Settings: func() []httpapi.Setting {
			return []httpapi.Setting{{Key: "region", Value: "ES", From: "configuration"}}
		},
		Webhooks:   webhookspg.New(h.db),
		Carriers:   carriers{},
		Voicemail:  mailroom{voicemailpg.New(h.db), library},
		Prompts:    promptpg.New(h.db),
		Recordings: fstest.MapFS{"2026-03-02/call_1-1.wav": {Data: []byte("RIFF")}},
		Sounds:     func() []string { return []string{"beep", "say/0123", "welcome"} },
		Speak: func(_ context.Context, text, lang string) ([]byte, error) {
			if strings.HasPrefix(lang, "-") {
				return nil, speech.ErrLanguage
			}
			return wav.Linear(tone.Generate(500, time.Duration(len(text))*50*time.Millisecond, clip.Rate), clip.Rate), nil
		},
		Known: func(ctx context.Context) (routing.Known, error) { return setup.KnownTo(ctx, stores) },
		Node:  node, Realm: "test", Region: "ES", Version: "test", Now: time.Now, Log: log,
	}
	change(&deps)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := deps.Feed.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("feed: %v", err)
		}
	}()
	srv := httptest.NewServer(httpapi.New(deps))
	t.Cleanup(func() { cancel(); <-done; srv.Close() })
	h.url = srv.URL
	if h.key, _, err = h.keys.EnsureFirst(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	return h
}

// changes is how often the hub was told that its configuration changed.
func (h *hub) changes() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// answer is what came of a request.
type answer struct {
	status int
	header http.Header
	body   string
	doc    map[string]any
}

// do sends a request; body is a string as it is, or anything to be JSON. Headers
// come in pairs.
func (h *hub) do(method, path string, body any, headers ...string) answer {
	h.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		doc, err := json.Marshal(b)
		if err != nil {
			h.t.Fatal(err)
		}
		r = strings.NewReader(string(doc))
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), 60*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, r)
	if err != nil {
		h.t.Fatal(err)
	}
	if h.key != "" {
		req.Header.Set("Authorization", "Bearer "+h.key)
	}
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := apitest.Client(h.t).Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, body: string(b)}
	if strings.Contains(res.Header.Get("Content-Type"), "json") && len(b) > 0 {
		if err := json.Unmarshal(b, &a.doc); err != nil {
			h.t.Fatalf("%s %s: %v: %s", method, path, err, b)
		}
	}
	return a
}

// must fails the test unless the status is the one wanted.
func (h *hub) must(status int, method, path string, body any, headers ...string) answer {
	h.t.Helper()
	a := h.do(method, path, body, headers...)
	if a.status != status {
		h.t.Fatalf("%s %s: %d, want %d: %s\n%s", method, path, a.status, status, a.body, h.logged())
	}
	return a
}

// problem fails the test unless the answer is a problem of that code, whole.
func (h *hub) problem(status int, code, method, path string, body any, headers ...string) answer {
	h.t.Helper()
	a := h.must(status, method, path, body, headers...)
	if a.header.Get("Content-Type") != "application/problem+json" {
		h.t.Errorf("%s %s: content type %q", method, path, a.header.Get("Content-Type"))
	}
	if a.doc["code"] != code || a.doc["status"] != float64(status) || a.doc["title"] == "" {
		h.t.Errorf("%s %s: %s, want code %s", method, path, a.body, code)
	}
	if id, _ := a.doc["request_id"].(string); !strings.HasPrefix(id, "req_") || id != a.header.Get("X-Request-Id") {
		h.t.Errorf("%s %s: request id %q", method, path, id)
	}
	return a
}

// location is the place of the first fault.
func (a answer) location() string {
	list, _ := a.doc["errors"].([]any)
	if len(list) == 0 {
		return ""
	}
	first, _ := list[0].(map[string]any)
	s, _ := first["location"].(string)
	return s
}

func (a answer) data() []map[string]any {
	list, _ := a.doc["data"].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, v := range list {
		m, _ := v.(map[string]any)
		out = append(out, m)
	}
	return out
}

// dig is what is at a place of a JSON document, nil if there is nothing.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			list, _ := v.([]any)
			if p >= len(list) {
				return nil
			}
			v = list[p]
		}
	}
	return v
}

// call makes a call that is live, in the ledger too.
func (h *hub) call(facts ...call.EventType) call.ID {
	h.t.Helper()
	id := call.ID(call.NewID("call", time.Now()))
	events := []call.Event{{At: time.Now(), Call: id, Type: call.Offered}}
	for _, f := range facts {
		events = append(events, call.Event{At: time.Now(), Call: id, Type: f})
	}
	err := h.book.Begin(h.t.Context(), callctl.Opening{ID: id, Node: node, From: callctl.Party{Number: "+34600000001"}, To: "+34910000001", At: time.Now()}, events...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.live.mu.Lock()
	defer h.live.mu.Unlock()
	h.live.calls[id] = true
	return id
}

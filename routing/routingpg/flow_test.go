package routingpg_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 123456789, time.UTC)

// greeting is a flow that says something and hangs up.
func greeting(words string) []byte {
	return fmt.Appendf(nil, `{"schema": "callflow/v1", "name": "greeting", "entry": "say", "handlers": {"hangup": "bye"},
  "nodes": {"say": {"type": "play", "cfg": {"say": %q}, "on": {"next": "bye"}}, "bye": {"type": "hangup"}}}`, words)
}

func lint(f *routing.Flow) routing.Findings {
	return sim.Check(context.Background(), f, routing.Known{})
}

func open(t *testing.T) (*pg.DB, *routingpg.Store) {
	t.Helper()
	db := pgtest.New(t)
	return db, routingpg.New(db)
}

func save(t *testing.T, s *routingpg.Store, doc []byte) {
	t.Helper()
	if _, err := s.SaveDraft(t.Context(), "greeting", doc, nil); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, s *routingpg.Store, words string) routingpg.Version {
	t.Helper()
	save(t, s, greeting(words))
	v, err := s.Publish(t.Context(), "greeting", "says "+words, "ann", noon, lint)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// is asserts the type of an error.
func is[E error](t *testing.T, err error) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, want a %T", err, e)
	}
	return e
}

func TestDrafts(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	at := func(n int) *int { return &n }

	is[*routingpg.NotFoundError](t, second(s.Flow(ctx, "greeting")))
	if stale := is[*routingpg.StaleError](t, second(s.SaveDraft(ctx, "greeting", greeting("a"), at(4)))); stale.ETag != 0 {
		t.Errorf("a flow that is not there is at %d", stale.ETag)
	}
	if etag, err := s.SaveDraft(ctx, "greeting", greeting("a"), at(0)); err != nil || etag != 1 {
		t.Fatal(etag, err)
	}
	if stale := is[*routingpg.StaleError](t, second(s.SaveDraft(ctx, "greeting", greeting("b"), at(0)))); stale.ETag != 1 {
		t.Errorf("the draft is at %d, want 1", stale.ETag)
	}
	faulty := []byte("{\"zz\": 1,\n  \"aa\": \"not a flow yet\"}")
	if etag, err := s.SaveDraft(ctx, "greeting", faulty, at(1)); err != nil || etag != 2 {
		t.Fatal(etag, err)
	}
	is[*routingpg.StaleError](t, second(s.SaveDraft(ctx, "greeting", greeting("b"), at(1))))

	f, err := s.Flow(ctx, "greeting")
	if err != nil || f.DraftETag != 2 || f.Live != 0 || !strings.HasPrefix(f.ID, "flow_") {
		t.Fatal(f, err)
	}
	if string(f.Draft) != string(faulty) {
		t.Errorf("the draft came back as %s", f.Draft)
	}
	for _, bad := range []string{``, `[]`, `null`, `{"a":`} {
		is[*routingpg.InvalidError](t, second(s.SaveDraft(ctx, "greeting", []byte(bad), nil)))
	}
	is[*routingpg.InvalidError](t, second(s.SaveDraft(ctx, "no/name", greeting("a"), nil)))
	if fs, err := s.Flows(ctx); err != nil || len(fs) != 1 || fs[0].Draft != nil {
		t.Errorf("flows are %v, %v", fs, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestDraftsOfTwo(t *testing.T) {
	_, s := open(t)
	for _, based := range []int{0, 1} { // they make it, then they change it
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { _, errs[i] = s.SaveDraft(t.Context(), "greeting", greeting("x"), &based) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				is[*routingpg.StaleError](t, err)
			}
		}
		if won != 1 {
			t.Errorf("%d of 8 saved on top of %d", won, based)
		}
	}
}

func TestPublish(t *testing.T) {
	db, s := open(t)
	ctx := t.Context()
	is[*routingpg.NotFoundError](t, second(s.Publish(ctx, "greeting", "", "", noon, lint)))

	v1 := publish(t, s, "hello")
	if v1.N != 1 || v1.Author != "ann" || v1.Message != "says hello" || !v1.PublishedAt.Equal(noon.Truncate(time.Microsecond)) {
		t.Errorf("version is %+v", v1)
	}
	t.Run("the same again makes no new version", func(t *testing.T) {
		save(t, s, []byte(strings.ReplaceAll(string(greeting("hello")), " ", "\n ")))
		again, err := s.Publish(ctx, "greeting", "again", "ben", noon.Add(time.Hour), lint)
		if err != nil || again.N != 1 || again.Author != "ann" {
			t.Errorf("version is %+v, %v", again, err)
		}
	})
	t.Run("the live flow is the last published", func(t *testing.T) {
		v2 := publish(t, s, "good day")
		live, err := s.Live(ctx, "greeting")
		if err != nil || v2.N != 2 || live.Version() != 2 || string(live.Doc()) != string(greeting("good day")) {
			t.Errorf("live is %v, %v", live, err)
		}
		old, err := s.Version(ctx, "greeting", 1)
		if err != nil || string(old.Doc) != string(greeting("hello")) {
			t.Errorf("version 1 is %+v, %v", old, err)
		}
	})
	t.Run("a flow with errors is not published", func(t *testing.T) {
		save(t, s, []byte(`{"schema": "callflow/v1", "name": "other", "entry": "a", "nodes": {"a": {"type": "play", "cfg": {"sey": 1}}}}`))
		bad := is[*routingpg.LintError](t, second(s.Publish(ctx, "greeting", "", "", noon, lint)))
		for _, want := range []string{"nodes.a.cfg.sey", "handlers.hangup", "nodes.a.on", "error: name: "} {
			if !strings.Contains(bad.Findings.String(), want) {
				t.Errorf("%s is not among\n%s", want, bad.Findings)
			}
		}
		if f, err := s.Flow(ctx, "greeting"); err != nil || f.Live != 2 {
			t.Errorf("live is %d, %v", f.Live, err)
		}
	})
	t.Run("nor one whose tests fail", func(t *testing.T) {
		save(t, s, []byte(strings.Replace(string(greeting("hello")), `"entry"`,
			`"tests": [{"name": "t", "given": {"at": "2026-11-03T10:00:00Z"}, "expect": {"path": ["bye"]}}], "entry"`, 1)))
		bad := is[*routingpg.LintError](t, second(s.Publish(ctx, "greeting", "", "", noon, lint)))
		if len(bad.Findings) != 1 || bad.Findings[0].Location != "tests[0]" {
			t.Errorf("findings are %v", bad.Findings)
		}
	})
	t.Run("what was published cannot be changed", func(t *testing.T) {
		if _, err := db.Pool.Exec(ctx, `update flow_versions set doc = '{}' where n = 1`); err == nil {
			t.Error("a version was changed")
		}
	})
	t.Run("warnings do not stand in the way", func(t *testing.T) {
		doc, err := os.ReadFile("../testdata/inbound_sales.json")
		if err != nil {
			t.Fatal(err)
		}
		doc = []byte(strings.Replace(string(doc), `"max_park_s": 120`, `"visibility": "parker", "max_park_s": 120`, 1))
		if _, err := s.SaveDraft(ctx, "inbound-sales", doc, nil); err != nil {
			t.Fatal(err)
		}
		v, err := s.Publish(ctx, "inbound-sales", "", "", noon, lint)
		if err != nil || len(v.Warnings) != 1 {
			t.Errorf("warnings are %v, %v", v.Warnings, err)
		}
	})
}

func TestPublishingAtOnce(t *testing.T) {
	_, s := open(t)
	publish(t, s, "0")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := s.SaveDraft(t.Context(), "greeting", greeting(fmt.Sprint(i)), nil); err != nil {
				t.Error(err)
			}
			if _, err := s.Publish(t.Context(), "greeting", "", "", noon, lint); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	vs, err := s.Versions(t.Context(), "greeting")
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range vs {
		if v.N != len(vs)-i {
			t.Errorf("version %d stands at %d of %d", v.N, i, len(vs))
		}
	}
	if f, err := s.Flow(t.Context(), "greeting"); err != nil || f.Live != len(vs) {
		t.Errorf("live is %d of %d, %v", f.Live, len(vs), err)
	}
}

func TestSetLive(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	publish(t, s, "one")
	publish(t, s, "two")
	if v, err := s.SetLive(ctx, "greeting", 2, "", "", noon, lint); err != nil || v.N != 2 {
		t.Errorf("the live version became %+v, %v", v, err)
	}
	v, err := s.SetLive(ctx, "greeting", 1, "two was rude", "ben", noon, lint)
	if err != nil || v.N != 3 || v.Restored != 1 || string(v.Doc) != string(greeting("one")) {
		t.Errorf("version is %+v, %v", v, err)
	}
	if live, err := s.Live(ctx, "greeting"); err != nil || live.Version() != 3 {
		t.Errorf("live is %v, %v", live, err)
	}
	refuse := func(*routing.Flow) routing.Findings {
		return routing.Findings{{Severity: routing.Error, Location: "nodes.say.cfg.prompt"}}
	}
	is[*routingpg.LintError](t, second(s.SetLive(ctx, "greeting", 2, "", "", noon, refuse)))
	for _, none := range []int{9, 3_000_000_000} {
		is[*routingpg.NotFoundError](t, second(s.SetLive(ctx, "greeting", none, "", "", noon, lint)))
	}
	is[*routingpg.NotFoundError](t, second(s.SetLive(ctx, "nothing", 1, "", "", noon, lint)))
	vs, err := s.Versions(ctx, "greeting")
	if err != nil || len(vs) != 3 || vs[0].N != 3 || vs[0].Doc != nil {
		t.Errorf("versions are %v, %v", vs, err)
	}
	is[*routingpg.NotFoundError](t, second(s.Versions(ctx, "nothing")))
	is[*routingpg.NotFoundError](t, second(s.Live(ctx, "nothing")))
}

func TestPutFlow(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	f, fresh, err := s.PutFlow(ctx, greeting("a"), "set up", noon, lint)
	if err != nil || !fresh || f.Version() != 1 || f.Name() != "greeting" {
		t.Fatal(f, fresh, err)
	}
	save(t, s, []byte(`{"being": "written"}`))
	f, fresh, err = s.PutFlow(ctx, greeting("a"), "set up", noon, lint)
	if err != nil || fresh || f.Version() != 1 {
		t.Error(f, fresh, err)
	}
	if d, err := s.Flow(ctx, "greeting"); err != nil || string(d.Draft) != `{"being": "written"}` {
		t.Errorf("somebody's draft became %s, %v", d.Draft, err)
	}
	if f, fresh, err = s.PutFlow(ctx, greeting("b"), "set up", noon, lint); err != nil || !fresh || f.Version() != 2 {
		t.Error(f, fresh, err)
	}
	_, _, err = s.PutFlow(ctx, []byte(`{"schema": "callflow/v1"}`), "", noon, lint)
	is[*routingpg.LintError](t, err)
	none := routing.Known{Queue: func(string) bool { return false }}
	_, _, err = s.PutFlow(ctx, []byte(strings.Replace(string(greeting("c")), `{"type": "hangup"}`,
		`{"type": "hangup"}, "q": {"type": "queue", "cfg": {"queue": "sales"}, "on": {"default": "bye"}}`, 1)), "", noon, func(f *routing.Flow) routing.Findings { return routing.Lint(f, none) })
	if bad := is[*routingpg.LintError](t, err); len(bad.Findings.Errors()) != 2 {
		t.Errorf("findings are %v", bad.Findings)
	}
	if d, err := s.Flow(ctx, "greeting"); err != nil || d.Live != 2 || string(d.Draft) != string(greeting("b")) {
		t.Errorf("a flow that was refused left %+v, %v", d, err)
	}
}

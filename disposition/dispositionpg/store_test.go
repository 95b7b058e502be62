package dispositionpg_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/disposition/dispositionpg"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

type bench struct {
	*testing.T
	db *pg.DB
	*dispositionpg.Store

	mu      sync.Mutex
	revised []string // codes that the CRM was told of
}

func open(t *testing.T) *bench {
	b := &bench{T: t, db: pgtest.New(t)}
	b.Store = dispositionpg.New(b.db, func(_ context.Context, _ *pg.Tx, _ call.ID, s disposition.Said) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.revised = append(b.revised, s.Code)
		return nil
	})
	b.exec(`insert into calls (id, node, started_at) values ('call_1', 'n1', $1)`, noon)
	return b
}

func (b *bench) exec(sql string, args ...any) {
	b.Helper()
	if _, err := b.db.Pool.Exec(b.Context(), sql, args...); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// list reads one column.
func (b *bench) list(sql string) []string {
	b.Helper()
	rows, _ := b.db.Pool.Query(b.Context(), sql)
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	b.ok(err)
	return out
}

func (b *bench) is(what string, got, want []string) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (b *bench) end() {
	b.exec(`update calls set ended_at = $1 where id = 'call_1'`, noon.Add(time.Minute))
}

func (b *bench) jobs() []string {
	return b.list(`select kind || ' ' || queue || ' ' || (args->>'ask') from river_job order by id`)
}

func (b *bench) said() []string {
	return b.list(`select data->>'code' || coalesce(' before ' || (data->>'before'), '') from call_events where type = 'call.disposed' order by seq`)
}

func (b *bench) says(code string, at time.Time) error {
	_, err := b.Say(b.Context(), "call_1", disposition.Said{Code: code, Note: "noted", By: call.Actor{User: "ann"}, At: at})
	return err
}

func ask(id string, since time.Time) disposition.Ask {
	return disposition.Ask{
		ID: id, Call: "call_1", Hub: "n1", Flow: "f", Version: 2, Node: "done", Agent: "ann", Since: since,
		At: noon.Add(time.Minute), Due: noon.Add(2 * time.Minute), Default: "auto:none", Run: []byte(`{"at": "done"}`),
	}
}

func TestCodes(t *testing.T) {
	b := open(t)
	codes, err := b.Codes(t.Context())
	b.ok(err)
	b.is("at first", codes.Names(), disposition.Defaults().Names())
	b.ok(b.SaveCodes(t.Context(), disposition.List{{Code: "b"}, {Code: "a", Label: "A", Category: disposition.Negative}}))
	codes, err = b.Codes(t.Context())
	b.ok(err)
	b.is("in their order", codes.Names(), []string{"b", "a"})
	if codes[0].Label != "b" || codes[1].Category != disposition.Negative {
		t.Errorf("%+v", codes)
	}
	if b.SaveCodes(t.Context(), disposition.List{{Code: "auto:x"}}) == nil {
		t.Error("a code of the hub's was taken")
	}
	var unknown *disposition.UnknownCodeError
	if err := b.says("won", noon); !errors.As(err, &unknown) || !slices.Equal(unknown.Known, []string{"b", "a"}) {
		t.Errorf("a code that is not in the list: %v", err)
	}
	b.ok(b.SaveCodes(t.Context(), nil))
	b.ok(b.says("won", noon))
}

func TestSaying(t *testing.T) {
	t.Run("the newest counts, all are in the ledger, and the CRM hears of it once the call is over", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.ok(b.says("won", noon))
		b.is("revised", b.revised, nil)
		b.end()
		b.ok(b.says("call_again", noon.Add(time.Hour)))
		b.is("said", b.said(), []string{"won", "call_again before won"})
		b.is("revised", b.revised, []string{"call_again"})
		b.is("row", b.list(`select disposition->>'code' || ' ' || (disposition->>'category') || ' ' || (disposition->'by'->>'user') from calls`), []string{"call_again neutral ann"})
		if _, err := b.Say(t.Context(), "call_none", disposition.Said{Code: "won", At: noon}); !errors.Is(err, disposition.ErrNoCall) {
			t.Errorf("of no call: %v", err)
		}
	})
	t.Run("it answers what is asked, and lets the flow go on where the call is", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.ok(b.Ask(t.Context(), ask("ask_1", noon)))
		b.ok(b.Ask(t.Context(), ask("ask_1", noon))) // tried again
		b.ok(b.says("won", noon.Add(90*time.Second)))
		b.ok(b.says("won", noon.Add(95*time.Second)))
		b.is("jobs", b.jobs(), []string{"disposition_due dispatch ask_1", "disposition_settled node_n1 ask_1"})
		a, err := b.Asked(t.Context(), "ask_1")
		b.ok(err)
		if a.State != disposition.Set || a.Said == nil || a.Said.Code != "won" || !a.Said.At.Equal(noon.Add(90*time.Second)) || a.Node != "done" || a.On {
			t.Errorf("%+v", a)
		}
		b.ok(b.Lapse(t.Context(), "ask_1", noon.Add(2*time.Minute))) // too late
		b.is("said", b.said(), []string{"won", "won before won"})
	})
	t.Run("said since the conversation began, it is the answer at once; said before, it is not", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.ok(b.says("won", noon))
		b.end()
		b.ok(b.Ask(t.Context(), ask("ask_1", noon)))
		b.ok(b.Ask(t.Context(), ask("ask_2", noon.Add(time.Second))))
		b.is("jobs", b.jobs(), []string{"disposition_settled default ask_1", "disposition_due dispatch ask_2"})
	})
	t.Run("nobody says anything", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.ok(b.Ask(t.Context(), ask("ask_1", noon)))
		b.end()
		for range 2 {
			b.ok(b.Lapse(t.Context(), "ask_1", noon.Add(2*time.Minute)))
		}
		b.is("said", b.said(), []string{"auto:none"})
		b.is("revised", b.revised, []string{"auto:none"})
		b.is("jobs", b.jobs(), []string{"disposition_due dispatch ask_1", "disposition_settled default ask_1"})
		b.ok(b.Lapse(t.Context(), "ask_none", noon))
		b.ok(b.Ask(t.Context(), disposition.Ask{ID: "ask_9", Call: "call_none", At: noon, Due: noon, Since: noon, Run: []byte(`{}`)})) // of a call the ledger does not know
	})
	t.Run("the default does not take the place of what was said in an earlier conversation", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.ok(b.says("won", noon))
		b.ok(b.Ask(t.Context(), ask("ask_1", noon.Add(time.Second))))
		b.ok(b.Lapse(t.Context(), "ask_1", noon.Add(2*time.Minute)))
		b.is("said", b.said(), []string{"won"})
		a, err := b.Asked(t.Context(), "ask_1")
		b.ok(err)
		if a.State != disposition.TimedOut || a.Said.Code != "auto:none" {
			t.Errorf("%+v", a)
		}
	})
	t.Run("the flow goes on once, with the walk as it was at the end of the call", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.ok(b.Ask(t.Context(), ask("ask_1", noon)))
		b.exec(`update calls set run = '{"at": "done", "hungup": true}' where id = 'call_1'`)
		b.end()
		b.ok(b.says("won", noon.Add(time.Hour)))
		a, err := b.Asked(t.Context(), "ask_1")
		b.ok(err)
		if string(a.Run) != `{"at": "done", "hungup": true}` {
			t.Errorf("walk %s", a.Run)
		}
		for range 2 {
			b.ok(b.GoneOn(t.Context(), a, []byte(`{"ended": true}`), call.Event{Call: "call_1", Type: call.FlowDecided, At: noon, Node: "done"}))
		}
		b.is("decided", b.list(`select node from call_events where type = 'flow.decided'`), []string{"done"})
		b.is("walk", b.list(`select run::text from calls`), []string{`{"ended": true}`})
		if a, err = b.Asked(t.Context(), "ask_1"); err != nil || !a.On {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("the rep and the end of the time at once: one of them answers", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		for i := range 10 {
			id := "ask_" + string(rune('a'+i))
			b.ok(b.Ask(t.Context(), ask(id, noon.Add(time.Duration(i+1)*time.Hour))))
			var wg sync.WaitGroup
			wg.Go(func() { b.ok(b.Lapse(t.Context(), id, noon)) })
			wg.Go(func() {
				if err := b.says("won", noon.Add(time.Duration(i)*time.Hour)); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
		}
		if n := len(b.list(`select args->>'ask' from river_job where kind = 'disposition_settled'`)); n != 10 {
			t.Errorf("%d answers to 10 asks", n)
		}
	})
}

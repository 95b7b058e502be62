package auditpg_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/internal/auditpg"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/promptpg"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/parking/parkingpg"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// lines writes events as "action object name before → after", the oldest first.
func lines(t *testing.T, db *pg.DB, f auditpg.Filter) []string {
	t.Helper()
	f.Limit = 1000
	list, err := auditpg.New(db).Events(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(list))
	for i, e := range list {
		out[len(list)-1-i] = strings.Join([]string{e.Action, e.Object, e.Name, text(e.Before), "→", text(e.After)}, " ")
	}
	return out
}

func text(doc json.RawMessage) string {
	if doc == nil {
		return "-"
	}
	return string(doc)
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("log:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// must fails the test on an error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnEventTellsWhoDidIt(t *testing.T) {
	db := pgtest.New(t)
	s := routingpg.New(db)
	ctx := pg.By(t.Context(), pg.Author{Kind: "user", ID: "usr_1", Name: "ana", IP: "192.0.2.7", RequestID: "req_1", Node: "n1", At: noon})
	must(t, s.SaveNumber(ctx, routing.Number{Number: "+34911000000", Label: "main"}))
	list, err := auditpg.New(db).Events(ctx, auditpg.Filter{Limit: 10})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	e := list[0]
	if e.Kind != "user" || e.Actor != "usr_1" || e.ActorName != "ana" || e.IP != "192.0.2.7" || e.RequestID != "req_1" || e.Node != "n1" || !e.At.Equal(noon) {
		t.Errorf("%+v", e)
	}
	must(t, s.SaveNumber(t.Context(), routing.Number{Number: "+34911000000", Label: "by nobody"}))
	if _, err := db.Pool.Exec(ctx, `set callyard.author = ''; update numbers set label = 'by hand'`); err != nil {
		t.Fatal(err)
	}
	list, err = auditpg.New(db).Events(ctx, auditpg.Filter{Limit: 10})
	if err != nil || len(list) != 3 || list[1].Kind != "system" || list[0].Kind != "database" || list[0].ActorName == "" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestTheLogTellsWhatChanged(t *testing.T) {
	db := pgtest.New(t)
	ctx := t.Context()
	routes, lots, agents := routingpg.New(db), parkingpg.New(db), queuespg.New(db)

	t.Run("of a change only what changed, of nothing nothing", func(t *testing.T) {
		lot := parking.Lot{Name: "sales", First: 701, Last: 709}
		must(t, lots.SaveLot(ctx, lot), lots.SaveLot(ctx, lot))
		lot.Last = 719
		must(t, lots.SaveLot(ctx, lot), lots.DeleteLot(ctx, "sales"))
		got := lines(t, db, auditpg.Filter{Object: "lot"})
		if len(got) != 3 || !strings.HasPrefix(got[0], "created lot sales - → {") || !strings.HasPrefix(got[2], "deleted lot sales {") {
			t.Fatal(strings.Join(got, "\n"))
		}
		equal(t, got[1:2], `changed lot sales {"last_slot": 709} → {"last_slot": 719}`)
	})
	t.Run("secrets are told to have changed, and never what they are", func(t *testing.T) {
		trunk := routing.Trunk{Name: "carrier", Host: "sip.example.com", Username: "us", Password: "correct horse"}
		must(t, routes.SaveTrunk(ctx, trunk))
		trunk.Password = "battery staple"
		must(t, routes.SaveTrunk(ctx, trunk))
		trunk.Priority = 7
		must(t, routes.SaveTrunk(ctx, trunk))
		got := lines(t, db, auditpg.Filter{Object: "trunk"})
		equal(t, got[1:], `changed trunk carrier {"password": "(secret)"} → {"password": "(another secret)"}`,
			`changed trunk carrier {"priority": 0} → {"priority": 7}`)
		a := queues.Agent{Name: "ana", HA1: queues.NewHA1("ana", "test", "tr0ub4dor&3")}
		must(t, agents.SaveAgent(ctx, a))
		other := a
		other.HA1 = queues.NewHA1("ana", "test", "another one")
		must(t, agents.SaveAgent(ctx, other))
		_, secret, err := keypg.New(db).Create(ctx, keypg.Key{Name: "board", Scopes: []keypg.Scope{keypg.Read}}, noon)
		must(t, err)
		all := strings.Join(lines(t, db, auditpg.Filter{}), "\n")
		for _, s := range []string{"correct horse", "battery staple", a.HA1.MD5, a.HA1.SHA256, other.HA1.MD5, other.HA1.SHA256, secret, "hash"} {
			if strings.Contains(all, s) {
				t.Errorf("%q is in the log", s)
			}
		}
	})
	t.Run("who serves a queue, and not the rest anew", func(t *testing.T) {
		must(t, agents.SaveAgent(ctx, queues.Agent{Name: "ben"}))
		must(t, agents.SaveQueue(ctx, queues.Queue{Name: "sales", Agents: []queues.Assignment{{Agent: "ana"}}}))
		must(t, agents.SaveQueue(ctx, queues.Queue{Name: "sales", Agents: []queues.Assignment{{Agent: "ana"}, {Agent: "ben", Tier: 1}}}))
		must(t, agents.SaveQueue(ctx, queues.Queue{Name: "sales", Agents: []queues.Assignment{{Agent: "ben", Tier: 2}}, MaxLen: 5}))
		got := lines(t, db, auditpg.Filter{Name: "sales", Object: "queue"})
		equal(t, got[1:],
			`agent_added queue sales - → {"tier": 0, "agent": "ana", "position": 0}`,
			`agent_added queue sales - → {"tier": 1, "agent": "ben", "position": 0}`,
			`changed queue sales {"max_len": 0} → {"max_len": 5}`,
			`agent_removed queue sales {"tier": 0, "agent": "ana", "position": 0} → -`,
			`agent_changed queue sales {"tier": 1, "agent": "ben", "position": 0} → {"tier": 2, "agent": "ben", "position": 0}`)
	})
	t.Run("what agents do is no configuration", func(t *testing.T) {
		before := len(lines(t, db, auditpg.Filter{}))
		must(t, agents.SetStatus(ctx, "ana", queues.Away, "lunch", noon))
		if got := lines(t, db, auditpg.Filter{}); len(got) != before {
			t.Errorf("log: %v", got[before:])
		}
	})
	t.Run("a flow by the numbers of its versions", func(t *testing.T) {
		doc := func(words string) []byte {
			return []byte(`{"schema": "callflow/v1", "name": "greeting", "entry": "say", "handlers": {"hangup": "bye"},
  "nodes": {"say": {"type": "play", "cfg": {"say": "` + words + `"}, "on": {"next": "bye"}}, "bye": {"type": "hangup"}}}`)
		}
		lint := func(f *routing.Flow) routing.Findings { return routing.Lint(f, routing.Known{}) }
		save := func(words string) {
			_, err := routes.SaveDraft(ctx, "greeting", doc(words), nil)
			must(t, err)
		}
		save("one")
		_, err := routes.Publish(ctx, "greeting", "the first", "ana", noon, lint)
		must(t, err)
		save("two")
		_, err = routes.Publish(ctx, "greeting", "the second", "ana", noon, lint)
		must(t, err)
		_, err = routes.SetLive(ctx, "greeting", 1, "two was wrong", "ana", noon, lint)
		must(t, err)
		save(`nobody\u0000reads this`)
		got := lines(t, db, auditpg.Filter{Object: "flow"})
		if !strings.HasPrefix(got[0], "created flow greeting - → {") || strings.Contains(got[0], "nodes") {
			t.Error(got[0])
		}
		equal(t, got[1:],
			`published flow greeting - → {"message": "the first", "version": 1}`,
			`draft_saved flow greeting {"draft_etag": 1} → {"draft_etag": 2}`,
			`published flow greeting {"version": 1} → {"message": "the second", "version": 2}`,
			`rolled_back flow greeting {"version": 2} → {"message": "two was wrong", "version": 3, "restored": 1}`,
			`draft_saved flow greeting {"draft_etag": 2} → {"draft_etag": 3}`)
		must(t, routes.DeleteFlow(ctx, "greeting"))
	})
	t.Run("of an import how much came of it", func(t *testing.T) {
		_, _, err := crmpg.NewContacts(db).Import(ctx, []crm.Contact{{Name: "Eva", Phones: []call.Number{"+34600000001"}}}, noon)
		must(t, err)
		equal(t, lines(t, db, auditpg.Filter{Object: "contacts"}), `imported contacts  - → {"changed": 0, "created": 1}`)
	})
	t.Run("a prompt without its sound", func(t *testing.T) {
		_, err := promptpg.New(db).Save(ctx, promptpg.Prompt{Name: "hello", SavedAt: noon}, []byte("RIFFwav"))
		must(t, err)
		if got := lines(t, db, auditpg.Filter{Object: "prompt"}); len(got) != 1 || strings.Contains(got[0], "wav") {
			t.Error(got)
		}
	})
}

func TestAChangeThatFailsIsNotToldOf(t *testing.T) {
	db := pgtest.New(t)
	err := db.In(t.Context(), func(tx *pg.Tx) error {
		if _, err := tx.Exec(t.Context(), `insert into numbers (id, number) values ('num_1', '701')`); err != nil {
			return err
		}
		return keypg.ErrUnknown
	})
	if err == nil || len(lines(t, db, auditpg.Filter{})) != 0 {
		t.Error(err, lines(t, db, auditpg.Filter{}))
	}
}

func TestTheLogOnlyGrows(t *testing.T) {
	db := pgtest.New(t)
	must(t, routingpg.New(db).SaveNumber(t.Context(), routing.Number{Number: "701"}))
	for _, sql := range []string{`update audit_events set actor_name = 'somebody else'`, `delete from audit_events`, `truncate audit_events`} {
		if _, err := db.Pool.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "only grows") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got := lines(t, db, auditpg.Filter{}); len(got) != 1 {
		t.Error(got)
	}
}

// unaudited are the tables that are no configuration: what happens, what waits,
// and what is kept of it.
var unaudited = strings.Fields(`nodes calls call_events parks reservations slots entries offers offer_agents devices
	contacts contact_numbers contact_activities crm_outbox idempotency_keys voicemails sessions links audit_events migration
	agent_moments disposition_asks callbacks calendar_revisions webhook_cursor webhook_deliveries runs`)

func TestEveryTableOfConfigurationIsAudited(t *testing.T) {
	db := pgtest.New(t)
	rows, err := db.Pool.Query(t.Context(), `select c.relname::text from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
		and c.relname not like 'river%' and not (c.relname = any ($1)) and not exists (
		select from pg_trigger t join pg_proc p on p.oid = t.tgfoid where t.tgrelid = c.oid and p.proname like 'audit%')`, unaudited)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var table string
		must(t, rows.Scan(&table))
		t.Errorf("table %s is neither audited nor among those that are no configuration", table)
	}
}

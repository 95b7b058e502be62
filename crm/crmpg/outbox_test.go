package crmpg_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/contacts"
	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/crm/crmtest"
	"github.com/callyard/callyard/crm/webhook"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

var now = time.Date(2026, 3, 2, 9, 5, 0, 0, time.UTC)

// put commits an activity for the providers, and returns the outbox's lines of it, oldest first.
func put(t *testing.T, db *pg.DB, a crm.Activity, providers ...string) []crm.Delivery {
	t.Helper()
	if err := db.In(t.Context(), func(tx *pg.Tx) error { return crmpg.Put(t.Context(), tx, []crm.Activity{a}, providers...) }); err != nil {
		t.Fatal(err)
	}
	ds, err := crmpg.NewOutbox(db).Deliveries(t.Context(), crm.DeliveryFilter{Key: a.Key})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(ds)
	return ds
}

// jobs counts the jobs that are to deliver a line.
func jobs(t *testing.T, db *pg.DB, id int64) (n int) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), `
		select count(*) from river_job
		where kind = 'crm_deliver' and queue = $1 and (args->>'outbox')::bigint = $2 and state = 'available'`, job.CRM, id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func state(t *testing.T, db *pg.DB, id int64) crm.Delivery {
	t.Helper()
	d, err := crmpg.NewOutbox(db).Delivery(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPut(t *testing.T) {
	db := pgtest.New(t)

	t.Run("a line and a job for each provider", func(t *testing.T) {
		a := crmtest.Activity("call_put")
		ds := put(t, db, a, "contacts", "webhook")
		if len(ds) != 2 || ds[0].Provider != "contacts" || ds[1].State != crm.DeliveryPending || ds[1].Activity.Talked != a.Talked {
			t.Fatalf("deliveries %+v", ds)
		}
		for _, d := range ds {
			if n := jobs(t, db, d.ID); n != 1 {
				t.Errorf("%d jobs for %s, want 1", n, d.Provider)
			}
		}
	})

	t.Run("the same revision again adds nothing, a later one does", func(t *testing.T) {
		a := crmtest.Activity("call_again")
		put(t, db, a, "webhook")
		if ds := put(t, db, a, "webhook"); len(ds) != 1 || jobs(t, db, ds[0].ID) != 1 {
			t.Errorf("deliveries %+v", ds)
		}
		a.Rev = 2
		if ds := put(t, db, a, "webhook"); len(ds) != 2 {
			t.Errorf("deliveries %+v", ds)
		}
	})

	t.Run("what is rolled back was never asked for", func(t *testing.T) {
		count := func() (n int) {
			if err := db.Pool.QueryRow(t.Context(), `select count(*) from river_job`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := count()
		nope := errors.New("nope")
		err := db.In(t.Context(), func(tx *pg.Tx) error {
			if err := crmpg.Put(t.Context(), tx, []crm.Activity{crmtest.Activity("call_back")}, "webhook"); err != nil {
				return err
			}
			return nope
		})
		ds, _ := crmpg.NewOutbox(db).Deliveries(t.Context(), crm.DeliveryFilter{Key: "call_back"})
		if !errors.Is(err, nope) || len(ds) != 0 || count() != before {
			t.Errorf("error %v, deliveries %+v", err, ds)
		}
	})
}

func TestKeep(t *testing.T) {
	db := pgtest.New(t)
	outbox, book := crmpg.NewOutbox(db), crmpg.NewContacts(db)
	keep := func(a crm.Activity, with error) error {
		return db.In(t.Context(), func(tx *pg.Tx) error {
			crmpg.Keep(tx, []crm.Activity{a})
			return with
		})
	}
	lines := func(key string) []crm.Delivery {
		ds, err := outbox.Deliveries(t.Context(), crm.DeliveryFilter{Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return ds
	}

	t.Run("it is in the book and done with the change, and once however often", func(t *testing.T) {
		a := crmtest.Activity("call_keep")
		for range 2 {
			if err := keep(a, nil); err != nil {
				t.Fatal(err)
			}
		}
		ds := lines("call_keep")
		if len(ds) != 1 || ds[0].State != crm.DeliveryDone || ds[0].Provider != contacts.Name || ds[0].Ref == nil || *ds[0].Ref != contacts.Ref(a) || jobs(t, db, ds[0].ID) != 0 {
			t.Errorf("deliveries %+v", ds)
		}
		if got, err := book.Activities(t.Context(), "call_keep"); err != nil || len(got) != 1 || got[0].Talked != a.Talked {
			t.Errorf("holds %+v, %v", got, err)
		}
	})

	t.Run("a later revision takes its place, an earlier one does not", func(t *testing.T) {
		a, b := crmtest.Activity("call_kept"), crmtest.Activity("call_kept")
		b.Rev, b.Notes = 2, "later"
		for _, a := range []crm.Activity{b, a} {
			if err := keep(a, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got, _ := book.Activities(t.Context(), "call_kept"); len(got) != 1 || got[0].Notes != "later" {
			t.Errorf("holds %+v", got)
		}
	})

	t.Run("what is rolled back was never kept", func(t *testing.T) {
		nope := errors.New("nope")
		if err := keep(crmtest.Activity("call_undone"), nope); !errors.Is(err, nope) {
			t.Fatal(err)
		}
		if got, _ := book.Activities(t.Context(), "call_undone"); len(got) != 0 || len(lines("call_undone")) != 0 {
			t.Errorf("holds %+v", got)
		}
	})
}

func TestExactlyOnce(t *testing.T) {
	db := pgtest.New(t)
	outbox, book := crmpg.NewOutbox(db), crmpg.NewContacts(db)

	t.Run("a receiver that accepts and never answers has one activity after the retry", func(t *testing.T) {
		r := crmtest.NewReceiver(t)
		hook, err := webhook.New(webhook.Options{URL: r.URL, Secret: crmtest.Secret, Timeout: 300 * time.Millisecond, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		d := crm.Deliverer{Store: outbox, Providers: []crm.Provider{hook}}
		a := crmtest.Activity("call_lost")
		id := put(t, db, a, "webhook")[0].ID
		r.Lose(1)
		transient := new(crm.TransientError)
		if err := d.Deliver(t.Context(), id, now); !errors.As(err, &transient) {
			t.Fatalf("error %v, want transient", err)
		}
		if got := state(t, db, id); got.State != crm.DeliveryPending || got.Attempts != 1 || got.LastError == "" {
			t.Errorf("after the lost answer: %+v", got)
		}
		if err := d.Deliver(t.Context(), id, now.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := state(t, db, id); got.State != crm.DeliveryDone || got.Attempts != 2 || got.LastError != "" || got.Ref == nil {
			t.Errorf("after the retry: %+v", got)
		}
		if err := d.Deliver(t.Context(), id, now.Add(time.Minute)); err != nil {
			t.Errorf("once more: %v", err)
		}
		if got := r.Activities(a.Key); len(got) != 1 || r.Requests() != 2 {
			t.Errorf("the receiver holds %d activities after %d requests, want 1 after 2", len(got), r.Requests())
		}
	})

	t.Run("the address book under doubled jobs has one activity", func(t *testing.T) {
		d := crm.Deliverer{Store: outbox, Providers: []crm.Provider{contacts.Provider{Store: book}}}
		a := crmtest.Activity("call_double")
		id := put(t, db, a, contacts.Name)[0].ID
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := d.Deliver(t.Context(), id, now); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got, err := book.Activities(t.Context(), "call_double"); err != nil || len(got) != 1 {
			t.Errorf("%d activities, %v", len(got), err)
		}
		if got := state(t, db, id); got.State != crm.DeliveryDone || got.Attempts != 1 {
			t.Errorf("left %+v", got)
		}
	})

	t.Run("an earlier revision is not sent after a later one", func(t *testing.T) {
		d := crm.Deliverer{Store: outbox, Providers: []crm.Provider{contacts.Provider{Store: book}}}
		a, b := crmtest.Activity("call_rev"), crmtest.Activity("call_rev")
		b.Rev, b.Notes = 2, "later"
		first := put(t, db, a, contacts.Name)[0].ID
		second := put(t, db, b, contacts.Name)[1].ID
		for _, id := range []int64{second, first} {
			if err := d.Deliver(t.Context(), id, now); err != nil {
				t.Fatal(err)
			}
		}
		if got, _ := book.Activities(t.Context(), "call_rev"); len(got) != 1 || got[0].Notes != "later" {
			t.Errorf("holds %+v", got)
		}
		if got := state(t, db, first); got.State != crm.DeliveryDone || got.Ref.Type != "overtaken" {
			t.Errorf("left %+v", got)
		}
	})
}

func TestResend(t *testing.T) {
	db := pgtest.New(t)
	outbox := crmpg.NewOutbox(db)
	id := put(t, db, crmtest.Activity("call_dead"), "webhook")[0].ID
	if _, err := db.Pool.Exec(t.Context(), `update river_job set state = 'discarded', finalized_at = now()`); err != nil {
		t.Fatal(err)
	}
	if err := outbox.Dead(t.Context(), id, "status 422", now); err != nil {
		t.Fatal(err)
	}
	if err := outbox.Done(t.Context(), id, crm.Ref{}, now); err != nil || state(t, db, id).State != crm.DeliveryDead {
		t.Errorf("a dead delivery was changed: %v", err)
	}
	for range 2 {
		if err := outbox.Resend(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if d := state(t, db, id); d.State != crm.DeliveryPending || jobs(t, db, id) != 1 {
			t.Errorf("left %+v with %d jobs, want pending with one", d, jobs(t, db, id))
		}
	}
	unknown := new(crm.UnknownDeliveryError)
	if err := outbox.Resend(t.Context(), 999); !errors.As(err, &unknown) {
		t.Errorf("error %v", err)
	}
	if _, err := outbox.Delivery(t.Context(), 999); !errors.As(err, &unknown) {
		t.Errorf("error %v", err)
	}
}

func TestDeliveries(t *testing.T) {
	db := pgtest.New(t)
	outbox := crmpg.NewOutbox(db)
	one := put(t, db, crmtest.Activity("call_1"), "contacts", "webhook")
	two := put(t, db, crmtest.Activity("call_2"), "webhook")
	if err := outbox.Dead(t.Context(), two[0].ID, "status 422", now); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f    crm.DeliveryFilter
		want []int64
	}{
		"all, latest first": {crm.DeliveryFilter{}, []int64{two[0].ID, one[1].ID, one[0].ID}},
		"of a provider":     {crm.DeliveryFilter{Provider: "contacts"}, []int64{one[0].ID}},
		"dead":              {crm.DeliveryFilter{State: crm.DeliveryDead}, []int64{two[0].ID}},
		"a page":            {crm.DeliveryFilter{Limit: 1, Before: two[0].ID}, []int64{one[1].ID}},
	} {
		t.Run(name, func(t *testing.T) {
			ds, err := outbox.Deliveries(t.Context(), c.f)
			if err != nil || len(ds) != len(c.want) {
				t.Fatalf("got %+v, %v; want %v", ds, err, c.want)
			}
			for i, d := range ds {
				if d.ID != c.want[i] {
					t.Errorf("%d: got %d, want %d", i, d.ID, c.want[i])
				}
			}
		})
	}
}

func TestRevise(t *testing.T) {
	db := pgtest.New(t)
	outbox := crmpg.NewOutbox(db)
	revise := func(key, note string) {
		t.Helper()
		err := db.In(t.Context(), func(tx *pg.Tx) error {
			return crmpg.Revise(t.Context(), tx, key, func(a *crm.Activity) { a.Dispose(crm.Disposition{Code: "won"}, note) }, "webhook")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	a := crmtest.Activity("call_1")
	a.Rev, a.Notes = 0, "as it was" // as the live call writes it
	if err := db.In(t.Context(), func(tx *pg.Tx) error { crmpg.Keep(tx, []crm.Activity{a}); return nil }); err != nil {
		t.Fatal(err)
	}
	revise("call_1", "")
	revise("call_1", "wants an offer")
	revise("call_internal", "") // never logged
	all, err := outbox.Deliveries(t.Context(), crm.DeliveryFilter{})
	if err != nil || len(all) != 5 {
		t.Fatalf("%+v, %v", all, err)
	}
	last := all[0]
	if last.Provider != "webhook" || last.State != crm.DeliveryPending || last.Activity.Rev != 3 || last.Activity.Notes != "wants an offer" ||
		last.Activity.Disposition == nil || last.Activity.Outcome != a.Outcome || jobs(t, db, last.ID) != 1 {
		t.Errorf("the last: %+v", last)
	}
	if second := all[2]; second.Activity.Rev != 2 || second.Activity.Notes != "as it was" || second.Activity.Disposition.Code != "won" {
		t.Errorf("the one before: %+v", second)
	}
}

package crm_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
)

// slow is a CRM that takes its time.
type slow struct {
	name    string
	takes   time.Duration
	records []crm.Record
	err     error
	asked   atomic.Int32
}

func (s *slow) Name() string { return s.name }
func (s *slow) Lookup(ctx context.Context, _ call.Number) ([]crm.Record, error) {
	s.asked.Add(1)
	select {
	case <-time.After(s.takes):
		return s.records, s.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (*slow) LogCall(context.Context, crm.Activity) (crm.Ref, error) {
	return crm.Ref{}, errors.ErrUnsupported
}
func (*slow) Check(context.Context) error { return nil }

const caller = call.Number("+34600000001")

func person(id, owner string) crm.Record {
	return crm.Record{Ref: crm.Ref{Provider: "x", Type: "contact", ID: id}, Kind: "contact", Owner: owner, Phones: []call.Number{caller}}
}

func directory(t *testing.T, local crm.Provider, remote ...crm.Provider) *crm.Directory {
	d := crm.NewDirectory(local, remote, crm.DirectoryOptions{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(d.Close)
	return d
}

// find checks the outcome and how long it took.
func find(t *testing.T, d *crm.Directory, n call.Number, want crm.Outcome, took time.Duration) crm.Result {
	t.Helper()
	start := time.Now()
	r, err := d.Find(t.Context(), crm.Caller{Number: n, Within: 800 * time.Millisecond})
	if r.Outcome != want || (err != nil) != (want == crm.Failed) {
		t.Fatalf("outcome %s, error %v; want %s", r.Outcome, err, want)
	}
	if got := time.Since(start); got != took {
		t.Fatalf("took %s, want %s", got, took)
	}
	return r
}

func TestDirectory(t *testing.T) {
	// A bubble's goroutines must end with it, so each directory is closed inside.
	run := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}
	const ms = time.Millisecond

	run("the local index answers at once", func(t *testing.T) {
		local := &slow{name: "contacts", records: []crm.Record{person("l", "ann")}}
		remote := &slow{name: "big", takes: 5 * time.Second, records: []crm.Record{person("r", "ann")}}
		d := directory(t, local, remote)
		if r := find(t, d, caller, crm.One, 0); r.Best.Ref.ID != "l" || len(r.Late) != 1 {
			t.Errorf("got %+v", r)
		}
		<-time.After(6 * time.Second) // on the bubble's clock
		if r := find(t, d, caller, crm.One, 0); len(r.Others) != 1 {
			t.Errorf("the late answer was not merged: %+v", r)
		}
	})

	run("a slow CRM is given up at the deadline and heard the next time", func(t *testing.T) {
		remote := &slow{name: "big", takes: 3 * time.Second, records: []crm.Record{person("r", "ann")}}
		d := directory(t, &slow{name: "contacts"}, remote)
		find(t, d, caller, crm.Failed, 800*ms)
		<-time.After(3 * time.Second)
		find(t, d, caller, crm.One, 0)
		if n := remote.asked.Load(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})

	run("an answer in time is waited for, then cached for a minute", func(t *testing.T) {
		remote := &slow{name: "big", takes: 300 * ms, records: []crm.Record{person("r", "ann")}}
		d := directory(t, nil, remote)
		find(t, d, caller, crm.One, 300*ms)
		<-time.After(59 * time.Second)
		find(t, d, caller, crm.One, 0)
		<-time.After(2 * time.Second)
		find(t, d, caller, crm.One, 300*ms)
		if n := remote.asked.Load(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
	})

	run("whoever asks says how old an answer may be", func(t *testing.T) {
		remote := &slow{name: "big", takes: 300 * ms, records: []crm.Record{person("r", "ann")}}
		d := directory(t, nil, remote)
		ask := func(fresh, took time.Duration) {
			t.Helper()
			start := time.Now()
			r, err := d.Find(t.Context(), crm.Caller{Number: caller, Within: time.Second, Fresh: fresh})
			if got := time.Since(start); err != nil || r.Outcome != crm.One || got != took {
				t.Errorf("%s after %s, %v; want %s", r.Outcome, got, err, took)
			}
		}
		ask(time.Hour, 300*ms)
		<-time.After(30 * time.Minute)
		ask(time.Hour, 0)
		ask(0, 300*ms)
		ask(time.Minute, 0)
		<-time.After(ms)
		ask(crm.Afresh, 300*ms)
	})

	run("nobody is cached too", func(t *testing.T) {
		remote := &slow{name: "big", takes: 300 * ms}
		d := directory(t, nil, remote)
		find(t, d, caller, crm.None, 300*ms)
		find(t, d, caller, crm.None, 0)
	})

	run("a failure is not cached", func(t *testing.T) {
		remote := &slow{name: "big", err: &crm.UnauthorizedError{Why: "expired"}}
		d := directory(t, nil, remote)
		find(t, d, caller, crm.Failed, 0)
		remote.err, remote.records = nil, []crm.Record{person("r", "ann")}
		find(t, d, caller, crm.One, 0)
	})

	run("one failing CRM does not hide what another found", func(t *testing.T) {
		d := directory(t, nil, &slow{name: "bad", err: errors.New("broken")}, &slow{name: "good", records: []crm.Record{person("r", "ann")}})
		find(t, d, caller, crm.One, 0)
	})

	run("two owners with equal claims are many", func(t *testing.T) {
		d := directory(t, nil, &slow{name: "big", records: []crm.Record{person("a", "ann"), person("b", "bob")}})
		if r := find(t, d, caller, crm.Many, 0); r.Best.Ref.ID != "a" || len(r.Others) != 1 {
			t.Errorf("got %+v", r)
		}
	})

	run("of many the one that changed last, or the first by rank", func(t *testing.T) {
		deal, late := person("deal", "ann"), person("late", "bob")
		deal.Fields, late.Updated = map[string]any{"deal": map[string]any{"amount": 5.0}}, time.Now()
		all := []crm.Record{late, deal, person("a", "ann"), person("b", "ann"), person("c", "ann")} // a switchboard
		d := directory(t, nil, &slow{name: "big", records: all})
		r := find(t, d, caller, crm.Many, 0)
		if r.Pick(false).Ref.ID != "late" || r.Pick(true).Ref.ID != "deal" {
			t.Errorf("%s, first %s", r.Pick(false).Ref.ID, r.Pick(true).Ref.ID)
		}
	})

	run("withheld numbers and extensions are never looked up", func(t *testing.T) {
		p := &slow{name: "big"}
		d := directory(t, p)
		find(t, d, "", crm.None, 0)
		find(t, d, "201", crm.None, 0)
		if p.asked.Load() != 0 {
			t.Error("was asked")
		}
	})

	run("many calls at once put one question", func(t *testing.T) {
		remote := &slow{name: "big", takes: 300 * ms}
		d := directory(t, nil, remote)
		done := make(chan crm.Outcome, 20)
		for range cap(done) {
			go func() {
				r, _ := d.Find(t.Context(), crm.Caller{Number: caller, Within: time.Second})
				done <- r.Outcome
			}()
		}
		for range cap(done) {
			if o := <-done; o != crm.None {
				t.Errorf("outcome %s", o)
			}
		}
		if n := remote.asked.Load(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})

	run("a caller who hangs up is not waited for", func(t *testing.T) {
		d := directory(t, nil, &slow{name: "big", takes: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if r, err := d.Find(ctx, crm.Caller{Number: caller, Within: time.Minute}); r.Outcome != crm.Failed || err == nil {
			t.Errorf("got %s, %v", r.Outcome, err)
		}
	})

	run("what was asked for a caller who hung up is known the next time", func(t *testing.T) {
		d := directory(t, nil, &slow{name: "big", takes: 3 * time.Second, records: []crm.Record{person("r", "ann")}})
		ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		if _, err := d.Find(ctx, crm.Caller{Number: caller, Within: time.Minute}); err == nil {
			t.Error("no error")
		}
		<-time.After(3 * time.Second)
		find(t, d, caller, crm.One, 0)
	})

	run("closing ends open questions", func(t *testing.T) {
		d := directory(t, nil, &slow{name: "big", takes: time.Hour})
		find(t, d, caller, crm.Failed, 800*ms)
		start := time.Now()
		d.Close()
		if time.Since(start) != 0 {
			t.Errorf("took %s", time.Since(start))
		}
	})
}

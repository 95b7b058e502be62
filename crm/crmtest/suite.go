// Package crmtest holds what every CRM provider must do, as one suite of tests,
// and a receiver of webhooks to run it against.
package crmtest

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
)

// Subject is a fresh provider and the CRM behind it.
type Subject struct {
	Provider crm.Provider
	// Activities lists what the CRM holds of a call: none, or one.
	Activities func(key string) []crm.Activity
	// Know puts a person with these numbers into the CRM. nil if the provider
	// looks nobody up.
	Know func(name string, phones ...call.Number)
	// Lose makes the CRM carry out the next write and lose the answer. nil if the
	// write and its answer cannot part.
	Lose func()
}

// Activity is a call as one would be logged.
func Activity(key string) crm.Activity {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	connected := start.Add(50 * time.Second)
	return crm.Activity{
		Key: key, Rev: 1, Direction: "inbound", From: "+34600000001", To: "+34910000000",
		StartedAt: start, ConnectedAt: &connected, EndedAt: start.Add(4 * time.Minute),
		Parked: 40 * time.Second, Talked: 190 * time.Second, Outcome: "answered", Agent: "ann",
		About: []crm.Ref{}, Task: &crm.Task{Kind: "voicemail", Box: "agent:ann"},
	}
}

// TestProvider holds a provider to the contract of crm.Provider.
func TestProvider(t *testing.T, fresh func(t *testing.T) Subject) {
	t.Helper()

	t.Run("it has a name and works", func(t *testing.T) {
		s := fresh(t)
		if s.Provider.Name() == "" {
			t.Error("no name")
		}
		if err := s.Provider.Check(t.Context()); err != nil {
			t.Errorf("check: %v", err)
		}
	})

	t.Run("the same key twice is one activity", func(t *testing.T) {
		s := fresh(t)
		a := Activity("call_1")
		first, second := mustLog(t, s, a), mustLog(t, s, a)
		if first != second || first.ID == "" || first.Provider != s.Provider.Name() {
			t.Errorf("refs %+v and %+v", first, second)
		}
		wantOne(t, s, a)
	})

	t.Run("the same key at the same time is one activity", func(t *testing.T) {
		s := fresh(t)
		a := Activity("call_1")
		refs := make([]crm.Ref, 8)
		errs := make([]error, len(refs))
		var all sync.WaitGroup
		for i := range refs {
			all.Go(func() { refs[i], errs[i] = s.Provider.LogCall(t.Context(), a) })
		}
		all.Wait()
		for i := range refs {
			if errs[i] != nil || refs[i] != refs[0] {
				t.Errorf("ref %+v, error %v; the first was %+v", refs[i], errs[i], refs[0])
			}
		}
		wantOne(t, s, a)
	})

	t.Run("two keys are two activities", func(t *testing.T) {
		s := fresh(t)
		a, b := Activity("call_1"), Activity("call_2")
		b.Outcome = "abandoned"
		if mustLog(t, s, a) == mustLog(t, s, b) {
			t.Error("they share a ref")
		}
		wantOne(t, s, a)
		wantOne(t, s, b)
	})

	t.Run("a later revision changes the activity", func(t *testing.T) {
		s := fresh(t)
		a := Activity("call_1")
		mustLog(t, s, a)
		a.Rev, a.Notes = 2, "wants an offer"
		mustLog(t, s, a)
		wantOne(t, s, a)
	})

	t.Run("an earlier revision coming late changes nothing", func(t *testing.T) {
		s := fresh(t)
		old, a := Activity("call_1"), Activity("call_1")
		a.Rev, a.Notes = 2, "wants an offer"
		mustLog(t, s, a)
		mustLog(t, s, old)
		wantOne(t, s, a)
	})

	t.Run("a lost answer and another try are one activity", func(t *testing.T) {
		s := fresh(t)
		if s.Lose == nil {
			return // held by the tests of doubled keys
		}
		a := Activity("call_1")
		s.Lose()
		if _, err := s.Provider.LogCall(t.Context(), a); err == nil {
			t.Fatal("no error although the answer was lost")
		}
		wantOne(t, s, a)
		mustLog(t, s, a)
		wantOne(t, s, a)
	})

	t.Run("a withheld number is logged all the same", func(t *testing.T) {
		s := fresh(t)
		a := Activity("call_1")
		a.From, a.ConnectedAt, a.Outcome = "", nil, "abandoned"
		mustLog(t, s, a)
		wantOne(t, s, a)
	})

	t.Run("a write whose time is up is an error", func(t *testing.T) {
		s := fresh(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Provider.LogCall(ctx, Activity("call_1")); err == nil {
			t.Error("no error")
		}
	})

	t.Run("a number nobody has finds nobody", func(t *testing.T) {
		s := fresh(t)
		if rs, err := s.Provider.Lookup(t.Context(), "+34699999999"); err != nil || len(rs) != 0 {
			t.Errorf("found %+v, %v", rs, err)
		}
	})

	t.Run("a person is found by each of their numbers", func(t *testing.T) {
		s := fresh(t)
		if s.Know == nil {
			return // it looks nobody up: held by the test before
		}
		s.Know("First", "+34600000001", "+34910000001")
		s.Know("Second", "+34600000002")
		for _, n := range []call.Number{"+34600000001", "+34910000001"} {
			rs, err := s.Provider.Lookup(t.Context(), n)
			if err != nil || len(rs) != 1 || rs[0].Name != "First" || rs[0].Ref.Provider != s.Provider.Name() || rs[0].Ref.ID == "" {
				t.Fatalf("%s: found %+v, %v", n, rs, err)
			}
			if c := crm.Choose(rs, n, crm.Insight{}); c.Best == nil {
				t.Errorf("%s: the record does not carry the number it was found by", n)
			}
		}
	})
}

func mustLog(t *testing.T, s Subject, a crm.Activity) crm.Ref {
	t.Helper()
	ref, err := s.Provider.LogCall(t.Context(), a)
	if err != nil {
		t.Fatalf("log %s revision %d: %v", a.Key, a.Rev, err)
	}
	return ref
}

func wantOne(t *testing.T, s Subject, want crm.Activity) {
	t.Helper()
	got := s.Activities(want.Key)
	if len(got) != 1 {
		t.Fatalf("the CRM holds %d activities of %s, want 1", len(got), want.Key)
	}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("the CRM holds\n%+v, want\n%+v", got[0], want)
	}
}

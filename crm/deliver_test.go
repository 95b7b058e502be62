package crm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
)

// line is an outbox of a single delivery; crmpg has the real one.
type line struct{ d crm.Delivery }

func (l *line) Delivery(context.Context, int64) (crm.Delivery, error) { return l.d, nil }
func (l *line) Done(ctx context.Context, _ int64, ref crm.Ref, _ time.Time) error {
	l.d.Ref = &ref
	return l.settle(ctx, crm.DeliveryDone, "")
}

func (l *line) Dead(ctx context.Context, _ int64, why string, _ time.Time) error {
	return l.settle(ctx, crm.DeliveryDead, why)
}

func (l *line) Failed(ctx context.Context, _ int64, why string, _ time.Time) error {
	return l.settle(ctx, crm.DeliveryPending, why)
}

func (l *line) settle(ctx context.Context, s crm.DeliveryState, why string) error {
	l.d.State, l.d.LastError = s, why
	l.d.Attempts++
	return ctx.Err()
}

// says answers every write with the same error.
type says struct {
	err    error
	logged int
}

func (*says) Name() string                                              { return "big" }
func (*says) Check(context.Context) error                               { return nil }
func (*says) Lookup(context.Context, call.Number) ([]crm.Record, error) { return nil, nil }
func (s *says) LogCall(_ context.Context, a crm.Activity) (crm.Ref, error) {
	s.logged++
	return crm.Ref{Type: "call", ID: a.Key}, s.err
}

func TestDeliver(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	pending := crm.Delivery{ID: 1, Provider: "big", State: crm.DeliveryPending, Activity: crm.Activity{Key: "call_1", Rev: 1}}

	for _, c := range []struct {
		name  string
		err   error
		state crm.DeliveryState
		as    any // what errors.As must find
		why   string
	}{
		{name: "accepted is done", state: crm.DeliveryDone},
		{name: "a limit stays pending and says how long", err: &crm.RateLimitedError{After: time.Minute}, state: crm.DeliveryPending, as: new(*crm.RateLimitedError), why: "1m0s"},
		{name: "refused is dead, with what the CRM said", err: &crm.RefusedError{Why: "status 422", Answer: "no such owner"}, state: crm.DeliveryDead, as: new(*crm.RefusedError), why: "no such owner"},
		{name: "unauthorized waits for new credentials", err: &crm.UnauthorizedError{Why: "revoked"}, state: crm.DeliveryPending, as: new(*crm.UnauthorizedError), why: "revoked"},
		{name: "unclassified is tried again", err: errors.New("connection reset"), state: crm.DeliveryPending, why: "connection reset"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &line{pending}
			err := crm.Deliverer{Store: l, Providers: []crm.Provider{&says{err: c.err}}}.Deliver(t.Context(), 1, now)
			if (err != nil) != (c.err != nil) || c.as != nil && !errors.As(err, c.as) {
				t.Errorf("error %v", err)
			}
			if l.d.State != c.state || !strings.Contains(l.d.LastError, c.why) || l.d.Attempts != 1 {
				t.Errorf("left %+v", l.d)
			}
			if c.err == nil && *l.d.Ref != (crm.Ref{Provider: "big", Type: "call", ID: "call_1"}) {
				t.Errorf("ref %+v", l.d.Ref)
			}
		})
	}

	for name, d := range map[string]crm.Delivery{
		"done is left alone":                 {Provider: "big", State: crm.DeliveryDone},
		"dead is left alone":                 {Provider: "big", State: crm.DeliveryDead},
		"an older revision is not sent late": {Provider: "big", State: crm.DeliveryPending, Overtaken: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &says{}
			if err := (crm.Deliverer{Store: &line{d}, Providers: []crm.Provider{p}}).Deliver(t.Context(), 1, now); err != nil || p.logged != 0 {
				t.Errorf("logged %d times, error %v", p.logged, err)
			}
		})
	}

	t.Run("a CRM that is not connected is waited for", func(t *testing.T) {
		l := &line{pending}
		err := crm.Deliverer{Store: l}.Deliver(t.Context(), 1, now)
		if unknown := new(crm.UnknownProviderError); !errors.As(err, &unknown) || l.d.State != crm.DeliveryPending {
			t.Errorf("error %v, state %s", err, l.d.State)
		}
	})

	t.Run("what came of it is written also when the job's time is up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := &line{pending}
		if err := (crm.Deliverer{Store: l, Providers: []crm.Provider{&says{}}}).Deliver(ctx, 1, now); err != nil || l.d.State != crm.DeliveryDone {
			t.Errorf("error %v, state %s", err, l.d.State)
		}
	})
}

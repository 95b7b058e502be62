package webhooks_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/webhooks"
)

// shelf keeps one webhook and one delivery.
type shelf struct {
	w webhooks.Webhook
	d webhooks.Delivery
}

func (s *shelf) Take(_ context.Context, _ string, now, until time.Time) (webhooks.Delivery, bool, error) {
	if s.d.State != webhooks.Pending || s.d.NextAt.After(now) {
		return s.d, false, nil
	}
	s.d.NextAt = until
	return s.d, true, nil
}

func (s *shelf) Release(_ context.Context, _ string, due time.Time) error {
	s.d.NextAt = due
	return nil
}

func (s *shelf) Webhook(context.Context, string) (webhooks.Webhook, error) { return s.w, nil }

func (s *shelf) Settle(_ context.Context, _ webhooks.Delivery, o webhooks.Outcome) (webhooks.Webhook, error) {
	s.d.State, s.d.NextAt, s.d.Tries = o.State, o.NextAt, s.d.Tries+1
	s.d.Attempts = append(s.d.Attempts, o.Attempt)
	switch {
	case o.State == webhooks.Delivered:
		s.w.FailingSince = time.Time{}
	case s.w.FailingSince.IsZero():
		s.w.FailingSince = o.Attempt.At
	}
	return s.w, nil
}

func (s *shelf) Disable(_ context.Context, _, why string, now time.Time) error {
	s.w.Enabled, s.w.Disabled, s.w.DisabledAt = false, why, now
	return nil
}

func (s *shelf) resend() { s.d.State, s.d.Tries, s.d.NextAt = webhooks.Pending, 0, time.Now() }

// receiver answers as it is told.
type receiver func() (webhooks.Answer, error)

func (r receiver) Post(context.Context, webhooks.Webhook, webhooks.Delivery, time.Time) (webhooks.Answer, error) {
	return r()
}

func newShelf() *shelf {
	return &shelf{w: webhooks.Webhook{ID: "whk_1", Enabled: true}, d: webhooks.Delivery{ID: "whd_1", Event: call.Ended, State: webhooks.Pending}}
}

// drive carries a delivery out until no attempt is to come.
func drive(t *testing.T, s *shelf, r receiver) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		again, err := webhooks.Service{Store: s, Poster: r, Now: time.Now}.Deliver(t.Context(), s.d.ID)
		if err != nil {
			t.Fatal(err)
		}
		if again == 0 {
			return time.Since(began)
		}
		if !s.d.NextAt.Equal(time.Now().Add(again)) {
			t.Fatalf("the next attempt is said to be at %s", s.d.NextAt)
		}
		time.Sleep(again)
	}
}

func status(codes ...int) receiver {
	n := 0
	return func() (webhooks.Answer, error) {
		n++
		if code := codes[min(n, len(codes))-1]; code != 0 {
			return webhooks.Answer{Status: code}, nil
		}
		return webhooks.Answer{}, errors.New("connection refused")
	}
}

func TestDelivery(t *testing.T) {
	for name, c := range map[string]struct {
		answers  []int
		state    webhooks.State
		attempts int
		took     time.Duration
	}{
		"accepted at once":           {[]int{204}, webhooks.Delivered, 1, 0},
		"accepted later":             {[]int{500, 0, 200}, webhooks.Delivered, 3, 5*time.Minute + 5*time.Second},
		"never accepted":             {[]int{500}, webhooks.Dead, 8, 31*time.Hour + 35*time.Minute + 5*time.Second},
		"a refusal is tried again":   {[]int{401, 200}, webhooks.Delivered, 2, 5 * time.Second},
		"a redirect is not followed": {[]int{302, 200}, webhooks.Delivered, 2, 5 * time.Second},
		"gone is gone":               {[]int{410}, webhooks.Dead, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				took := drive(t, s, status(c.answers...))
				if s.d.State != c.state || len(s.d.Attempts) != c.attempts || took != c.took {
					t.Errorf("%s after %d attempts in %s", s.d.State, len(s.d.Attempts), took)
				}
				if s.w.Enabled == (c.answers[0] == 410) {
					t.Errorf("enabled: %v", s.w.Enabled)
				}
			})
		})
	}
	t.Run("a receiver that asks for time is given it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, n := newShelf(), 0
			took := drive(t, s, func() (webhooks.Answer, error) {
				if n++; n == 1 {
					return webhooks.Answer{Status: 429, RetryAfter: time.Hour}, nil
				}
				return webhooks.Answer{Status: 200}, nil
			})
			if took != time.Hour {
				t.Error(took)
			}
		})
	})
	t.Run("a webhook that fails for days is given up and says so", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			for range 4 { // each is tried for more than a day
				s.resend()
				drive(t, s, status(0))
			}
			if s.w.Enabled || s.w.Disabled == "" || time.Since(s.w.FailingSince) < webhooks.GiveUpAfter {
				t.Errorf("%+v", s.w)
			}
			s.resend()
			drive(t, s, func() (webhooks.Answer, error) { t.Error("it is sent more"); return webhooks.Answer{}, nil })
			if s.d.State != webhooks.Dead {
				t.Error(s.d.State)
			}
		})
	})
	t.Run("one success and it works again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			for range 9 {
				s.resend()
				drive(t, s, status(500, 500, 500, 500, 200))
				time.Sleep(24 * time.Hour)
			}
			if !s.w.Enabled || !s.w.FailingSince.IsZero() {
				t.Errorf("%+v", s.w)
			}
		})
	})
	t.Run("a test is tried once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			s.d.Event, s.w.Enabled = webhooks.TestEvent, false // also of one that is disabled
			drive(t, s, status(500))
			if s.d.State != webhooks.Dead || len(s.d.Attempts) != 1 || s.d.Attempts[0].Status != 500 {
				t.Errorf("%+v", s.d)
			}
		})
	})
	t.Run("a receiver that is busy with others is no failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, n := newShelf(), 0
			drive(t, s, func() (webhooks.Answer, error) {
				if n++; n < 20 {
					return webhooks.Answer{}, webhooks.ErrCrowded
				}
				return webhooks.Answer{Status: 200}, nil
			})
			if len(s.d.Attempts) != 1 || s.d.State != webhooks.Delivered {
				t.Errorf("%+v", s.d)
			}
		})
	})
	t.Run("what somebody else is at is waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			s.d.NextAt = time.Now().Add(20 * time.Second) // of one that died, perhaps
			if took := drive(t, s, status(200)); took != 20*time.Second || len(s.d.Attempts) != 1 {
				t.Errorf("%s, %+v", took, s.d)
			}
		})
	})
	t.Run("what has ended is left alone", func(t *testing.T) {
		s := newShelf()
		s.d.State = webhooks.Delivered
		drive(t, s, func() (webhooks.Answer, error) { t.Error("sent again"); return webhooks.Answer{}, nil })
	})
}

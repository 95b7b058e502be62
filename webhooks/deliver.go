package webhooks

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// GiveUpAfter is how long all deliveries to a webhook may fail until it is disabled.
const GiveUpAfter = 5 * 24 * time.Hour

// Timeout is how long a receiver may take for its answer.
const Timeout = 15 * time.Second

// crowdedFor is how long a delivery waits when its receiver is busy with others.
const crowdedFor = 2 * time.Second

// takenFor is how long an attempt keeps others away. It is over by then, or its node
// has died at it.
const takenFor = Timeout + 15*time.Second

// settleWithin bounds writing down what came of an attempt, also when the attempt
// used up the job's time or the process is stopping.
const settleWithin = 5 * time.Second

// gone is the status by which a receiver says that it wants no more (RFC 9110 §15.5.11).
const gone = 410

// Answer is what a receiver said.
type Answer struct {
	Status int
	// RetryAfter is how long it asked to be left alone; 0 if it did not.
	RetryAfter time.Duration
	Excerpt    string // the beginning of what it said, when it refused
}

// ErrCrowded says that the receiver has as many messages under way as it may have.
var ErrCrowded = errors.New("too many messages under way to the receiver")

// Poster sends one message, signed, and does not follow where it is sent on to.
// ErrCrowded is no attempt; any other error is one without an answer.
type Poster interface {
	Post(ctx context.Context, w Webhook, d Delivery, now time.Time) (Answer, error)
}

// Outbox is where deliveries are kept.
type Outbox interface {
	// Take claims a delivery for one attempt when it is pending and due: until that
	// time nobody else gets it, and then it is due again. taken is false when it is
	// not due or has ended, as d says. *UnknownError.
	Take(ctx context.Context, id string, now, until time.Time) (d Delivery, taken bool, err error)
	// Release gives a claim back: the delivery is due then.
	Release(ctx context.Context, id string, due time.Time) error
	Webhook(ctx context.Context, id string) (Webhook, error) // *UnknownError
	// Settle notes an attempt of a pending delivery and what is to become of it, and
	// of the webhook: that it works, or that it fails, since when. It returns the
	// webhook as it is then.
	Settle(ctx context.Context, d Delivery, o Outcome) (Webhook, error)
	// Disable switches a webhook off and says why, unless it is off already.
	Disable(ctx context.Context, id, why string, now time.Time) error
}

// Outcome is what came of an attempt.
type Outcome struct {
	Attempt Attempt
	State   State     // pending: there is another attempt
	NextAt  time.Time // of it
}

// Service delivers.
type Service struct {
	Store Outbox
	Poster
	Now func() time.Time
	// Disabled is told of a webhook that was given up; may be nil.
	Disabled func(w Webhook, why string)
}

// Deliver makes one attempt and says when the next is due; zero: there is none. One
// that somebody else is at, or that is not due, is only waited for, so doing it
// twice is harmless.
func (s Service) Deliver(ctx context.Context, id string) (again time.Duration, err error) {
	now := s.Now()
	d, taken, err := s.Store.Take(ctx, id, now, now.Add(takenFor))
	if err != nil {
		return 0, fmt.Errorf("deliver %s: %w", id, err)
	}
	switch {
	case d.State != Pending:
		return 0, nil
	case !taken:
		return max(d.NextAt.Sub(now), time.Second), nil
	}
	w, err := s.Store.Webhook(ctx, d.Webhook)
	if err != nil {
		return 0, fmt.Errorf("deliver %s: %w", id, err)
	}
	if !w.Enabled && d.Event != TestEvent {
		return 0, s.settle(ctx, d, Outcome{Attempt{At: now, Error: "not sent: the webhook is disabled"}, Dead, time.Time{}}, 0)
	}
	within, cancel := context.WithTimeout(ctx, Timeout)
	a, failed := s.Post(within, w, d, now)
	cancel()
	if errors.Is(failed, ErrCrowded) {
		return crowdedFor, s.Store.Release(ctx, d.ID, s.Now().Add(crowdedFor))
	}
	o := Outcome{Attempt: Attempt{At: now, Status: a.Status, TookMS: s.Now().Sub(now).Milliseconds()}, State: Delivered}
	if failed == nil && a.Status/100 == 2 {
		return 0, s.settle(ctx, d, o, a.Status)
	}
	o.Attempt.Error = refusal(a, failed)
	o.State = Dead
	// A test is tried once: somebody waits for what comes of it.
	if pause, more := Pause(d.Tries + 1); more && d.Event != TestEvent && a.Status != gone {
		again = max(pause, min(a.RetryAfter, pauses[len(pauses)-1]))
		o.State, o.NextAt = Pending, s.Now().Add(again)
	}
	return again, s.settle(ctx, d, o, a.Status)
}

// settle writes the outcome down and gives the webhook up when it is time.
func (s Service) settle(ctx context.Context, d Delivery, o Outcome, status int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	w, err := s.Store.Settle(ctx, d, o)
	if err != nil {
		return fmt.Errorf("note what came of delivery %s: %w", d.ID, err)
	}
	var why string
	switch {
	case !w.Enabled || o.State == Delivered || d.Event == TestEvent:
		return nil
	case status == gone:
		why = "the receiver answered 410 Gone"
	case !w.FailingSince.IsZero() && o.Attempt.At.Sub(w.FailingSince) >= GiveUpAfter:
		why = "all deliveries have failed since " + w.FailingSince.UTC().Format(time.RFC3339)
	default:
		return nil
	}
	if err := s.Store.Disable(ctx, w.ID, why, o.Attempt.At); err != nil {
		return fmt.Errorf("disable webhook %s: %w", w.ID, err)
	}
	if s.Disabled != nil {
		s.Disabled(w, why)
	}
	return nil
}

func refusal(a Answer, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case a.Status/100 == 3:
		return fmt.Sprintf("status %d: redirects are not followed; enter the address it leads to", a.Status)
	case a.Excerpt != "":
		return fmt.Sprintf("status %d: %s", a.Status, a.Excerpt)
	}
	return fmt.Sprintf("status %d", a.Status)
}

package crm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// Delivery is one activity on its way to one provider: a line of the outbox.
type Delivery struct {
	ID        int64         `json:"id"`
	Provider  string        `json:"provider"`
	Activity  Activity      `json:"activity"`
	State     DeliveryState `json:"state"`
	Ref       *Ref          `json:"ref,omitempty"` // once done
	Attempts  int           `json:"attempts"`
	LastError string        `json:"last_error,omitempty"`
	TriedAt   *time.Time    `json:"tried_at,omitempty"`
	// Overtaken: a later revision of the same activity is done; this one must not
	// be written over it.
	Overtaken bool `json:"overtaken,omitempty"`
}

// DeliveryState is how far a delivery has come.
type DeliveryState string

// The states. Dead deliveries wait for a person, who may send them again.
const (
	DeliveryPending DeliveryState = "pending"
	DeliveryDone    DeliveryState = "done"
	DeliveryDead    DeliveryState = "dead"
)

// DeliveryFilter narrows a list of deliveries; zero fields match everything.
type DeliveryFilter struct {
	Provider string
	State    DeliveryState
	Key      string // Activity.Key
	Before   int64  // only ids below it: the last of the page before
	Limit    int    // 50 unless set
}

// Outbox is where deliveries are kept.
type Outbox interface {
	Delivery(ctx context.Context, id int64) (Delivery, error) // *UnknownDeliveryError
	// Done and Dead end a delivery that is pending; one that has ended is left alone.
	Done(ctx context.Context, id int64, ref Ref, at time.Time) error
	Dead(ctx context.Context, id int64, why string, at time.Time) error
	// Failed notes an attempt that will be repeated.
	Failed(ctx context.Context, id int64, why string, at time.Time) error
}

// Deliverer carries out Deliver jobs.
type Deliverer struct {
	Store     Outbox
	Providers []Provider
}

// settleWithin bounds writing down what came of an attempt. It is written also
// when the attempt used up the job's time, or the process is stopping.
const settleWithin = 5 * time.Second

// Deliver logs one activity with its provider and writes down what came of it.
// Doing it again after it is done does nothing. The error tells the job what to
// do: *RateLimitedError: again after After, not counted as a failure;
// *RefusedError: never again; any other: again, later each time.
func (d Deliverer) Deliver(ctx context.Context, id int64, now time.Time) error {
	del, err := d.Store.Delivery(ctx, id)
	if err != nil {
		return fmt.Errorf("load delivery %d: %w", id, err)
	}
	if del.State != DeliveryPending {
		return nil
	}
	ref, err := d.log(ctx, del)

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	if err == nil {
		if err := d.Store.Done(ctx, id, ref, now); err != nil {
			return fmt.Errorf("delivery %d is logged as %s but not marked: %w", id, ref.ID, err)
		}
		return nil
	}
	var refused *RefusedError
	if errors.As(err, &refused) {
		why := err.Error()
		if refused.Answer != "" {
			why += ": " + refused.Answer
		}
		return errors.Join(fmt.Errorf("delivery %d to %s: %w", id, del.Provider, err), d.Store.Dead(ctx, id, why, now))
	}
	return errors.Join(fmt.Errorf("delivery %d to %s: %w", id, del.Provider, err), d.Store.Failed(ctx, id, err.Error(), now))
}

func (d Deliverer) log(ctx context.Context, del Delivery) (Ref, error) {
	if del.Overtaken {
		return Ref{Provider: del.Provider, Type: "overtaken", ID: del.Activity.Key}, nil
	}
	for _, p := range d.Providers {
		if p.Name() == del.Provider {
			ref, err := p.LogCall(ctx, del.Activity)
			ref.Provider = cmp.Or(ref.Provider, del.Provider)
			return ref, err
		}
	}
	return Ref{}, &UnknownProviderError{del.Provider}
}

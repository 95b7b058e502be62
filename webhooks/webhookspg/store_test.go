package webhookspg_test

import (
	"errors"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/webhooks"
)

func TestStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	h := w.hook("park.*", "call.ended")
	read, err := w.store.Webhook(ctx, h.ID)
	if err != nil || read.Secret != h.Secret || len(read.Events) != 2 || !read.Enabled {
		t.Fatalf("%+v, %v", read, err)
	}
	t.Run("what is not there", func(t *testing.T) {
		var unknown *webhooks.UnknownError
		_, err := w.store.Webhook(ctx, "whk_none")
		_, err2 := w.store.Change(ctx, "whk_none", func(w webhooks.Webhook) (webhooks.Webhook, error) { return w, nil })
		_, err3 := w.store.Test(ctx, "whk_none", now)
		_, err4 := w.store.Delivery(ctx, "whd_none")
		_, err5 := w.store.Resend(ctx, "whd_none", now)
		for _, err := range []error{err, err2, err3, err4, err5, w.store.Delete(ctx, "whk_none")} {
			if !errors.As(err, &unknown) {
				t.Error(err)
			}
		}
	})
	t.Run("attempts are noted, and how the webhook does", func(t *testing.T) {
		w.call(call.Ended)
		d := w.deliveries(h.ID, 1)[0]
		if _, taken, err := w.store.Take(ctx, d.ID, time.Now(), now.Add(time.Hour)); err != nil || !taken {
			t.Fatalf("not to be had: %v", err)
		}
		if d, taken, err := w.store.Take(ctx, d.ID, time.Now(), now.Add(2*time.Hour)); err != nil || taken || !d.NextAt.Equal(now.Add(time.Hour)) {
			t.Fatalf("two have it: %+v, %v", d, err)
		}
		for i, o := range []webhooks.Outcome{
			{Attempt: webhooks.Attempt{At: now, Status: 500, Error: "status 500"}, State: webhooks.Pending, NextAt: now.Add(5 * time.Second)},
			{Attempt: webhooks.Attempt{At: now.Add(5 * time.Second), Error: "refused"}, State: webhooks.Dead},
		} {
			got, err := w.store.Settle(ctx, d, o)
			if err != nil || !got.FailingSince.Equal(now) {
				t.Fatalf("%+v, %v", got, err)
			}
			if d, err = w.store.Delivery(ctx, d.ID); err != nil || d.Tries != i+1 || d.State != o.State || !d.NextAt.Equal(o.NextAt) {
				t.Fatalf("%+v, %v", d, err)
			}
		}
		again, err := w.store.Resend(ctx, d.ID, now)
		if err != nil || again.State != webhooks.Pending || again.Tries != 0 || len(again.Attempts) != 2 {
			t.Fatalf("%+v, %v", again, err)
		}
		got, err := w.store.Settle(ctx, d, webhooks.Outcome{Attempt: webhooks.Attempt{At: now, Status: 204}, State: webhooks.Delivered})
		if err != nil || !got.FailingSince.IsZero() {
			t.Fatalf("%+v, %v", got, err)
		}
		// An attempt that was under way elsewhere comes to nothing.
		if _, err := w.store.Settle(ctx, d, webhooks.Outcome{Attempt: webhooks.Attempt{At: now, Status: 500}, State: webhooks.Dead}); err != nil {
			t.Fatal(err)
		}
		if d, err = w.store.Delivery(ctx, d.ID); err != nil || d.State != webhooks.Delivered || len(d.Attempts) != 4 {
			t.Fatalf("%+v, %v", d, err)
		}
	})
	t.Run("the hub disables once and says why", func(t *testing.T) {
		for _, why := range []string{"failed for days", "and again"} {
			if err := w.store.Disable(ctx, h.ID, why, now); err != nil {
				t.Fatal(err)
			}
		}
		got, err := w.store.Webhook(ctx, h.ID)
		if err != nil || got.Enabled || got.Disabled != "failed for days" || !got.DisabledAt.Equal(now) {
			t.Errorf("%+v, %v", got, err)
		}
		got, err = w.store.Change(ctx, h.ID, func(h webhooks.Webhook) (webhooks.Webhook, error) { h.Enabled = true; return h, nil })
		if err != nil || got.Disabled != "" || !got.DisabledAt.IsZero() || !got.FailingSince.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("a test is a delivery of its own", func(t *testing.T) {
		d, err := w.store.Test(ctx, h.ID, now)
		if err != nil || d.Event != webhooks.TestEvent || d.State != webhooks.Pending {
			t.Fatalf("%+v, %v", d, err)
		}
		list, err := w.store.Deliveries(ctx, webhooks.Filter{Webhook: h.ID, Event: webhooks.TestEvent})
		if err != nil || len(list) != 1 || list[0].ID != d.ID {
			t.Errorf("%+v, %v", list, err)
		}
	})
	t.Run("what is old is forgotten", func(t *testing.T) {
		if err := w.store.Forget(ctx, now.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if list, err := w.store.Deliveries(ctx, webhooks.Filter{}); err != nil || len(list) != 2 {
			t.Errorf("%d deliveries, %v", len(list), err)
		}
		if err := w.store.Forget(ctx, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if list, err := w.store.Deliveries(ctx, webhooks.Filter{}); err != nil || len(list) != 0 {
			t.Errorf("%d deliveries, %v", len(list), err)
		}
	})
	t.Run("deliveries go with their webhook", func(t *testing.T) {
		if _, err := w.store.Test(ctx, h.ID, now); err != nil {
			t.Fatal(err)
		}
		if err := w.store.Delete(ctx, h.ID); err != nil {
			t.Fatal(err)
		}
		if list, err := w.store.Deliveries(ctx, webhooks.Filter{}); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

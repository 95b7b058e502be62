package webhookspg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/webhooks"
)

const deliveryColumns = `id, webhook, message, event, call_id, body, state, tries, attempts, created_at, next_at`

func scanDelivery(row pgx.CollectableRow) (d webhooks.Delivery, err error) {
	var next *time.Time
	err = row.Scan(&d.ID, &d.Webhook, &d.Message, &d.Event, &d.Call, &d.Body, &d.State, &d.Tries, &d.Attempts, &d.CreatedAt, &next)
	d.CreatedAt, d.NextAt = d.CreatedAt.UTC(), known(next)
	return d, err
}

// Take implements webhooks.Outbox.
func (s *Store) Take(ctx context.Context, id string, now, until time.Time) (webhooks.Delivery, bool, error) {
	rows, _ := s.db.Pool.Query(ctx, `update webhook_deliveries set next_at = $3
		where id = $1 and state = 'pending' and next_at <= $2 returning `+deliveryColumns, id, now, until)
	d, err := pgx.CollectExactlyOneRow(rows, scanDelivery)
	if errors.Is(err, pgx.ErrNoRows) {
		d, err = s.Delivery(ctx, id)
		return d, false, err
	}
	if err != nil {
		return d, false, fmt.Errorf("take webhook delivery %s: %w", id, err)
	}
	return d, true, nil
}

// Release implements webhooks.Outbox.
func (s *Store) Release(ctx context.Context, id string, due time.Time) error {
	if _, err := s.db.Pool.Exec(ctx, `update webhook_deliveries set next_at = $2 where id = $1 and state = 'pending'`, id, due); err != nil {
		return fmt.Errorf("put webhook delivery %s off: %w", id, err)
	}
	return nil
}

// Delivery is one of them. *webhooks.UnknownError.
func (s *Store) Delivery(ctx context.Context, id string) (webhooks.Delivery, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+deliveryColumns+` from webhook_deliveries where id = $1`, id)
	d, err := pgx.CollectExactlyOneRow(rows, scanDelivery)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, &webhooks.UnknownError{What: "webhook delivery", ID: id}
	}
	if err != nil {
		return d, fmt.Errorf("webhook delivery %s: %w", id, err)
	}
	return d, nil
}

// Deliveries lists them, the latest first.
func (s *Store) Deliveries(ctx context.Context, f webhooks.Filter) ([]webhooks.Delivery, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	rows, _ := s.db.Pool.Query(ctx, `
		select `+deliveryColumns+` from webhook_deliveries
		where ($1 = '' or webhook = $1) and ($2 = '' or state = $2) and ($3 = '' or event = $3) and ($4 = '' or id < $4)
		order by id desc limit $5`, f.Webhook, string(f.State), string(f.Event), f.Before, f.Limit)
	list, err := pgx.CollectRows(rows, scanDelivery)
	if err != nil {
		return nil, fmt.Errorf("webhook deliveries: %w", err)
	}
	return list, nil
}

// Test puts a message on its way that tells of nothing. *webhooks.UnknownError.
func (s *Store) Test(ctx context.Context, webhook string, now time.Time) (webhooks.Delivery, error) {
	if _, err := s.Webhook(ctx, webhook); err != nil {
		return webhooks.Delivery{}, err
	}
	message, body, err := webhooks.TestMessage(webhook, now)
	if err != nil {
		return webhooks.Delivery{}, err
	}
	d := webhooks.Delivery{
		ID: call.NewID("whd", now), Webhook: webhook, Message: message, Event: webhooks.TestEvent, Body: body,
		State: webhooks.Pending, Attempts: []webhooks.Attempt{}, CreatedAt: now, NextAt: now,
	}
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		tx.Later(`insert into webhook_deliveries (id, webhook, message, event, body, created_at, next_at) values ($1, $2, $3, $4, $5, $6, $6)`,
			d.ID, d.Webhook, d.Message, string(d.Event), d.Body, now)
		_, err := tx.Enqueue(ctx, job.Job{Args: webhooks.Deliver{Delivery: d.ID}, Queue: job.Webhooks})
		return err
	})
	if err != nil {
		return d, fmt.Errorf("test webhook %s: %w", webhook, err)
	}
	return d, nil
}

// Resend puts a delivery on its way again that has ended, with all its attempts
// before it. One that is pending is tried at once. *webhooks.UnknownError.
func (s *Store) Resend(ctx context.Context, id string, now time.Time) (webhooks.Delivery, error) {
	var d webhooks.Delivery
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		rows, _ := tx.Query(ctx, `update webhook_deliveries set state = 'pending', tries = 0, next_at = $2 where id = $1 returning `+deliveryColumns, id, now)
		var err error
		d, err = pgx.CollectExactlyOneRow(rows, scanDelivery)
		if errors.Is(err, pgx.ErrNoRows) {
			return &webhooks.UnknownError{What: "webhook delivery", ID: id}
		}
		if err != nil {
			return fmt.Errorf("resend webhook delivery %s: %w", id, err)
		}
		_, err = tx.Enqueue(ctx, job.Job{Args: webhooks.Deliver{Delivery: id}, Queue: job.Webhooks})
		return err
	})
	return d, err
}

// Forget removes deliveries that were made before a time, whatever came of them, a
// bounded number at once.
func (s *Store) Forget(ctx context.Context, before time.Time) error {
	if _, err := s.db.Pool.Exec(ctx, `
		delete from webhook_deliveries where id in (select id from webhook_deliveries where created_at < $1 order by id limit 5000)`, before); err != nil {
		return fmt.Errorf("forget old webhook deliveries: %w", err)
	}
	return nil
}

// Settle implements webhooks.Outbox. An attempt at a delivery that has been settled
// by somebody else meanwhile is noted with the rest and changes nothing.
func (s *Store) Settle(ctx context.Context, d webhooks.Delivery, o webhooks.Outcome) (webhooks.Webhook, error) {
	var w webhooks.Webhook
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		tx.Later(`
			update webhook_deliveries set attempts = attempts || $2::jsonb, tries = tries + 1,
				next_at = case when state = 'pending' then $4 else next_at end,
				state = case when state = 'pending' then $3 else state end
			where id = $1`, d.ID, []webhooks.Attempt{o.Attempt}, string(o.State), moment(o.NextAt))
		well := o.State == webhooks.Delivered
		rows, _ := tx.Query(ctx, `
			update webhooks set failing_since = case when $2 then null else coalesce(failing_since, $3) end
			where id = $1 returning `+columns, d.Webhook, well, o.Attempt.At)
		var err error
		w, err = one(rows, d.Webhook)
		return err
	})
	return w, err
}

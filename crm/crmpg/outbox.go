// Package crmpg keeps what is on its way to CRMs, and the built-in address
// book, in Postgres.
package crmpg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/contacts"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
)

// attempts is how often a delivery is tried before its job is given up. The
// line of the outbox stays pending and can be sent again.
const attempts = 40

// Put asks for the activities to be logged with each provider, in the transaction
// of the change that made them. A revision that was put before is not put again.
func Put(ctx context.Context, tx *pg.Tx, acts []crm.Activity, providers ...string) error {
	n := len(acts) * len(providers)
	if n == 0 {
		return nil
	}
	to, keys := make([]string, 0, n), make([]string, 0, n)
	revs, docs := make([]int, 0, n), make([][]byte, 0, n)
	for _, a := range acts {
		doc, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("activity of %s: %w", a.Key, err)
		}
		for _, p := range providers {
			to, keys, revs, docs = append(to, p), append(keys, a.Key), append(revs, a.Rev), append(docs, doc)
		}
	}
	rows, err := tx.Query(ctx, `
		insert into crm_outbox (provider, key, rev, activity)
		select * from unnest($1::text[], $2::text[], $3::int[], $4::jsonb[])
		on conflict do nothing returning id`, to, keys, revs, docs)
	if err != nil {
		return fmt.Errorf("put %d activities: %w", len(acts), err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fmt.Errorf("put %d activities: %w", len(acts), err)
	}
	jobs := make([]job.Job, len(ids))
	for i, id := range ids {
		jobs[i] = deliver(id)
		jobs[i].Unique = false // nobody has heard of it before
	}
	if _, err := tx.Enqueue(ctx, jobs...); err != nil {
		return fmt.Errorf("put %d activities: %w", len(acts), err)
	}
	return nil
}

// Keep logs the activities in the built-in address book, in the transaction of the
// change that made them: what is in the same database needs no delivery. They
// are in the outbox as done, like everything that was logged.
func Keep(tx *pg.Tx, acts []crm.Activity) {
	for _, a := range acts {
		tx.Later(saveActivity, a.Key, a.Rev, a)
		tx.Later(`
			insert into crm_outbox (provider, key, rev, activity, state, ref, attempts, tried_at) values ($1, $2, $3, $4, 'done', $5, 1, $6)
			on conflict do nothing`, contacts.Name, a.Key, a.Rev, a, contacts.Ref(a), a.EndedAt)
	}
}

// Revise puts the next revision of an activity, in the transaction of the change
// that makes it: into the address book, and on its way to the providers. A call
// that was never logged, an internal one, is left alone.
func Revise(ctx context.Context, tx *pg.Tx, key string, change func(*crm.Activity), providers ...string) error {
	var a crm.Activity
	err := tx.QueryRow(ctx, `select activity from contact_activities where key = $1 for update`, key).Scan(&a)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("revise activity of %s: %w", key, err)
	}
	a.Rev = max(a.Rev, 1) + 1 // the first is written as 0 or 1
	change(&a)
	Keep(tx, []crm.Activity{a})
	return Put(ctx, tx, []crm.Activity{a}, providers...)
}

func deliver(id int64) job.Job {
	return job.Job{Args: crm.Deliver{Outbox: id}, Queue: job.CRM, Unique: true, Attempts: attempts}
}

// Outbox is the deliveries and what came of them.
type Outbox struct{ db *pg.DB }

var _ crm.Outbox = (*Outbox)(nil)

// NewOutbox reads and settles what Put has put.
func NewOutbox(db *pg.DB) *Outbox { return &Outbox{db} }

const deliveryColumns = `o.id, o.provider, o.activity, o.state, o.ref, o.attempts, o.last_error, o.tried_at,
	exists (select 1 from crm_outbox n where n.provider = o.provider and n.key = o.key and n.rev > o.rev and n.state = 'done')`

func scanDelivery(row pgx.CollectableRow) (d crm.Delivery, err error) {
	err = row.Scan(&d.ID, &d.Provider, &d.Activity, &d.State, &d.Ref, &d.Attempts, &d.LastError, &d.TriedAt, &d.Overtaken)
	return d, err
}

// Delivery reads one. *crm.UnknownDeliveryError.
func (o *Outbox) Delivery(ctx context.Context, id int64) (crm.Delivery, error) {
	rows, _ := o.db.Pool.Query(ctx, `select `+deliveryColumns+` from crm_outbox o where id = $1`, id)
	d, err := pgx.CollectExactlyOneRow(rows, scanDelivery)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, &crm.UnknownDeliveryError{ID: id}
	}
	if err != nil {
		return d, fmt.Errorf("read delivery %d: %w", id, err)
	}
	return d, nil
}

// Deliveries lists them, the latest first.
func (o *Outbox) Deliveries(ctx context.Context, f crm.DeliveryFilter) ([]crm.Delivery, error) {
	rows, _ := o.db.Pool.Query(ctx, `
		select `+deliveryColumns+` from crm_outbox o
		where ($1 = '' or provider = $1) and ($2 = '' or state = $2) and ($3 = '' or key = $3) and ($4 = 0 or id < $4)
		order by id desc limit $5`, f.Provider, string(f.State), f.Key, f.Before, pageSize(f.Limit))
	ds, err := pgx.CollectRows(rows, scanDelivery)
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	return ds, nil
}

// Done marks a pending delivery as logged.
func (o *Outbox) Done(ctx context.Context, id int64, ref crm.Ref, at time.Time) error {
	return o.settle(ctx, id, crm.DeliveryDone, &ref, "", at)
}

// Dead marks a pending delivery as refused for good.
func (o *Outbox) Dead(ctx context.Context, id int64, why string, at time.Time) error {
	return o.settle(ctx, id, crm.DeliveryDead, nil, why, at)
}

// Failed notes an attempt that will be repeated.
func (o *Outbox) Failed(ctx context.Context, id int64, why string, at time.Time) error {
	return o.settle(ctx, id, crm.DeliveryPending, nil, why, at)
}

func (o *Outbox) settle(ctx context.Context, id int64, s crm.DeliveryState, ref *crm.Ref, why string, at time.Time) error {
	if _, err := o.db.Pool.Exec(ctx, `
		update crm_outbox set state = $2, ref = $3, last_error = $4, attempts = attempts + 1, tried_at = $5
		where id = $1 and state = 'pending'`, id, string(s), ref, why, at); err != nil {
		return fmt.Errorf("mark delivery %d %s: %w", id, s, err)
	}
	return nil
}

// Resend tries a delivery again that is dead or whose job was given up. One that
// is done, or whose job is still to run, is left alone. *crm.UnknownDeliveryError.
func (o *Outbox) Resend(ctx context.Context, id int64) error {
	return o.db.In(ctx, func(tx *pg.Tx) error {
		var state crm.DeliveryState
		err := tx.QueryRow(ctx, `select state from crm_outbox where id = $1 for update`, id).Scan(&state)
		if errors.Is(err, pgx.ErrNoRows) {
			return &crm.UnknownDeliveryError{ID: id}
		}
		if err != nil {
			return fmt.Errorf("resend delivery %d: %w", id, err)
		}
		if state == crm.DeliveryDone {
			return nil
		}
		if _, err := tx.Exec(ctx, `update crm_outbox set state = 'pending' where id = $1`, id); err != nil {
			return fmt.Errorf("resend delivery %d: %w", id, err)
		}
		if _, err := tx.Enqueue(ctx, deliver(id)); err != nil {
			return fmt.Errorf("resend delivery %d: %w", id, err)
		}
		return nil
	})
}

// pageSize is 50 unless set, and 500 at most.
func pageSize(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, 500)
}

// unique keeps the first of equal values.
func unique[T comparable](in []T) []T {
	out := make([]T, 0, len(in))
	for _, v := range in {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

package dispositionpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
)

// Ask opens an ask, with the job that ends it. What the rep has said since the
// conversation began answers it at once. Asking again does nothing. An ask about a
// call that the ledger does not know is dropped.
func (s *Store) Ask(ctx context.Context, a disposition.Ask) error {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		of, err := lock(ctx, tx, a.Call)
		if errors.Is(err, disposition.ErrNoCall) {
			return nil
		}
		if err != nil {
			return err
		}
		a.State = disposition.Open
		if of.Said != nil && !of.Said.At.Before(a.Since) {
			a.State, a.Said = disposition.Set, of.Said
		}
		tag, err := tx.Exec(ctx, `insert into disposition_asks
			(id, call_id, hub, flow, version, node, agent, since, asked_at, due_at, default_code, run, state, said)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) on conflict do nothing`,
			a.ID, a.Call, a.Hub, a.Flow, a.Version, a.Node, a.Agent, a.Since, a.At, a.Due, a.Default, []byte(a.Run), a.State, a.Said)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		tx.Note(a.Fact())
		if a.State == disposition.Set {
			return settled(ctx, tx, a.ID, of)
		}
		_, err = tx.Enqueue(ctx, job.Job{Args: disposition.Due{Ask: a.ID}, At: a.Due, Queue: job.Dispatch, Unique: true})
		return err
	})
	if err != nil {
		return fmt.Errorf("ask what came of %s: %w", a.Call, err)
	}
	return nil
}

// Lapse ends the time of an ask: the default is noted unless anything was ever
// said. One that has its answer is left alone.
func (s *Store) Lapse(ctx context.Context, ask string, now time.Time) error {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		a, err := one(ctx, tx, ask)
		var unknown *disposition.UnknownAskError
		if errors.As(err, &unknown) || err == nil && a.State != disposition.Open {
			return nil
		}
		if err != nil {
			return err
		}
		of, err := lock(ctx, tx, a.Call) // before the ask, as whoever says something does
		if err != nil {
			return err
		}
		said := disposition.NotSet(a.Default, now)
		tag, err := tx.Exec(ctx, `update disposition_asks set state = 'timed_out', said = $2 where id = $1 and state = 'open'`, ask, said)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if of.Said == nil {
			if err := s.write(ctx, tx, a.Call, of, said); err != nil {
				return err
			}
		}
		return settled(ctx, tx, ask, of)
	})
	if err != nil {
		return fmt.Errorf("end %s: %w", ask, err)
	}
	return nil
}

// Asked reads an ask; once the call is over, with the walk as it was then.
// *disposition.UnknownAskError.
func (s *Store) Asked(ctx context.Context, ask string) (disposition.Ask, error) {
	a, err := one(ctx, s.db.Pool, ask)
	if err != nil {
		return a, fmt.Errorf("read ask: %w", err)
	}
	return a, nil
}

func one(ctx context.Context, q querier, id string) (disposition.Ask, error) {
	rows, _ := q.Query(ctx, `
		select a.id, a.call_id, a.hub, a.flow, a.version, a.node, a.agent, a.since, a.asked_at, a.due_at, a.default_code,
			case when c.run->>'at' = a.node then c.run else a.run end, a.state, a.said, a.gone_on
		from disposition_asks a join calls c on c.id = a.call_id where a.id = $1`, id)
	a, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (a disposition.Ask, err error) {
		err = row.Scan(&a.ID, &a.Call, &a.Hub, &a.Flow, &a.Version, &a.Node, &a.Agent, &a.Since, &a.At, &a.Due, &a.Default, (*[]byte)(&a.Run), &a.State, &a.Said, &a.On)
		return a, err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		err = &disposition.UnknownAskError{ID: id}
	}
	return a, err
}

// GoneOn notes that the flow has gone on from an ask, once: the walk of a call
// that is over is kept with its row, with what was decided. run is nil for a live
// call, which keeps its own.
func (s *Store) GoneOn(ctx context.Context, a disposition.Ask, run []byte, decided ...call.Event) error {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, `update disposition_asks set gone_on = true where id = $1 and not gone_on`, a.ID)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if run != nil {
			tx.Later(`update calls set run = $2 where id = $1`, a.Call, run)
		}
		tx.Note(decided...)
		return nil
	})
	if err != nil {
		return fmt.Errorf("go on from %s: %w", a.ID, err)
	}
	return nil
}

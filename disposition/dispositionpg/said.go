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

// Say keeps what somebody says came of a call: live, in wrap-up, or long over.
// Only code, note, by and at are read of s; what is returned has the rest. The
// newest counts, the others stay in the ledger. Asks that are open are answered by
// it. *disposition.UnknownCodeError, disposition.ErrNoCall.
func (s *Store) Say(ctx context.Context, id call.ID, said disposition.Said) (disposition.Said, error) {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		list, err := codes(ctx, tx)
		if err != nil {
			return err
		}
		c, ok := list.Find(said.Code)
		if !ok {
			return &disposition.UnknownCodeError{Code: said.Code, Known: list.Names()}
		}
		said.Label, said.Category = c.Label, c.Category
		of, err := lock(ctx, tx, id)
		if err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `update disposition_asks set state = 'set', said = $2 where call_id = $1 and state = 'open' returning id`, id, said)
		asks, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, ask := range asks {
			if err := settled(ctx, tx, ask, of); err != nil {
				return err
			}
		}
		return s.write(ctx, tx, id, of, said)
	})
	if err != nil {
		return said, fmt.Errorf("disposition of %s: %w", id, err)
	}
	return said, nil
}

// locked is what is read of a call that is written to.
type locked struct {
	Node    call.NodeID
	Ended   bool
	Said    *disposition.Said
	EndedAt *time.Time
}

// lock reads a call's row and keeps its end, and other dispositions, waiting.
func lock(ctx context.Context, tx *pg.Tx, id call.ID) (locked, error) {
	var l locked
	err := tx.QueryRow(ctx, `select node, ended_at, disposition from calls where id = $1 for update`, id).Scan(&l.Node, &l.EndedAt, &l.Said)
	if errors.Is(err, pgx.ErrNoRows) {
		err = disposition.ErrNoCall
	}
	l.Ended = l.EndedAt != nil
	return l, err
}

// write keeps what was said of a locked call, and tells the ledger and the CRM.
func (s *Store) write(ctx context.Context, tx *pg.Tx, id call.ID, of locked, said disposition.Said) error {
	tx.Later(`update calls set disposition = $2 where id = $1`, id, said)
	tx.Note(said.Fact(id, of.Said))
	if !of.Ended { // its end will bring it along
		return nil
	}
	return s.revise(ctx, tx, id, said)
}

// settled lets the flow go on: on the node that carries the call, anywhere once
// it is over.
func settled(ctx context.Context, tx *pg.Tx, ask string, of locked) error {
	queue := job.OfNode(string(of.Node))
	if of.Ended {
		queue = job.Default
	}
	_, err := tx.Enqueue(ctx, job.Job{Args: disposition.Settled{Ask: ask}, Queue: queue, Unique: true})
	return err
}

package queuespg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/queues"
)

const momentColumns = `m.id, m.agent, m.at, m.status, m.reason, m.state, m.call_id`

func scanMoment(row pgx.CollectableRow) (queues.Moment, error) {
	var m queues.Moment
	err := row.Scan(&m.Seq, &m.Agent, &m.At, &m.Status, &m.Reason, &m.State, &m.Call)
	m.At = m.At.UTC()
	return m, err
}

// Moments implements queues.Store.
func (s *Store) Moments(ctx context.Context, from, to time.Time) ([]queues.Moment, error) {
	rows, _ := s.db.Pool.Query(ctx, `
		with spans as (
			select m.* from agents a cross join lateral (
				select * from agent_moments m where m.agent = a.name and m.at <= $1 order by m.at desc, m.id desc limit 1) m
			union all
			select * from agent_moments m where m.at > $1 and m.at < $2)
		select `+momentColumns+` from spans m order by m.at, m.id`, from, to)
	list, err := pgx.CollectRows(rows, scanMoment)
	if err != nil {
		return nil, fmt.Errorf("what agents did from %s: %w", from.Format(time.RFC3339), err)
	}
	return list, nil
}

// MomentsOf implements queues.Store.
func (s *Store) MomentsOf(ctx context.Context, agent string, before int64, limit int) ([]queues.Moment, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+momentColumns+` from agent_moments m
		where m.agent = $1 and ($2 = 0 or (m.at, m.id) < (select at, id from agent_moments where id = $2))
		order by m.at desc, m.id desc limit $3`, agent, before, limit)
	list, err := pgx.CollectRows(rows, scanMoment)
	if err != nil {
		return nil, fmt.Errorf("what agent %s did: %w", agent, err)
	}
	return list, nil
}

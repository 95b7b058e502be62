package queuespg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/queues"
)

// SaveDevice implements queues.Store.
func (s *Store) SaveDevice(ctx context.Context, d queues.Device) error {
	err := s.change(ctx, func(c *change) error {
		var known bool
		if err := c.QueryRow(ctx, `select exists (select from agents where name = $1)`, d.Agent).Scan(&known); err != nil {
			return err
		}
		if !known {
			return unknown("agent", d.Agent)
		}
		// RFC 3261 §10.3 step 7: of the same Call-ID, an older CSeq changes nothing.
		rows, _ := c.Query(ctx, `
			insert into devices (agent, contact, instance, transport, source, local, path, user_agent, call_id, cseq, node, expires_at)
			values ($1, $2, $3, $4, $5, $6, coalesce($7, '{}'::text[]), $8, $9, $10, $11, $12)
			on conflict (agent, contact) do update set instance = excluded.instance, transport = excluded.transport,
				source = excluded.source, local = excluded.local, path = excluded.path, user_agent = excluded.user_agent, call_id = excluded.call_id,
				cseq = excluded.cseq, node = excluded.node, expires_at = excluded.expires_at
			where devices.call_id <> excluded.call_id or devices.cseq <= excluded.cseq
			returning xmax = 0`,
			d.Agent, d.Contact, d.Instance, d.Transport, d.Source, d.Local, d.Path, d.UserAgent, d.CallID, int64(d.CSeq), d.Node, d.Expires)
		added, err := pgx.CollectRows(rows, pgx.RowTo[bool])
		if err != nil {
			return err
		}
		if len(added) == 1 && added[0] {
			return c.wakeFor(ctx, d.Agent)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save device of %s: %w", d.Agent, err)
	}
	return nil
}

// RemoveDevices implements queues.Store.
func (s *Store) RemoveDevices(ctx context.Context, agent, contact string) error {
	if _, err := s.db.Pool.Exec(ctx, `delete from devices where agent = $1 and $2 in ('', contact)`, agent, contact); err != nil {
		return fmt.Errorf("remove devices of %s: %w", agent, err)
	}
	return nil
}

// DropDevice implements queues.Store.
func (s *Store) DropDevice(ctx context.Context, d queues.Device) error {
	_, err := s.db.Pool.Exec(ctx, `delete from devices where agent = $1 and contact = $2 and call_id = $3 and cseq <= $4`,
		d.Agent, d.Contact, d.CallID, int64(d.CSeq))
	if err != nil {
		return fmt.Errorf("drop device of %s: %w", d.Agent, err)
	}
	return nil
}

// Devices implements queues.Store.
func (s *Store) Devices(ctx context.Context, agent string, now time.Time) ([]queues.Device, error) {
	rows, _ := s.db.Pool.Query(ctx, `
		select agent, contact, instance, transport, source, local, nullif(path, '{}'), user_agent, call_id, cseq, node, expires_at
		from devices where $1 in ('', agent) and expires_at > $2 order by agent, contact`, agent, now)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[queues.Device])
	if err != nil {
		return nil, fmt.Errorf("read devices of %s: %w", agent, err)
	}
	return all, nil
}

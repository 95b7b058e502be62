package queuespg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/queues"
)

// agentColumns, with the devices that have not expired at a time given as SQL.
func agentColumns(at string) string {
	return `a.id, a.name, a.display, a.extension, a.teams, a.skills, a.ha1_md5, a.ha1_sha256, a.srtp, a.status, a.status_since, a.reason,
	a.state, a.since, a.idle_since, a.call_id, a.misses,
	(select count(*) from devices d where d.agent = a.name and d.expires_at > ` + at + `)`
}

func scanAgent(row pgx.CollectableRow) (queues.Agent, error) {
	var a queues.Agent
	var statusSince, since, idleSince *time.Time
	err := row.Scan(&a.ID, &a.Name, &a.Display, &a.Extension, &a.Teams, &a.Skills, &a.HA1.MD5, &a.HA1.SHA256, &a.SRTP, &a.Status, &statusSince, &a.Reason,
		&a.State, &since, &idleSince, &a.Call, &a.Misses, &a.Devices)
	a.StatusSince, a.Since, a.IdleSince = zero(statusSince), zero(since), zero(idleSince)
	return a, err
}

// lockAgents locks and reads agents, in the order of their names.
var lockAgents = `select ` + agentColumns("now()") + ` from agents a where name = any($1) order by name for no key update of a`

func (c *change) lockAgents(ctx context.Context, names ...string) ([]queues.Agent, error) {
	rows, _ := c.Query(ctx, lockAgents, names)
	return pgx.CollectRows(rows, scanAgent)
}

func (c *change) lockAgent(ctx context.Context, name string) (queues.Agent, error) {
	all, err := c.lockAgents(ctx, name)
	if err == nil && len(all) == 0 {
		return queues.Agent{}, unknown("agent", name)
	}
	if err != nil {
		return queues.Agent{}, err
	}
	return all[0], nil
}

// lockWithQueues locks an agent, and reads the queues that wakeFor will ask for.
func (c *change) lockWithQueues(ctx context.Context, name string) (queues.Agent, error) {
	var b pgx.Batch
	b.Queue(lockAgents, []string{name})
	b.Queue(queuesOf, []string{name})
	res := c.SendBatch(ctx, &b)
	rows, _ := res.Query()
	locked, err := pgx.CollectRows(rows, scanAgent)
	if err == nil {
		rows, _ = res.Query()
		var serves []string
		serves, err = pgx.CollectRows(rows, pgx.RowTo[string])
		c.serves = map[string][]string{name: serves}
	}
	if err = errors.Join(err, res.Close()); err == nil && len(locked) == 0 {
		err = unknown("agent", name)
	}
	if err != nil {
		return queues.Agent{}, err
	}
	return locked[0], nil
}

// writeAgents stores what changes in the life of agents.
func (c *change) writeAgents(agents ...queues.Agent) {
	for _, a := range agents {
		c.Later(`update agents set status = $2, status_since = $3, reason = $4, state = $5, since = $6, idle_since = $7, call_id = $8, misses = $9
			where name = $1`, a.Name, a.Status, null(a.StatusSince), a.Reason, a.State, null(a.Since), null(a.IdleSince), a.Call, a.Misses)
	}
}

// Agent implements queues.Store. Devices are counted by the database's clock.
func (s *Store) Agent(ctx context.Context, name string) (queues.Agent, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+agentColumns("now()")+` from agents a where name = $1`, name)
	a, err := one(rows, scanAgent, unknown("agent", name))
	if err != nil {
		return a, fmt.Errorf("read agent %s: %w", name, err)
	}
	return a, nil
}

// Agents implements queues.Store. Devices are counted by the database's clock.
func (s *Store) Agents(ctx context.Context) ([]queues.Agent, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+agentColumns("now()")+` from agents a order by name`)
	all, err := pgx.CollectRows(rows, scanAgent)
	if err != nil {
		return nil, fmt.Errorf("read agents: %w", err)
	}
	return all, nil
}

// SaveAgent implements queues.Store.
func (s *Store) SaveAgent(ctx context.Context, a queues.Agent) error {
	if a.Name == "" {
		return unknown("agent", "")
	}
	a = a.New()
	id := cmp.Or(a.ID, call.NewID("agt", time.Now())) // an identifier is no fact
	_, err := s.db.Exec(ctx, `
		insert into agents (id, name, display, extension, teams, skills, ha1_md5, ha1_sha256, status, status_since, reason, since, idle_since, srtp)
		values ($1, $2, $3, $4, coalesce($5, '{}'::text[]), coalesce($6, '{}'::text[]), $7, $8, $9, $10, $11, $12, $13, $14)
		on conflict (name) do update set display = excluded.display, extension = excluded.extension,
			teams = excluded.teams, skills = excluded.skills, srtp = excluded.srtp,
			ha1_md5 = case when $7 || $8 = '' then agents.ha1_md5 else excluded.ha1_md5 end,
			ha1_sha256 = case when $7 || $8 = '' then agents.ha1_sha256 else excluded.ha1_sha256 end`,
		id, a.Name, a.Display, a.Extension, a.Teams, a.Skills, a.HA1.MD5, a.HA1.SHA256,
		a.Status, null(a.StatusSince), a.Reason, null(a.Since), null(a.IdleSince), a.SRTP)
	if err != nil {
		return fmt.Errorf("save agent %s: %w", a.Name, err)
	}
	return nil
}

// DeleteAgent implements queues.Store. An offer that is left without agents
// ends with its lease.
func (s *Store) DeleteAgent(ctx context.Context, name string) error {
	n, err := s.db.Exec(ctx, `delete from agents where name = $1`, name)
	if err == nil && n == 0 {
		err = unknown("agent", name)
	}
	if err != nil {
		return fmt.Errorf("delete agent %s: %w", name, err)
	}
	return nil
}

// live runs f on a locked agent and writes what became of them.
func (s *Store) live(ctx context.Context, what, name string, f func(*change, *queues.Agent) error) error {
	err := s.change(ctx, func(c *change) error {
		a, err := c.lockWithQueues(ctx, name)
		if err != nil {
			return err
		}
		if err := f(c, &a); err != nil {
			return err
		}
		c.writeAgents(a)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, name, err)
	}
	return nil
}

// Free implements queues.Store.
func (s *Store) Free(ctx context.Context, agent string, id call.ID, wrapUp time.Duration, now time.Time) error {
	return s.live(ctx, "free", agent, func(c *change, a *queues.Agent) error {
		switch {
		case !a.Hangup(id, wrapUp, now): // late
			return nil
		case a.State == queues.WrapUp:
			c.enqueue(job.Job{
				Args: queues.WrapUpOver{Agent: agent, Since: now},
				At:   now.Add(wrapUp), Queue: job.Dispatch, Unique: true,
			})
			return nil
		default:
			return c.wakeFor(ctx, agent)
		}
	})
}

// SetStatus implements queues.Store.
func (s *Store) SetStatus(ctx context.Context, agent string, status queues.Status, reason string, now time.Time) error {
	return s.live(ctx, "set status of", agent, func(c *change, a *queues.Agent) error {
		if err := a.Wish(status, reason, now); err != nil {
			return err
		}
		if a.Reachable(false) {
			return c.wakeFor(ctx, agent)
		}
		return nil
	})
}

// EndWrapUp implements queues.Store.
func (s *Store) EndWrapUp(ctx context.Context, agent string, since, now time.Time) error {
	return s.live(ctx, "end wrap-up of", agent, func(c *change, a *queues.Agent) error {
		if !a.EndWrapUp(since, now) {
			return nil
		}
		return c.wakeFor(ctx, agent)
	})
}

// Forgive implements queues.Store.
func (s *Store) Forgive(ctx context.Context, agent string, since, now time.Time) error {
	return s.live(ctx, "forgive", agent, func(c *change, a *queues.Agent) error {
		if !a.Forgive(since, now) {
			return nil
		}
		return c.wakeFor(ctx, agent)
	})
}

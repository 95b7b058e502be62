package jobs

import (
	"context"
	"time"
)

// A node says each beat that it lives. One that has said nothing for silence is
// taken for dead. All of it by the database's clock, which is the only one that
// all nodes share.
const (
	beat    = time.Second
	silence = 5 * time.Second
)

// appear writes the node's row. A job that an earlier process under this name
// left running is older than started_at, by which it is known.
func (r *Runner) appear(ctx context.Context) error {
	_, err := r.db.Pool.Exec(ctx, `
		insert into nodes (id, started_at, heartbeat_at) values ($1, now(), now())
		on conflict (id) do update set started_at = now(), heartbeat_at = now()`, r.node)
	return err
}

// vanish removes the node's row: it stopped of its own accord and holds no jobs.
func (r *Runner) vanish(ctx context.Context) error {
	_, err := r.db.Pool.Exec(ctx, `delete from nodes where id = $1`, r.node)
	return err
}

// live beats and reaps until ctx ends.
func (r *Runner) live(ctx context.Context) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	steady := time.Now() // since when every beat came through in time
	for last := steady; ; {
		if err := r.heartbeat(ctx); err != nil {
			if ctx.Err() == nil {
				r.log.WarnContext(ctx, "heartbeat failed", "node", r.node, "err", err)
			}
		} else {
			now := time.Now()
			if now.Sub(last) > silence/2 {
				// It was perhaps the database that paused, and then all nodes look dead:
				// they get the time to say that they are not.
				steady = now.Add(silence)
			}
			last = now
			if !now.Before(steady) {
				r.reap(ctx)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (r *Runner) heartbeat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, silence/2)
	defer cancel()
	tag, err := r.db.Pool.Exec(ctx, `update nodes set heartbeat_at = now() where id = $1`, r.node)
	if err == nil && tag.RowsAffected() == 0 { // somebody removed it
		err = r.appear(ctx)
	}
	return err
}

// reap makes the jobs available again that a dead node left running. River would
// do so after half a minute or more, by its leader, which may be the dead one.
// Without "skip locked" it would deadlock with a node that completes many.
func (r *Runner) reap(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	tag, err := r.db.Pool.Exec(ctx, `
		with orphan as (
		  select j.id from river_job j
		  where j.state = 'running' and j.attempted_at < now() - interval '1 second'
		    and not exists (
		      select 1 from nodes n
		      where n.id = j.attempted_by[array_upper(j.attempted_by, 1)]
		        and n.heartbeat_at > now() - make_interval(secs => $1)
		        and n.started_at <= j.attempted_at)
		  order by j.id
		  for update of j skip locked)
		update river_job j
		set state = (case when j.metadata ? 'cancel_attempted_at' then 'cancelled'
		                  when j.attempt >= j.max_attempts then 'discarded'
		                  else 'available' end)::river_job_state,
		    finalized_at = case when j.metadata ? 'cancel_attempted_at' or j.attempt >= j.max_attempts then now() end,
		    scheduled_at = now(),
		    errors = array_append(j.errors, jsonb_build_object('at', now(), 'attempt', j.attempt, 'error', 'the node that worked on it died', 'trace', ''))
		from orphan where j.id = orphan.id`, silence.Seconds())
	switch {
	case err != nil && ctx.Err() == nil:
		r.log.WarnContext(ctx, "dead nodes' jobs not looked for", "err", err)
	case err == nil && tag.RowsAffected() > 0:
		r.log.WarnContext(ctx, "jobs of dead nodes made available again", "jobs", tag.RowsAffected())
	}
}

package routingpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/routing"
)

// Alias is what new calls of a flow run.
type Alias struct {
	Flow    string
	Version int     // the stable one; 0: never published
	Canary  *Canary // that is tried; nil: none
	Last    *Canary // that ended last; nil: none did
}

// Canary is a version that is, or was, tried on a part of the callers.
type Canary struct {
	ID     int64
	Flow   string
	Stable int
	routing.Canary
	Guard    routing.Guard
	Stages   []routing.Stage
	BeganAt  time.Time
	Author   string
	Verdict  routing.Verdict // the guard's last
	JudgedAt time.Time       // zero: not yet
	EndedAt  time.Time       // zero: it goes on
	Ending   string
	EndedBy  string
}

// How a canary ends.
const (
	Promoted   = "promoted"
	Aborted    = "aborted"
	RolledBack = "rolled_back" // by its guard
)

// byGuard is who ends a canary that is rolled back.
const byGuard = "guard"

// guardAttempts is how many failures of its job a guard survives: it has to outlive
// whatever the database goes through while its canary is tried.
const guardAttempts = 10000

const canaryColumns = `id, flow, stable, version, percent, salt, guard, stages, began_at, author, verdict, judged_at, ended_at, ending, ended_by`

func scanCanary(row pgx.CollectableRow) (c Canary, err error) {
	var judged, ended *time.Time
	err = row.Scan(&c.ID, &c.Flow, &c.Stable, &c.Version, &c.Percent, &c.Salt, &c.Guard, &c.Stages, &c.BeganAt, &c.Author, &c.Verdict, &judged, &ended, &c.Ending, &c.EndedBy)
	c.BeganAt = c.BeganAt.UTC()
	if judged != nil {
		c.JudgedAt = judged.UTC()
	}
	if ended != nil {
		c.EndedAt = ended.UTC()
	}
	return c, err
}

// Alias reads what new calls of a flow run. *NotFoundError.
func (s *Store) Alias(ctx context.Context, flow string) (Alias, error) {
	f, err := s.Flow(ctx, flow)
	if err != nil {
		return Alias{}, err
	}
	return alias(ctx, s.db.Pool, f)
}

func alias(ctx context.Context, q querier, f Flow) (Alias, error) {
	a := Alias{Flow: f.Name, Version: f.Live}
	// Of those that have ended only the last; the one that goes on is younger.
	all, err := list(ctx, q, "canaries of flow "+f.Name, scanCanary, `select `+canaryColumns+` from flow_canaries where flow = $1 order by id desc limit 2`, f.Name)
	for i := range all {
		switch c := &all[i]; {
		case c.EndedAt.IsZero():
			a.Canary = c
		case a.Last == nil:
			a.Last = c
		}
	}
	return a, err
}

// Canaries lists those that are tried now, by flow.
func (s *Store) Canaries(ctx context.Context) (map[string]Canary, error) {
	all, err := list(ctx, s.db.Pool, "canaries", scanCanary, `select `+canaryColumns+` from flow_canaries where ended_at is null`)
	out := map[string]Canary{}
	for _, c := range all {
		out[c.Flow] = c
	}
	return out, err
}

// Wish is what new calls are to run.
type Wish struct {
	Version int     // the stable one
	Canary  int     // 0: none
	Percent float64 // of callers to the canary
	Guard   routing.Guard
}

// fault says what is wrong with a wish by itself.
func (w Wish) fault() error {
	wrong := func(field, why string) error { return &InvalidError{"alias", field, why} }
	switch {
	case w.Canary == 0 && w.Percent != 0:
		return wrong("percent", "says how many callers go to a canary, and there is none: name its version with canary")
	case w.Canary == 0 && w.Guard.Watches():
		return wrong("guard", "watches over a canary, and there is none: name its version with canary")
	case w.Canary == 0:
		return nil
	case w.Canary == w.Version:
		return wrong("canary", "is the stable version itself")
	case w.Percent < 0 || w.Percent > routing.MaxCanary:
		return wrong("percent", fmt.Sprintf("wants 0 to %g: somebody must be left to compare with; promote the canary to send everybody there", routing.MaxCanary))
	case w.Guard.MinCalls < 0 || w.Guard.WindowMin < 0:
		return wrong("guard", "wants min_calls and window_min above 0")
	}
	for name, most := range map[string]*float64{"guard.abandon_rate": w.Guard.AbandonRate, "guard.error_rate": w.Guard.ErrorRate} {
		if most != nil && (*most < 0 || *most >= 1) {
			return wrong(name, "wants a part of all calls, from 0 to below 1: 0.15 is 15 %")
		}
	}
	return nil
}

// SetAlias says what new calls run. A canary that is tried already is ramped up or
// down by it, with the same callers; another one begins anew. The versions are
// checked as if they were published today. *NotFoundError, *InvalidError,
// *LintError.
func (s *Store) SetAlias(ctx context.Context, flow string, w Wish, author string, now time.Time, check func(*routing.Flow) routing.Findings) (a Alias, err error) {
	if err := w.fault(); err != nil {
		return Alias{}, err
	}
	now = now.UTC().Truncate(time.Microsecond)
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		if err := shelve(ctx, tx); err != nil {
			return err
		}
		f, err := locked(ctx, tx, flow)
		if err != nil {
			return err
		}
		was, err := alias(ctx, tx, f)
		if err != nil {
			return err
		}
		if w.Version != f.Live {
			if err := point(ctx, tx, flow, w.Version, check); err != nil {
				return err
			}
		}
		if c := was.Canary; c != nil && w.Version == c.Stable && w.Canary == c.Version {
			return ramp(ctx, tx, *c, w, now)
		}
		ending := Aborted
		if was.Canary != nil && was.Canary.Version == w.Version {
			ending = Promoted
		}
		if err := endCanary(ctx, tx, flow, ending, author, now); err != nil || w.Canary == 0 {
			return err
		}
		v, err := version(ctx, tx, flow, w.Canary)
		if err != nil {
			return err
		}
		if _, err := sound(ctx, tx, flow, v.Doc, check); err != nil {
			return err
		}
		return beginCanary(ctx, tx, flow, w, author, now)
	})
	if err != nil {
		return Alias{}, err
	}
	return s.Alias(ctx, flow)
}

// point lets new calls run a version.
func point(ctx context.Context, tx *pg.Tx, flow string, n int, check func(*routing.Flow) routing.Findings) error {
	v, err := version(ctx, tx, flow, n)
	if err != nil {
		return err
	}
	if _, err := sound(ctx, tx, flow, v.Doc, check); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `update flows set live = $2 where name = $1`, flow, n); err != nil {
		return fmt.Errorf("alias of flow %s: %w", flow, err)
	}
	return nil
}

func beginCanary(ctx context.Context, tx *pg.Tx, flow string, w Wish, author string, now time.Time) error {
	var id int64
	stages := []routing.Stage{{At: now, Percent: w.Percent}}
	err := tx.QueryRow(ctx, `insert into flow_canaries (flow, stable, version, percent, salt, guard, stages, began_at, author)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id`,
		flow, w.Version, w.Canary, w.Percent, call.NewID("canary", now), w.Guard.WithDefaults(), stages, now, author).Scan(&id)
	if err != nil {
		return fmt.Errorf("canary of flow %s: %w", flow, err)
	}
	_, err = tx.Enqueue(ctx, job.Job{Args: routing.GuardDue{Flow: flow, Canary: id}, At: now.Add(routing.GuardEvery), Unique: true, Attempts: guardAttempts})
	return err
}

func ramp(ctx context.Context, tx *pg.Tx, c Canary, w Wish, now time.Time) error {
	if w.Percent != c.Percent {
		c.Stages = append(c.Stages, routing.Stage{At: now, Percent: w.Percent})
	}
	if _, err := tx.Exec(ctx, `update flow_canaries set percent = $2, guard = $3, stages = $4 where id = $1`, c.ID, w.Percent, w.Guard.WithDefaults(), c.Stages); err != nil {
		return fmt.Errorf("canary of flow %s: %w", c.Flow, err)
	}
	return nil
}

// Promote makes the canary the version that all new calls run. *NotFoundError if
// there is none, *LintError if it would not be published today.
func (s *Store) Promote(ctx context.Context, flow, author string, now time.Time, check func(*routing.Flow) routing.Findings) (Alias, error) {
	return s.settle(ctx, flow, Promoted, author, now, func(tx *pg.Tx, c Canary) error { return point(ctx, tx, flow, c.Version, check) })
}

// Abort gives the canary up: all new calls run the stable version. *NotFoundError
// if there is none.
func (s *Store) Abort(ctx context.Context, flow, author string, now time.Time) (Alias, error) {
	return s.settle(ctx, flow, Aborted, author, now, func(*pg.Tx, Canary) error { return nil })
}

func (s *Store) settle(ctx context.Context, flow, ending, author string, now time.Time, first func(*pg.Tx, Canary) error) (Alias, error) {
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		if err := shelve(ctx, tx); err != nil {
			return err
		}
		f, err := locked(ctx, tx, flow)
		if err != nil {
			return err
		}
		a, err := alias(ctx, tx, f)
		if err != nil {
			return err
		}
		if a.Canary == nil {
			return &NotFoundError{"canary", flow}
		}
		if err := first(tx, *a.Canary); err != nil {
			return err
		}
		return endCanary(ctx, tx, flow, ending, author, now)
	})
	if err != nil {
		return Alias{}, err
	}
	return s.Alias(ctx, flow)
}

// endCanary ends the canary of a flow that is locked, if it has one.
func endCanary(ctx context.Context, tx *pg.Tx, flow, ending, by string, now time.Time) error {
	_, err := tx.Exec(ctx, `update flow_canaries set ended_at = $2, ending = $3, ended_by = $4 where flow = $1 and ended_at is null`, flow, now, ending, by)
	if err != nil {
		return fmt.Errorf("canary of flow %s: %w", flow, err)
	}
	return nil
}

// noCanary is a *CanaryError while one is tried.
func noCanary(ctx context.Context, tx *pg.Tx, flow string) error {
	c, err := one(ctx, tx, scanCanary, &NotFoundError{"canary", flow}, `select `+canaryColumns+` from flow_canaries where flow = $1 and ended_at is null`, flow)
	switch {
	case errors.As(err, new(*NotFoundError)):
		return nil
	case err != nil:
		return err
	}
	return &CanaryError{flow, c.Version}
}

// PublishAside makes the draft a version that no call runs yet, for a canary.
// A draft that says what the newest version says makes no new one. *NotFoundError,
// *LintError.
func (s *Store) PublishAside(ctx context.Context, name, message, author string, now time.Time, check func(*routing.Flow) routing.Findings) (v Version, err error) {
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		if err := shelve(ctx, tx); err != nil {
			return err
		}
		f, err := locked(ctx, tx, name)
		if err != nil {
			return err
		}
		warnings, err := sound(ctx, tx, name, f.Draft, check)
		if err != nil {
			return err
		}
		v, err = one(ctx, tx, scanVersion, &NotFoundError{"version", name}, `select `+versionColumns+` from flow_versions where flow = $1 order by n desc limit 1`, name)
		if err == nil && Same(v.Doc, f.Draft) {
			v.Warnings = warnings
			return nil
		}
		if err != nil && !errors.As(err, new(*NotFoundError)) {
			return err
		}
		v, err = keep(ctx, tx, Version{Flow: name, Doc: f.Draft, Message: message, Author: author, PublishedAt: now, Warnings: warnings})
		return err
	})
	return v, err
}

package routingpg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/routing"
)

// Flows call each other (subflow nodes), so that what is published or deleted in
// one can break another. One change at a time is made, and looks at all of them.

// shelve keeps others from changing which flows call which until the
// transaction ends. It is taken before a flow is locked.
func shelve(ctx context.Context, tx *pg.Tx) error {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('callyard flows'))`); err != nil {
		return fmt.Errorf("lock flows: %w", err)
	}
	return nil
}

// Callers are the names of the flows whose live versions call a flow, in order.
func (s *Store) Callers(ctx context.Context, flow string) ([]string, error) {
	return callers(ctx, s.db.Pool, flow)
}

const callsOf = `select n.value -> 'cfg' ->> 'flow' from json_each(v.doc -> 'nodes') n where n.value ->> 'type' = 'subflow'`

func callers(ctx context.Context, q querier, flow string) ([]string, error) {
	return list(ctx, q, "callers of flow "+flow, pgx.RowTo[string],
		`select f.name from flows f join flow_versions v on v.flow = f.name and v.n = f.live
		where f.name <> $1 and $1 in (`+callsOf+`) order by f.name`, flow)
}

// shelf finds live flows and calendars for routing.Link, each read once.
type shelf struct {
	ctx  context.Context //nolint:containedctx // of the one transaction that it is made for
	q    querier
	read map[string]*routing.Flow

	calendars map[string]*routing.Calendar

	err error // the first that is about the database
}

func newShelf(ctx context.Context, q querier) *shelf {
	return &shelf{ctx: ctx, q: q, read: map[string]*routing.Flow{}, calendars: map[string]*routing.Calendar{}}
}

func (s *shelf) parts() routing.Parts { return routing.Parts{Flow: s.find, Calendar: s.calendar} }

// calendar is a shared one as it is now.
func (s *shelf) calendar(name string) *routing.Calendar {
	if c, ok := s.calendars[name]; ok {
		return c
	}
	is, err := calendar(s.ctx, s.q, name)
	if err != nil && !errors.As(err, new(*NotFoundError)) && s.err == nil {
		s.err = err
	}
	var c *routing.Calendar
	if err == nil {
		c, _ = is.Parse() // one that cannot be read cannot be looked at
	}
	s.calendars[name] = c
	return c
}

func (s *shelf) find(name string) *routing.Flow {
	if f, ok := s.read[name]; ok {
		return f
	}
	v, err := liveIn(s.ctx, s.q, name)
	if err != nil && !errors.As(err, new(*NotFoundError)) && s.err == nil {
		s.err = err
	}
	var f *routing.Flow
	if err == nil {
		f, _ = v.Parse() // one that cannot be read cannot be called
	}
	s.read[name] = f
	return f
}

// linkable says why a flow cannot call what it calls, as that is published now.
// *routing.LinkError.
func linkable(ctx context.Context, q querier, f *routing.Flow) error {
	s := newShelf(ctx, q)
	_, err := routing.Link(f, s.parts())
	if s.err != nil {
		return s.err
	}
	return err
}

// harmed says which flows that call this one could no longer be run if it were
// live as it is given here.
func harmed(ctx context.Context, tx *pg.Tx, f *routing.Flow) (routing.Findings, error) {
	s := newShelf(ctx, tx)
	s.read[f.Name()] = f
	var found routing.Findings
	seen := map[string]bool{f.Name(): true}
	for todo := []string{f.Name()}; len(todo) > 0; todo = todo[1:] {
		names, err := callers(ctx, tx, todo[0])
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			todo = append(todo, name)
			caller := s.find(name)
			if caller == nil {
				continue
			}
			var bad *routing.LinkError
			if _, err := routing.Link(caller, s.parts()); errors.As(err, &bad) {
				found = append(found, routing.Finding{
					Severity: routing.Error, Key: "nodes", Location: "nodes",
					Message: fmt.Sprintf("flow %s, which calls this one, could no longer be run: %s: %s", name, bad.Findings[0].Location, bad.Findings[0].Message),
				})
			}
		}
	}
	return found, s.err
}

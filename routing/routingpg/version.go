package routingpg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/routing"
)

// Version is a flow as it was published. It never changes.
type Version struct {
	Flow        string           `json:"flow"`
	N           int              `json:"version"`
	Doc         json.RawMessage  `json:"doc,omitempty"` // left out of lists
	Message     string           `json:"message"`
	Author      string           `json:"author"`
	PublishedAt time.Time        `json:"published_at"`
	Restored    int              `json:"restored,omitempty"` // the version it is a copy of
	Warnings    routing.Findings `json:"warnings,omitempty"` // when published; not kept
}

// Parse reads the flow of the version.
func (v Version) Parse() (*routing.Flow, error) {
	f, err := routing.Parse(v.Doc)
	if err != nil {
		return nil, fmt.Errorf("version %d of flow %s: %w", v.N, v.Flow, err)
	}
	return f.WithVersion(v.N), nil
}

const versionColumns = `flow, n, doc, message, author, published_at, restored`

func scanVersion(row pgx.CollectableRow) (v Version, err error) {
	err = row.Scan(&v.Flow, &v.N, (*[]byte)(&v.Doc), &v.Message, &v.Author, &v.PublishedAt, &v.Restored)
	v.PublishedAt = v.PublishedAt.UTC()
	return v, err
}

// Version reads one. *NotFoundError.
func (s *Store) Version(ctx context.Context, flow string, n int) (Version, error) {
	return version(ctx, s.db.Pool, flow, n)
}

func version(ctx context.Context, q querier, flow string, n int) (Version, error) {
	none := &NotFoundError{"version", flow + "/" + strconv.Itoa(n)}
	if n > math.MaxInt32 { // it is no int of the database's
		return Version{}, none
	}
	return one(ctx, q, scanVersion, none, `select `+versionColumns+` from flow_versions where flow = $1 and n = $2`, flow, n)
}

// Versions lists a flow's versions, the newest first, without their documents.
func (s *Store) Versions(ctx context.Context, flow string) ([]Version, error) {
	if _, err := s.Flow(ctx, flow); err != nil {
		return nil, err
	}
	return list(ctx, s.db.Pool, "versions of flow "+flow, scanVersion,
		`select flow, n, null::json, message, author, published_at, restored from flow_versions where flow = $1 order by n desc`, flow)
}

// LiveVersion is the version that new calls run. *NotFoundError if there is no
// such flow or it was never published.
func (s *Store) LiveVersion(ctx context.Context, flow string) (Version, error) {
	return liveIn(ctx, s.db.Pool, flow)
}

func liveIn(ctx context.Context, q querier, flow string) (Version, error) {
	return one(ctx, q, scanVersion, &NotFoundError{"version", flow + "/live"},
		`select `+versionColumns+` from flow_versions where (flow, n) = (select name, live from flows where name = $1)`, flow)
}

// Live is which version of a flow new calls run.
type Live struct {
	ID      string // of the flow: one that is deleted and made again has another
	Version int
}

// LiveVersions lists what new calls run, by the names of flows.
func (s *Store) LiveVersions(ctx context.Context) (map[string]Live, error) {
	type named struct {
		Name string
		Live
	}
	all, err := list(ctx, s.db.Pool, "live versions", func(row pgx.CollectableRow) (n named, err error) {
		return n, row.Scan(&n.Name, &n.ID, &n.Version)
	}, `select name, id, live from flows where live is not null`)
	out := make(map[string]Live, len(all))
	for _, n := range all {
		out[n.Name] = n.Live
	}
	return out, err
}

// Live is LiveVersion, read and ready to run.
func (s *Store) Live(ctx context.Context, flow string) (*routing.Flow, error) {
	v, err := s.LiveVersion(ctx, flow)
	if err != nil {
		return nil, err
	}
	return v.Parse()
}

// Publish makes the draft a version and lets new calls run it, if check finds
// no errors and the flow's own tests pass. A draft that says what the live
// version says makes no new one: the live version comes back. *NotFoundError,
// *LintError; *CanaryError while one is tried.
func (s *Store) Publish(ctx context.Context, name, message, author string, now time.Time, check func(*routing.Flow) routing.Findings) (Version, error) {
	var v Version
	err := s.db.In(ctx, func(tx *pg.Tx) (err error) {
		if err := shelve(ctx, tx); err != nil {
			return err
		}
		v, _, err = publish(ctx, tx, name, message, author, now, check)
		return err
	})
	return v, err
}

func publish(ctx context.Context, tx *pg.Tx, name, message, author string, now time.Time, check func(*routing.Flow) routing.Findings) (v Version, fresh bool, err error) {
	f, err := locked(ctx, tx, name)
	if err != nil {
		return Version{}, false, err
	}
	if err := noCanary(ctx, tx, name); err != nil {
		return Version{}, false, err
	}
	warnings, err := sound(ctx, tx, name, f.Draft, check)
	if err != nil {
		return Version{}, false, err
	}
	if f.Live != 0 {
		live, err := version(ctx, tx, name, f.Live)
		if err != nil {
			return Version{}, false, err
		}
		if Same(live.Doc, f.Draft) {
			live.Warnings = warnings
			return live, false, nil
		}
	}
	v, err = add(ctx, tx, Version{Flow: name, Doc: f.Draft, Message: message, Author: author, PublishedAt: now, Warnings: warnings})
	return v, true, err
}

// SetLive goes back to an old version: a copy of it is published, so that the
// numbers of versions tell their order. The live version itself comes back as
// it is. A canary is given up. *NotFoundError; *LintError when the version would
// not be published today, as when its queue is gone.
func (s *Store) SetLive(ctx context.Context, name string, n int, message, author string, now time.Time, check func(*routing.Flow) routing.Findings) (Version, error) {
	var v Version
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		if err := shelve(ctx, tx); err != nil {
			return err
		}
		f, err := locked(ctx, tx, name)
		if err != nil {
			return err
		}
		if v, err = version(ctx, tx, name, n); err != nil {
			return err
		}
		if err := endCanary(ctx, tx, name, Aborted, author, now); err != nil || f.Live == n {
			return err
		}
		warnings, err := sound(ctx, tx, name, v.Doc, check)
		if err != nil {
			return err
		}
		v, err = add(ctx, tx, Version{Flow: name, Doc: v.Doc, Message: message, Author: author, PublishedAt: now, Restored: n, Warnings: warnings})
		return err
	})
	if err != nil {
		return Version{}, err
	}
	return v, nil
}

// add writes the next version and makes it live. The flow is locked.
func add(ctx context.Context, tx *pg.Tx, v Version) (Version, error) {
	v, err := keep(ctx, tx, v)
	if err != nil {
		return Version{}, err
	}
	if _, err := tx.Exec(ctx, `update flows set live = $2 where name = $1`, v.Flow, v.N); err != nil {
		return Version{}, fmt.Errorf("publish flow %s: %w", v.Flow, err)
	}
	return v, nil
}

// keep writes the next version. The flow is locked.
func keep(ctx context.Context, tx *pg.Tx, v Version) (Version, error) {
	v.PublishedAt = v.PublishedAt.UTC().Truncate(time.Microsecond) // as it is stored
	err := tx.QueryRow(ctx, `
		insert into flow_versions (flow, n, doc, message, author, published_at, restored)
		select $1, coalesce(max(n), 0) + 1, $2, $3, $4, $5, $6 from flow_versions where flow = $1
		returning n`, v.Flow, []byte(v.Doc), v.Message, v.Author, v.PublishedAt, v.Restored).Scan(&v.N)
	if err != nil {
		return Version{}, fmt.Errorf("publish flow %s: %w", v.Flow, err)
	}
	return v, nil
}

// sound checks a document as publishing demands and returns the warnings.
func sound(ctx context.Context, tx *pg.Tx, name string, doc []byte, check func(*routing.Flow) routing.Findings) (routing.Findings, error) {
	f, err := routing.Parse(doc)
	var found routing.Findings
	if bad := (*routing.ParseError)(nil); errors.As(err, &bad) {
		found = bad.Findings
	} else if err != nil {
		return nil, err
	}
	if f != nil {
		if check != nil {
			if linted := check(f); len(linted) > 0 {
				found = linted // tells of what Parse found, too
			}
		}
		if f.Name() != name {
			found = append(found, routing.Finding{
				Severity: routing.Error, Key: "name", Location: "name",
				Message: fmt.Sprintf("the flow is %q, its document says %q", name, f.Name()),
			})
		}
	}
	if len(found.Errors()) == 0 && f != nil {
		more, err := whole(ctx, tx, f)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	if len(found.Errors()) > 0 {
		return nil, &LintError{name, found}
	}
	return found.Warnings(), nil
}

// whole looks at a flow together with those that it calls and that call it.
func whole(ctx context.Context, tx *pg.Tx, f *routing.Flow) (routing.Findings, error) {
	err := linkable(ctx, tx, f)
	if bad := (*routing.LinkError)(nil); errors.As(err, &bad) {
		return bad.Findings, nil
	} else if err != nil {
		return nil, err
	}
	return harmed(ctx, tx, f)
}

// Same: documents that differ in nothing but their white space and the order of their keys.
func Same(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	p, err1 := json.Marshal(x)
	q, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && bytes.Equal(p, q)
}

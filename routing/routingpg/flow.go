package routingpg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/routing"
)

// Flow is a flow with its draft.
type Flow struct {
	ID        string          `json:"id"` // "flow_…"
	Name      string          `json:"name"`
	Draft     json.RawMessage `json:"draft,omitempty"` // left out of lists
	DraftETag int             `json:"draft_etag"`
	Live      int             `json:"live_version"` // 0: never published
}

const flowColumns = `id, name, draft, draft_etag, coalesce(live, 0)`

func scanFlow(row pgx.CollectableRow) (f Flow, err error) {
	err = row.Scan(&f.ID, &f.Name, (*[]byte)(&f.Draft), &f.DraftETag, &f.Live)
	return f, err
}

// Flows lists all flows by name, without their drafts.
func (s *Store) Flows(ctx context.Context) ([]Flow, error) {
	return list(ctx, s.db.Pool, "flows", scanFlow, `select id, name, null::json, draft_etag, coalesce(live, 0) from flows order by name`)
}

// Flow reads one with its draft. *NotFoundError.
func (s *Store) Flow(ctx context.Context, name string) (Flow, error) {
	return one(ctx, s.db.Pool, scanFlow, &NotFoundError{"flow", name}, `select `+flowColumns+` from flows where name = $1`, name)
}

var flowName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// SaveDraft keeps a document, faults and all, as the flow's draft, and makes the
// flow if there is none. ifMatch is the etag the change was based on, 0 that
// there is no flow yet, nil whatever there is. Returns the new etag.
// *StaleError, *InvalidError.
func (s *Store) SaveDraft(ctx context.Context, name string, doc []byte, ifMatch *int) (int, error) {
	etag := 0
	err := s.db.In(ctx, func(tx *pg.Tx) (err error) {
		etag, err = saveDraft(ctx, tx, name, doc, ifMatch)
		return err
	})
	return etag, err
}

func saveDraft(ctx context.Context, tx *pg.Tx, name string, doc []byte, ifMatch *int) (int, error) {
	if !flowName.MatchString(name) {
		return 0, &InvalidError{"flow", "name", "wants letters, digits, _ and -"}
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(doc, &object); err != nil || object == nil {
		return 0, &InvalidError{"flow", "draft", "is no JSON object"}
	}
	// Inserting first, so that two who make the same flow do not both find none.
	id := call.NewID("flow", time.Now())
	made, err := tx.Exec(ctx, `insert into flows (id, name, draft) values ($1, $2, $3) on conflict (name) do nothing`, id, name, doc)
	if err != nil {
		return 0, fmt.Errorf("save draft of flow %s: %w", name, err)
	}
	if made.RowsAffected() == 1 {
		if ifMatch != nil && *ifMatch != 0 {
			return 0, &StaleError{Flow: name} // undoes the insert
		}
		return 1, nil
	}
	is, err := locked(ctx, tx, name)
	if err != nil {
		return 0, err
	}
	if ifMatch != nil && *ifMatch != is.DraftETag {
		return 0, &StaleError{name, is.DraftETag}
	}
	if _, err := tx.Exec(ctx, `update flows set draft = $2, draft_etag = draft_etag + 1 where name = $1`, name, doc); err != nil {
		return 0, fmt.Errorf("save draft of flow %s: %w", name, err)
	}
	return is.DraftETag + 1, nil
}

// locked reads a flow and keeps others from changing it until the transaction ends.
func locked(ctx context.Context, tx *pg.Tx, name string) (Flow, error) {
	return one(ctx, tx, scanFlow, &NotFoundError{"flow", name}, `select `+flowColumns+` from flows where name = $1 for update`, name)
}

// DeleteFlow removes a flow with its versions. *NotFoundError; *InUseError while
// a number leads to it or the live version of another flow calls it. Calls that
// run it go on to their end.
func (s *Store) DeleteFlow(ctx context.Context, name string) error {
	return s.db.In(ctx, func(tx *pg.Tx) error {
		if err := shelve(ctx, tx); err != nil {
			return err
		}
		by, err := callers(ctx, tx, name)
		if err != nil {
			return err
		}
		if len(by) > 0 {
			return &InUseError{Flow: name, Callers: by}
		}
		done, err := tx.Exec(ctx, `delete from flows where name = $1`, name)
		switch {
		case state(err) == foreignKeyViolation:
			return &InUseError{Flow: name}
		case err != nil:
			return fmt.Errorf("delete flow %s: %w", name, err)
		case done.RowsAffected() == 0:
			return &NotFoundError{"flow", name}
		}
		return nil
	})
}

// PutFlow saves a document as the draft of the flow it names and publishes it,
// unless it is what is live already; fresh tells which. check finds what stands in
// the way, as for Publish. *LintError.
func (s *Store) PutFlow(ctx context.Context, doc []byte, message string, now time.Time, check func(*routing.Flow) routing.Findings) (f *routing.Flow, fresh bool, err error) {
	f, err = routing.Parse(doc)
	if bad := (*routing.ParseError)(nil); errors.As(err, &bad) {
		name := ""
		if f != nil {
			name = f.Name()
		}
		return nil, false, &LintError{name, bad.Findings}
	} else if err != nil {
		return nil, false, err
	}
	name := f.Name()
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		if err := shelve(ctx, tx); err != nil {
			return err
		}
		switch live, err := liveIn(ctx, tx, name); {
		case err == nil && Same(live.Doc, doc): // a draft that somebody is at work on stays theirs
			f = f.WithVersion(live.N)
			return nil
		case err != nil && !errors.As(err, new(*NotFoundError)):
			return err
		}
		if _, err := saveDraft(ctx, tx, name, doc, nil); err != nil {
			return err
		}
		v, isNew, err := publish(ctx, tx, name, message, "", now, check)
		f, fresh = f.WithVersion(v.N), isNew
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return f, fresh, nil
}

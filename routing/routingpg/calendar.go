package routingpg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/routing"
)

// Calendar is a revision of a shared calendar. It never changes.
type Calendar struct {
	Name     string
	Revision int
	Doc      json.RawMessage
	SavedAt  time.Time
}

// Parse reads the calendar of the revision.
func (c Calendar) Parse() (*routing.Calendar, error) {
	read, err := routing.ParseCalendar(c.Doc)
	if err != nil {
		return nil, fmt.Errorf("revision %d of calendar %s: %w", c.Revision, c.Name, err)
	}
	return read.WithRevision(c.Revision), nil
}

// CalendarInUseError: flows look at the calendar.
type CalendarInUseError struct {
	Calendar string
	Flows    []string // in order
}

func (e *CalendarInUseError) Error() string {
	return fmt.Sprintf("calendar %s is looked at by %s, published or in draft: change the nodes that name it first", e.Calendar, strings.Join(e.Flows, ", "))
}

const calendarColumns = `calendar, n, doc, saved_at`

func scanCalendar(row pgx.CollectableRow) (c Calendar, err error) {
	err = row.Scan(&c.Name, &c.Revision, (*[]byte)(&c.Doc), &c.SavedAt)
	c.SavedAt = c.SavedAt.UTC()
	return c, err
}

const currentCalendars = `select r.calendar, r.n, r.doc, r.saved_at from calendars c join calendar_revisions r on r.calendar = c.name and r.n = c.revision`

// Calendars lists all by name, as they are now.
func (s *Store) Calendars(ctx context.Context) ([]Calendar, error) {
	return list(ctx, s.db.Pool, "calendars", scanCalendar, currentCalendars+` order by c.name`)
}

// Calendar reads one as it is now. *NotFoundError.
func (s *Store) Calendar(ctx context.Context, name string) (Calendar, error) {
	return calendar(ctx, s.db.Pool, name)
}

func calendar(ctx context.Context, q querier, name string) (Calendar, error) {
	return one(ctx, q, scanCalendar, &NotFoundError{"calendar", name}, currentCalendars+` where c.name = $1`, name)
}

// CalendarRevision reads a revision, of a calendar that was deleted too; 0 is the
// last there was. *NotFoundError.
func (s *Store) CalendarRevision(ctx context.Context, name string, n int) (Calendar, error) {
	none := &NotFoundError{"calendar", name + "/" + strconv.Itoa(n)}
	if n > math.MaxInt32 { // it is no int of the database's
		return Calendar{}, none
	}
	return one(ctx, s.db.Pool, scanCalendar, none,
		`select `+calendarColumns+` from calendar_revisions where calendar = $1 and (n = $2 or $2 = 0) order by n desc limit 1`, name, n)
}

// CalendarRevisions lists what a calendar was, the newest first, without documents.
// *NotFoundError if there never was such a calendar.
func (s *Store) CalendarRevisions(ctx context.Context, name string) ([]Calendar, error) {
	all, err := list(ctx, s.db.Pool, "revisions of calendar "+name, scanCalendar,
		`select calendar, n, null::json, saved_at from calendar_revisions where calendar = $1 order by n desc`, name)
	if err == nil && len(all) == 0 {
		return nil, &NotFoundError{"calendar", name}
	}
	return all, err
}

// SaveCalendar writes a calendar. One that says what is stored already makes no new
// revision; fresh tells which.
func (s *Store) SaveCalendar(ctx context.Context, c *routing.Calendar, now time.Time) (saved Calendar, fresh bool, err error) {
	saved = Calendar{Name: c.Name(), Doc: c.Doc(), SavedAt: now.UTC().Truncate(time.Microsecond)}
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		if err := shelve(ctx, tx); err != nil {
			return err
		}
		is, err := calendar(ctx, tx, c.Name())
		switch {
		case err == nil && bytes.Equal(is.Doc, c.Doc()):
			saved = is
			return nil
		case err != nil && !errors.As(err, new(*NotFoundError)):
			return err
		}
		fresh = true
		err = tx.QueryRow(ctx, `
			insert into calendar_revisions (calendar, n, doc, saved_at)
			select $1, coalesce(max(n), 0) + 1, $2, $3 from calendar_revisions where calendar = $1
			returning n`, saved.Name, []byte(saved.Doc), saved.SavedAt).Scan(&saved.Revision)
		if err != nil {
			return fmt.Errorf("save calendar %s: %w", saved.Name, err)
		}
		_, err = tx.Exec(ctx, `insert into calendars (name, revision, doc) values ($1, $2, $3)
			on conflict (name) do update set revision = excluded.revision, doc = excluded.doc`, saved.Name, saved.Revision, []byte(saved.Doc))
		if err != nil {
			return fmt.Errorf("save calendar %s: %w", saved.Name, err)
		}
		return nil
	})
	if err != nil {
		return Calendar{}, false, err
	}
	return saved, fresh, nil
}

// DeleteCalendar removes one; its revisions stay for the calls that looked at them.
// *NotFoundError; *CalendarInUseError while a draft, a live version or a canary
// names it.
func (s *Store) DeleteCalendar(ctx context.Context, name string) error {
	return s.db.In(ctx, func(tx *pg.Tx) error {
		if err := shelve(ctx, tx); err != nil {
			return err
		}
		flows, err := lookingAt(ctx, tx, name)
		if err != nil {
			return err
		}
		if len(flows) > 0 {
			return &CalendarInUseError{name, flows}
		}
		done, err := tx.Exec(ctx, `delete from calendars where name = $1`, name)
		if err != nil {
			return fmt.Errorf("delete calendar %s: %w", name, err)
		}
		if done.RowsAffected() == 0 {
			return &NotFoundError{"calendar", name}
		}
		return nil
	})
}

// LookingAt lists the flows that look at a calendar, in order: by their draft, or by a
// version that calls run.
func (s *Store) LookingAt(ctx context.Context, calendar string) ([]string, error) {
	return lookingAt(ctx, s.db.Pool, calendar)
}

// lookingAt are the flows that would miss a calendar: by their draft, or by a version
// that calls run.
func lookingAt(ctx context.Context, q querier, calendar string) (flows []string, err error) {
	type document struct {
		flow string
		doc  []byte
	}
	docs, err := list(ctx, q, "flows that look at calendar "+calendar, func(row pgx.CollectableRow) (d document, err error) {
		return d, row.Scan(&d.flow, &d.doc)
	}, `select name, draft from flows
		union all select f.name, v.doc from flows f join flow_versions v on v.flow = f.name and v.n = f.live
		union all select c.flow, v.doc from flow_canaries c join flow_versions v on v.flow = c.flow and v.n = c.version where c.ended_at is null`)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		f, _ := routing.Parse(d.doc) // a draft may have faults, and names calendars all the same
		if f != nil && slices.Contains(f.SharedCalendars(), calendar) {
			flows = append(flows, d.flow)
		}
	}
	slices.Sort(flows)
	return slices.Compact(flows), nil
}

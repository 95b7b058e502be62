package callpg

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
)

// Row is a call in the list of calls, live or ended.
type Row struct {
	ID          call.ID
	Node        call.NodeID
	Trunk       string
	Agent       string // the rep who placed it
	FromNumber  call.Number
	FromName    string
	ToNumber    call.Number
	Flow        string
	FlowVersion int
	StartedAt   time.Time
	AnsweredAt  *time.Time // by the system or a person
	ConnectedAt *time.Time // first human conversation
	EndedAt     *time.Time // nil: live
	AnsweredBy  string     // the first rep who talked to the caller
	Outcome     string
	Cause       call.Cause
	Talked      time.Duration
	Legs        []Leg // how their audio was; once the call has ended
	Disposition *disposition.Said
}

const columns = `id, node, trunk, agent, from_number, from_name, to_number, flow, flow_version,
	started_at, answered_at, connected_at, ended_at, answered_by, outcome, cause, talk_ms, legs, disposition`

// stored is a Row as it comes from the table.
type stored struct {
	Row
	TalkMS int64 `db:"talk_ms"`
}

func (s stored) row() Row {
	s.Talked = time.Duration(s.TalkMS) * time.Millisecond
	return s.Row
}

// Call is one call; ErrNoCall if there is none.
func (b *Book) Call(ctx context.Context, id call.ID) (Row, error) {
	rows, err := b.db.Pool.Query(ctx, `select `+columns+` from calls where id = $1`, id)
	if err != nil {
		return Row{}, fmt.Errorf("call %s: %w", id, err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByNameLax[stored])
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoCall
	}
	if err != nil {
		return Row{}, fmt.Errorf("call %s: %w", id, err)
	}
	return s.row(), nil
}

// Filter says which calls are listed. The zero value means all.
type Filter struct {
	From, To time.Time // begun at or after From and before To
	Agent    string    // placed by or first answered by
	Number   string    // of either side
	Flow     string
	Outcome  string
	Live     bool   // only those that have not ended
	Limit    int    // at most so many; 100 if 0
	Cursor   string // where the page before ended
}

// ErrCursor is returned for a cursor that is not one of ours.
var ErrCursor = errors.New("not a cursor of this list")

// Calls lists calls, the latest first, and the cursor of the next page, which is
// empty on the last.
func (b *Book) Calls(ctx context.Context, f Filter) (list []Row, next string, err error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	var after page
	if f.Cursor != "" {
		if after, err = pageOf(f.Cursor); err != nil {
			return nil, "", err
		}
	}
	rows, err := b.db.Pool.Query(ctx, `select `+columns+` from calls
		where ($1::timestamptz is null or started_at >= $1)
		  and ($2::timestamptz is null or started_at < $2)
		  and ($3 = '' or agent = $3 or answered_by = $3)
		  and ($4 = '' or outcome = $4)
		  and (not $5 or ended_at is null)
		  and ($6::timestamptz is null or started_at < $6 or started_at = $6 and id > $7)
		  and ($9 = '' or from_number = $9 or to_number = $9)
		  and ($10 = '' or flow = $10)
		order by started_at desc, id
		limit $8`,
		known(f.From), known(f.To), f.Agent, f.Outcome, f.Live, known(after.At), after.ID, f.Limit+1, f.Number, f.Flow)
	if err != nil {
		return nil, "", fmt.Errorf("calls: %w", err)
	}
	if list, err = collect(rows, stored.row); err != nil {
		return nil, "", fmt.Errorf("calls: %w", err)
	}
	if len(list) > f.Limit {
		list = list[:f.Limit]
		last := list[f.Limit-1]
		next = page{last.StartedAt, last.ID}.String()
	}
	return list, next, nil
}

// page is the last call of a page.
type page struct {
	At time.Time `json:"at"`
	ID call.ID   `json:"id"`
}

func (p page) String() string {
	b, _ := json.Marshal(p) // a time of the database and a string always can
	return base64.RawURLEncoding.EncodeToString(b)
}

func pageOf(cursor string) (p page, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil || p.At.IsZero() {
		return page{}, ErrCursor
	}
	return p, nil
}

// collect reads rows of struct S, whose fields are named like the columns, and
// turns each into what is wanted.
func collect[S, T any](rows pgx.Rows, turn func(S) T) ([]T, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (T, error) {
		s, err := pgx.RowToStructByNameLax[S](row)
		return turn(s), err
	})
}

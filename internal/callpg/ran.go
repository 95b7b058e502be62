package callpg

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// Ran is an ended call with its walk through the flow, and some of its facts.
type Ran struct {
	Row
	Run   routing.Run
	Facts []call.Event
}

// RanFilter says which calls are meant: ended ones that began with a flow.
type RanFilter struct {
	Flow     string
	From, To time.Time
	Limit    int
	Cursor   string   // where the page before ended
	Kinds    []string // of the facts that are wanted
}

const ranWhere = ` from calls where flow = $1 and started_at >= $2 and started_at < $3 and ended_at is not null`

// CountRan counts the calls that Ran reads, whatever the cursor.
func (b *Book) CountRan(ctx context.Context, f RanFilter) (n int, err error) {
	if err := b.db.Pool.QueryRow(ctx, `select count(*)`+ranWhere, f.Flow, f.From, f.To).Scan(&n); err != nil {
		return 0, fmt.Errorf("calls of flow %s: %w", f.Flow, err)
	}
	return n, nil
}

// Ran reads past calls of a flow, the oldest first, and the cursor of the next
// page, which is empty on the last.
func (b *Book) Ran(ctx context.Context, f RanFilter) (list []Ran, next string, err error) {
	after := page{At: f.From}
	if f.Cursor != "" {
		if after, err = pageOf(f.Cursor); err != nil {
			return nil, "", err
		}
	}
	rows, err := b.db.Pool.Query(ctx, `select `+columns+`, run`+ranWhere+`
		  and (started_at, id) > ($4, $5)
		order by started_at, id limit $6`, f.Flow, f.From, f.To, after.At, after.ID, f.Limit+1)
	if err != nil {
		return nil, "", fmt.Errorf("calls of flow %s: %w", f.Flow, err)
	}
	type kept struct {
		stored
		Run json.RawMessage
	}
	var bad error
	list, err = collect(rows, func(k kept) Ran {
		r := Ran{Row: k.row()}
		if err := json.Unmarshal(k.Run, &r.Run); err != nil && bad == nil {
			bad = fmt.Errorf("run of %s: %w", r.ID, err)
		}
		return r
	})
	if err == nil {
		err = bad
	}
	if err != nil {
		return nil, "", fmt.Errorf("calls of flow %s: %w", f.Flow, err)
	}
	if len(list) > f.Limit {
		list = list[:f.Limit]
		last := list[f.Limit-1]
		next = page{last.StartedAt, last.ID}.String()
	}
	return list, next, b.recall(ctx, list, f.Kinds)
}

// recall adds the facts of calls.
func (b *Book) recall(ctx context.Context, list []Ran, kinds []string) error {
	if len(kinds) == 0 || len(list) == 0 {
		return nil
	}
	ids, at := make([]call.ID, len(list)), make(map[call.ID]*Ran, len(list))
	for i := range list {
		ids[i], at[list[i].ID] = list[i].ID, &list[i]
	}
	rows, err := b.db.Pool.Query(ctx, `select `+entries+` from call_events where call_id = any($1) and type = any($2) order by call_id, seq`, ids, kinds)
	if err != nil {
		return fmt.Errorf("facts of past calls: %w", err)
	}
	facts, err := collect(rows, entry.event)
	if err != nil {
		return fmt.Errorf("facts of past calls: %w", err)
	}
	for _, f := range facts {
		r := at[f.Call]
		r.Facts = append(r.Facts, f)
	}
	return nil
}

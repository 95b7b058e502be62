package callpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
)

// TalkedLast is the agent who talked with a number last, in a call that began at
// or after since: one who answered it, or who called it. "" if nobody did.
func (b *Book) TalkedLast(ctx context.Context, n call.Number, since time.Time) (agent string, err error) {
	rows, _ := b.db.Pool.Query(ctx, `
		(select answered_by, started_at from calls where from_number = $1 and answered_by <> '' and started_at >= $2 order by started_at desc limit 1)
		union all
		(select agent, started_at from calls where to_number = $1 and agent <> '' and connected_at is not null and started_at >= $2 order by started_at desc limit 1)
		order by 2 desc limit 1`, n, since)
	row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[struct {
		Agent string
		At    time.Time
	}])
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("who talked with a caller last: %w", err)
	}
	return row.Agent, nil
}

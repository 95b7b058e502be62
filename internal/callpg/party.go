package callpg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
)

// Ends are the two ends of a call: who placed it, and the number it was for.
type Ends struct {
	ID         call.ID
	Agent      string // the rep who placed it, if one did
	FromNumber call.Number
	FromName   string
	ToNumber   call.Number
}

// Ends are those of the calls named; unknown ones are left out.
func (b *Book) Ends(ctx context.Context, ids []call.ID) ([]Ends, error) {
	rows, err := b.db.Pool.Query(ctx, `select id, agent, from_number, from_name, to_number from calls where id = any($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("ends of calls: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Ends])
	if err != nil {
		return nil, fmt.Errorf("ends of calls: %w", err)
	}
	return out, nil
}

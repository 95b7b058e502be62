package routingpg

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

const numberColumns = `id, number, coalesce(flow, ''), label`

func scanNumber(row pgx.CollectableRow) (n routing.Number, err error) {
	err = row.Scan(&n.ID, &n.Number, &n.Flow, &n.Label)
	return n, err
}

// Numbers lists all numbers in their order.
func (s *Store) Numbers(ctx context.Context) ([]routing.Number, error) {
	return list(ctx, s.db.Pool, "numbers", scanNumber, `select `+numberColumns+` from numbers order by number`)
}

// Number reads one by its id or as it is dialled. *NotFoundError.
func (s *Store) Number(ctx context.Context, idOrNumber string) (routing.Number, error) {
	return one(ctx, s.db.Pool, scanNumber, &NotFoundError{"number", idOrNumber},
		`select `+numberColumns+` from numbers where id = $1 or number = $1`, idOrNumber)
}

// ours is E.164, or a number or extension as a carrier or phone writes it.
var ours = regexp.MustCompile(`^\+?[0-9*#]{1,20}$`)

// SaveNumber writes a number. With an id it changes that one or makes it,
// without it is known by the number itself. *InvalidError, *TakenError,
// *NotFoundError for a flow that is not there.
func (s *Store) SaveNumber(ctx context.Context, n routing.Number) error {
	if !ours.MatchString(string(n.Number)) {
		return &InvalidError{"number", "number", "wants digits, with a + before a country code"}
	}
	by := "id"
	if n.ID == "" {
		by = "number"
	}
	_, err := s.db.Exec(ctx, `insert into numbers (id, number, flow, label) values ($1, $2, nullif($3, ''), $4)
		on conflict (`+by+`) do update set number = excluded.number, flow = excluded.flow, label = excluded.label`,
		cmp.Or(n.ID, call.NewID("num", time.Now())), n.Number, n.Flow, n.Label)
	switch state(err) {
	case uniqueViolation:
		return &TakenError{"number", string(n.Number)}
	case foreignKeyViolation:
		return &NotFoundError{"flow", n.Flow}
	}
	if err != nil {
		return fmt.Errorf("save number %s: %w", n.Number.Masked(), err)
	}
	return nil
}

// DeleteNumber removes a number by its id. *NotFoundError.
func (s *Store) DeleteNumber(ctx context.Context, id string) error {
	done, err := s.db.Exec(ctx, `delete from numbers where id = $1`, id)
	if err != nil {
		return fmt.Errorf("delete number %s: %w", id, err)
	}
	if done == 0 {
		return &NotFoundError{"number", id}
	}
	return nil
}

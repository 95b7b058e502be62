package routingpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/routing"
)

// trunkColumns are the columns in the order of trunkFields.
var trunkColumns = []string{
	"id", "name", "sources", "host", "hosts", "domain", "transport", "srtp", "username", "password", "auth_inbound", "register", "registrar",
	"register_s", "codecs", "max_calls", "calls_per_s", "priority", "prefixes", "try_s", "qualify_s", "trust", "send", "show", "caller_number",
	"number_format", "country", "national_prefix",
}

func trunkFields(t *routing.Trunk) []any {
	return []any{
		&t.ID, &t.Name, &t.Sources, &t.Host, &t.Hosts, &t.Domain, &t.Transport, &t.SRTP, &t.Username, (*string)(&t.Password), &t.AuthInbound, &t.Register, &t.Registrar,
		&t.RegisterS, &t.Codecs, &t.MaxCalls, &t.CallsPerS, &t.Priority, &t.For, &t.TryS, &t.QualifyS, &t.Trust, &t.Send, &t.Show, (*string)(&t.CallerNumber),
		&t.NumberFormat, &t.Country, &t.NationalPrefix,
	}
}

func scanTrunk(row pgx.CollectableRow) (t routing.Trunk, err error) {
	err = row.Scan(trunkFields(&t)...)
	return t, err
}

var selectTrunk = "select " + strings.Join(trunkColumns, ", ") + " from trunks"

// Trunks lists all trunks by name.
func (s *Store) Trunks(ctx context.Context) ([]routing.Trunk, error) {
	return list(ctx, s.db.Pool, "trunks", scanTrunk, selectTrunk+` order by name`)
}

// Trunk reads one by its id or name. *NotFoundError.
func (s *Store) Trunk(ctx context.Context, idOrName string) (routing.Trunk, error) {
	return one(ctx, s.db.Pool, scanTrunk, &NotFoundError{"trunk", idOrName}, selectTrunk+` where id = $1 or name = $1`, idOrName)
}

// saveTrunk is the statement that makes or changes a trunk known by id or name.
func saveTrunk(by string) string {
	var marks, sets []string
	for i, c := range trunkColumns {
		marks = append(marks, fmt.Sprintf("$%d", i+1))
		if c != "id" {
			sets = append(sets, c+" = excluded."+c)
		}
	}
	return "insert into trunks (" + strings.Join(trunkColumns, ", ") + ") values (" + strings.Join(marks, ", ") +
		") on conflict (" + by + ") do update set " + strings.Join(sets, ", ")
}

// SaveTrunk writes a trunk. With an id it changes that one or makes it, without
// it is known by its name. A trunk without a password keeps the one it has, as
// long as its username stays. *InvalidError, *TakenError.
func (s *Store) SaveTrunk(ctx context.Context, t routing.Trunk) error {
	t = t.WithDefaults()
	by, key := "id", t.ID
	if t.ID == "" {
		by, key = "name", t.Name
	}
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		old, err := one(ctx, tx, scanTrunk, &NotFoundError{"trunk", key}, selectTrunk+` where `+by+` = $1 for update`, key)
		if err != nil && !errors.As(err, new(*NotFoundError)) {
			return err
		}
		t = t.Keeping(old)
		if fs := t.Faults(); len(fs) > 0 {
			return &InvalidError{"trunk", fs[0].Field, fs[0].Why}
		}
		t.ID = cmp.Or(t.ID, call.NewID("trk", time.Now()))
		_, err = tx.Exec(ctx, saveTrunk(by), trunkFields(&t)...)
		if state(err) == uniqueViolation {
			return &TakenError{"trunk", t.Name}
		}
		if err != nil {
			return fmt.Errorf("save trunk %s: %w", t.Name, err)
		}
		return nil
	})
	return err
}

// DeleteTrunk removes a trunk by its id. *NotFoundError.
func (s *Store) DeleteTrunk(ctx context.Context, id string) error {
	done, err := s.db.Exec(ctx, `delete from trunks where id = $1`, id)
	if err != nil {
		return fmt.Errorf("delete trunk %s: %w", id, err)
	}
	if done == 0 {
		return &NotFoundError{"trunk", id}
	}
	return nil
}

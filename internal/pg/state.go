package pg

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/callyard/callyard/migrations"
)

// Pending names the migrations that Migrate would apply, in order.
func Pending(ctx context.Context, db *DB) ([]string, error) {
	river, err := rivermigrate.New(riverpgxv5.New(db.Pool), &rivermigrate.Config{Logger: db.log})
	if err != nil {
		return nil, fmt.Errorf("migrations of the job queue: %w", err)
	}
	there, err := river.ExistingVersions(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrations of the job queue: %w", err)
	}
	var out []string
	for _, m := range river.AllVersions() {
		if !slices.ContainsFunc(there, func(t rivermigrate.Migration) bool { return t.Version == m.Version }) {
			out = append(out, fmt.Sprintf("job queue %03d %s", m.Version, m.Name))
		}
	}
	applied, err := applied(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	names, err := fs.Glob(migrations.Files, "*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	for _, name := range names {
		if !slices.Contains(applied, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

func applied(ctx context.Context, db *DB) ([]string, error) {
	var there bool
	if err := db.Pool.QueryRow(ctx, `select to_regclass('migration') is not null`).Scan(&there); err != nil || !there {
		return nil, err
	}
	rows, _ := db.Pool.Query(ctx, `select name from migration`)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/migrations"
)

// templateLock is held by the process that makes a template.
const templateLock = 727002

// prepare makes the migrated template, unless another process or an earlier run
// with the same migrations has.
func (s *server) prepare(ctx context.Context) error {
	name, err := templateName()
	if err != nil {
		return err
	}
	s.template = name
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) // and with it the lock
	var version int
	if err := conn.QueryRow(ctx, `select current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return err
	}
	if version >= 150000 {
		s.strategy = ` strategy file_copy` // the only way there was before, and faster with fsync off
	}
	if _, err := conn.Exec(ctx, `select pg_advisory_lock($1)`, templateLock); err != nil {
		return err
	}
	var ready bool
	if err := conn.QueryRow(ctx, `select exists (select 1 from pg_database where datname = $1)`, name).Scan(&ready); err != nil || ready {
		return err
	}
	// It gets its name when it is complete.
	draft := name + "_draft"
	if _, err := conn.Exec(ctx, `drop database if exists `+ident(draft)+` with (force)`); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `create database `+ident(draft)+` template template0`+s.strategy); err != nil {
		return err
	}
	db, err := pg.Open(ctx, s.at(draft), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	err = pg.Migrate(ctx, db)
	db.Close()
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `alter database `+ident(draft)+` rename to `+ident(name))
	return err
}

// templateName changes with the migrations, ours and River's.
func templateName() (string, error) {
	h := sha256.New()
	river, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	if err != nil {
		return "", err
	}
	for _, m := range river.AllVersions() {
		fmt.Fprintln(h, m.Version, m.SQLUp)
	}
	files, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		return "", err
	}
	for _, f := range files {
		sql, err := fs.ReadFile(migrations.Files, f)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, f, len(sql))
		h.Write(sql)
	}
	return "callyard_template_" + hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// Package migrations holds the database schema as numbered SQL files. Files are
// only ever added: each must leave a database that the previous release can
// still work with.
package migrations

import "embed"

// Files are the migrations, applied in the order of their names.
//
//go:embed *.sql
var Files embed.FS

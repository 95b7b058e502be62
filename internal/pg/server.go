package pg

import (
	"context"
	"fmt"
	"time"
)

// Server is what those who look for faults go by: how a database server is set
// up for the account and the database that are used.
type Server struct {
	Version           string // "16.4"
	Major             int
	Now               time.Time // by its clock
	Fsync             bool
	SynchronousCommit string        // "on", "off", "local", …
	StatementTimeout  time.Duration // 0: none
	Connections       int           // that the account may have at most, were it alone
	Pool              int           // of those, how many the stores' pool here takes
}

// Server asks the server.
func (db *DB) Server(ctx context.Context) (Server, error) {
	s := Server{Pool: int(db.Pool.Config().MaxConns)}
	var timeoutMS int64
	// Superusers have what is kept for them, and limits of the account and the
	// database do not hold for them. A limit of -1 is none.
	err := db.Pool.QueryRow(ctx, `
		select current_setting('server_version'), current_setting('server_version_num')::int / 10000, clock_timestamp(),
			current_setting('fsync')::bool, current_setting('synchronous_commit'),
			(select setting::bigint from pg_settings where name = 'statement_timeout'),
			case when r.rolsuper then current_setting('max_connections')::int else least(
				current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
					- coalesce(current_setting('reserved_connections', true)::int, 0),
				nullif(r.rolconnlimit, -1), nullif(d.datconnlimit, -1)) end
		from pg_roles r, pg_database d where r.rolname = session_user and d.datname = current_database()`,
	).Scan(&s.Version, &s.Major, &s.Now, &s.Fsync, &s.SynchronousCommit, &timeoutMS, &s.Connections)
	if err != nil {
		return Server{}, fmt.Errorf("database: %w", err)
	}
	s.StatementTimeout = time.Duration(timeoutMS) * time.Millisecond
	return s, nil
}

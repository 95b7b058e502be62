package pg

import (
	"context"
	"fmt"
	"time"
)

// Bounds of Alone: how long it waits for its turn, and how many may hold a
// connection for theirs, so that others are left for what they do meanwhile.
const (
	aloneWait = 10 * time.Second
	aloneMany = 4
)

// Alone runs do while nobody else, on any node, runs one of the same name. Its turn
// lasts as long as the connection that holds it; do works on others.
func (db *DB) Alone(ctx context.Context, name string, do func(context.Context)) error {
	soon, cancel := context.WithTimeout(ctx, aloneWait)
	defer cancel()
	select {
	case db.alone <- struct{}{}:
		defer func() { <-db.alone }()
	case <-soon.Done():
		return fmt.Errorf("wait for others at %s: %w", name, soon.Err())
	}
	conn, err := db.Pool.Acquire(soon)
	if err != nil {
		return fmt.Errorf("wait for others at %s: %w", name, err)
	}
	defer conn.Release() // closes it, and so ends its turn, if it could not be rolled back
	way := depart(conn.Conn())
	defer way.rollback(context.WithoutCancel(ctx))
	if _, err := way.Exec(soon, `select pg_advisory_xact_lock(hashtextextended($1, 727002))`, name); err != nil {
		return fmt.Errorf("wait for others at %s: %w", name, err)
	}
	do(ctx)
	return nil
}

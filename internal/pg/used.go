package pg

import (
	"context"
	"fmt"
	"time"
)

// usedEvery is how exactly it is kept when something was used: not a write for
// every use.
const usedEvery = time.Minute

// Used notes in used_at of a table's row that it is in use, to the minute; before is
// what it says now. Of those who use the row at once one writes and nobody waits,
// for the others or for the disk: what a crash takes with it is a minute.
func (db *DB) Used(ctx context.Context, table, id string, before *time.Time, now time.Time) error {
	if before != nil && now.Sub(*before) < usedEvery {
		return nil
	}
	_, err := db.Pool.Exec(ctx, `with stale as (
			select id from `+table+` where id = $1 and (used_at is null or used_at <= $3) for no key update skip locked)
		update `+table+` t set used_at = $2 from stale where t.id = stale.id
		returning set_config('synchronous_commit', 'off', true)`, id, now, now.Add(-usedEvery))
	if err != nil {
		return fmt.Errorf("note the use of %s: %w", id, err)
	}
	return nil
}

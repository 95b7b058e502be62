package parkingpg

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/parking"
)

const lotColumns = `name, id, extension, first_slot, last_slot, music, max_park_ms, claim_ms, cool_down_ms, bounce_ms, reserve_ms, ladder, on_expired`

func toLot(row pgx.CollectableRow) (l parking.Lot, err error) {
	var maxPark, claim, coolDown, bounce, reserve int64
	err = row.Scan(&l.Name, &l.ID, &l.Extension, &l.First, &l.Last, &l.Music, &maxPark, &claim, &coolDown, &bounce, &reserve, &l.Ladder, &l.OnExpired)
	l.MaxPark, l.Claim, l.CoolDown, l.Bounce, l.Reserve = duration(maxPark), duration(claim), duration(coolDown), duration(bounce), duration(reserve)
	return l, err
}

// duration and ms: 0 in the table is parking.Off, which is not the zero Duration.
func duration(ms int64) time.Duration {
	if ms == 0 {
		return parking.Off
	}
	return time.Duration(ms) * time.Millisecond
}

func ms(d time.Duration) int64 { return max(0, d).Milliseconds() }

// Lot implements parking.Store.
func (s *Store) Lot(ctx context.Context, name string) (parking.Lot, error) {
	return lot(ctx, s.db.Pool, name)
}

func lot(ctx context.Context, q querier, name string) (parking.Lot, error) {
	rows, err := q.Query(ctx, `select `+lotColumns+` from lots where name = $1`, name)
	if err != nil {
		return parking.Lot{}, fmt.Errorf("lot %s: %w", name, err)
	}
	lots, err := pgx.CollectRows(rows, toLot)
	if err != nil {
		return parking.Lot{}, fmt.Errorf("lot %s: %w", name, err)
	}
	if len(lots) == 0 {
		return parking.Lot{}, &parking.UnknownLotError{Lot: name}
	}
	return lots[0], nil
}

// Lots implements parking.Store.
func (s *Store) Lots(ctx context.Context) ([]parking.Lot, error) {
	rows, err := s.db.Pool.Query(ctx, `select `+lotColumns+` from lots order by name`)
	if err != nil {
		return nil, fmt.Errorf("lots: %w", err)
	}
	lots, err := pgx.CollectRows(rows, toLot)
	if err != nil {
		return nil, fmt.Errorf("lots: %w", err)
	}
	return lots, nil
}

// SaveLot implements parking.Store.
func (s *Store) SaveLot(ctx context.Context, l parking.Lot) error {
	id := l.ID // "" keeps what there is
	l = l.WithDefaults()
	err := s.db.In(ctx, func(tx *pg.Tx) error {
		tx.Later(`insert into lots (`+lotColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
			on conflict (name) do update set id = case when $14 = '' then lots.id else $14 end, extension = excluded.extension,
				first_slot = excluded.first_slot, last_slot = excluded.last_slot, music = excluded.music,
				max_park_ms = excluded.max_park_ms, claim_ms = excluded.claim_ms, cool_down_ms = excluded.cool_down_ms,
				bounce_ms = excluded.bounce_ms, reserve_ms = excluded.reserve_ms, ladder = excluded.ladder, on_expired = excluded.on_expired`,
			l.Name, cmp.Or(id, "lot_"+l.Name), l.Extension, l.First, l.Last, l.Music,
			ms(l.MaxPark), ms(l.Claim), ms(l.CoolDown), ms(l.Bounce), ms(l.Reserve), l.Ladder, l.OnExpired, id)
		if err := drop(ctx, tx, l.Name, `slot not between $2 and $3`, l.First, l.Last); err != nil {
			return err
		}
		tx.Later(`insert into slots (lot, slot) select $1, n from generate_series($2::int, $3::int) n
			where not exists (select from slots where lot = $1 and slot = n) on conflict do nothing`, l.Name, l.First, l.Last)
		return nil
	})
	if err != nil {
		return fmt.Errorf("save lot %s: %w", l.Name, err)
	}
	return nil
}

// DeleteLot implements parking.Store.
func (s *Store) DeleteLot(ctx context.Context, name string) error {
	return s.db.In(ctx, func(tx *pg.Tx) error {
		if err := drop(ctx, tx, name, `true`); err != nil {
			return fmt.Errorf("delete lot %s: %w", name, err)
		}
		tag, err := tx.Exec(ctx, `delete from lots where name = $1`, name)
		if err != nil {
			return fmt.Errorf("delete lot %s: %w", name, err)
		}
		if tag.RowsAffected() == 0 {
			return &parking.UnknownLotError{Lot: name}
		}
		return nil
	})
}

// drop removes those slots of a lot; one that is in use stops it. A slot that is
// being taken is waited for, and found in use by the second statement.
func drop(ctx context.Context, tx *pg.Tx, lot, which string, args ...any) error {
	args = append([]any{lot}, args...)
	tx.Later(`delete from slots where lot = $1 and park is null and `+which, args...)
	var n int
	if err := tx.QueryRow(ctx, `select coalesce(min(slot), 0) from slots where lot = $1 and `+which, args...).Scan(&n); err != nil {
		return err
	}
	if n != 0 {
		return fmt.Errorf("slot %d: %w", n, parking.ErrInUse)
	}
	return nil
}

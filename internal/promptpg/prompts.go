// Package promptpg keeps prompts and music in Postgres, for all nodes.
package promptpg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
)

// ErrUnknown is returned for a prompt that there is not.
var ErrUnknown = errors.New("no such prompt")

// Prompt is what is known of a sound, without the sound.
type Prompt struct {
	Name    string
	Text    string // what was spoken; "" for a recording
	Lang    string
	Length  time.Duration
	Hash    string // changes with the sound
	SavedAt time.Time
}

// Store keeps prompts. Safe for use by many goroutines and many nodes.
type Store struct{ db *pg.DB }

// New keeps prompts in a migrated database.
func New(db *pg.DB) *Store { return &Store{db} }

const columns = `name, text, lang, length_ms, hash, saved_at`

func scan(row pgx.CollectableRow) (p Prompt, err error) {
	var ms int64
	err = row.Scan(&p.Name, &p.Text, &p.Lang, &ms, &p.Hash, &p.SavedAt)
	p.Length, p.SavedAt = time.Duration(ms)*time.Millisecond, p.SavedAt.UTC()
	return p, err
}

// Save keeps a prompt with its sound, in place of the one that had its name. Hash
// is set by it.
func (s *Store) Save(ctx context.Context, p Prompt, wav []byte) (Prompt, error) {
	sum := sha256.Sum256(wav)
	p.Hash = hex.EncodeToString(sum[:])
	_, err := s.db.Exec(ctx, `
		insert into prompts (name, wav, hash, text, lang, length_ms, saved_at) values ($1, $2, $3, $4, $5, $6, $7)
		on conflict (name) do update set wav = excluded.wav, hash = excluded.hash, text = excluded.text,
		  lang = excluded.lang, length_ms = excluded.length_ms, saved_at = excluded.saved_at`,
		p.Name, wav, p.Hash, p.Text, p.Lang, p.Length.Milliseconds(), p.SavedAt)
	if err != nil {
		return p, fmt.Errorf("save prompt %q: %w", p.Name, err)
	}
	return p, nil
}

// Prompt is one prompt; ErrUnknown if there is none.
func (s *Store) Prompt(ctx context.Context, name string) (Prompt, error) {
	rows, err := s.db.Pool.Query(ctx, `select `+columns+` from prompts where name = $1`, name)
	if err != nil {
		return Prompt{}, fmt.Errorf("prompt %q: %w", name, err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrUnknown
	}
	if err != nil {
		return Prompt{}, fmt.Errorf("prompt %q: %w", name, err)
	}
	return p, nil
}

// Prompts is all of them, by name.
func (s *Store) Prompts(ctx context.Context) ([]Prompt, error) {
	rows, err := s.db.Pool.Query(ctx, `select `+columns+` from prompts order by name`)
	if err != nil {
		return nil, fmt.Errorf("prompts: %w", err)
	}
	ps, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("prompts: %w", err)
	}
	return ps, nil
}

// Sound is a prompt's WAV file; ErrUnknown if there is none.
func (s *Store) Sound(ctx context.Context, name string) ([]byte, error) {
	var wav []byte
	err := s.db.Pool.QueryRow(ctx, `select wav from prompts where name = $1`, name).Scan(&wav)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("prompt %q: %w", name, err)
	}
	return wav, nil
}

// Delete removes a prompt; ErrUnknown if there is none.
func (s *Store) Delete(ctx context.Context, name string) error {
	n, err := s.db.Exec(ctx, `delete from prompts where name = $1`, name)
	if err == nil && n == 0 {
		err = ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("delete prompt %q: %w", name, err)
	}
	return nil
}

// Package keypg keeps the keys of the REST API in Postgres, and the answers to
// requests that carried an Idempotency-Key.
package keypg

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
)

// Scope is what a key may do: Read, Write or Admin, each including the ones before
// it, or Read or Write of one resource of the API, as "flows:write".
type Scope string

// The scopes.
const (
	Read  Scope = "read"  // look at everything but keys
	Write Scope = "write" // park, retrieve, change the configuration
	Admin Scope = "admin" // keys, set-up files
)

var scopes = []Scope{Read, Write, Admin}

// Prefix begins every key, so that leaked ones can be searched for.
const Prefix = "ck_"

// Key is what is known of a key. The key itself is shown once, by Create.
type Key struct {
	ID        string // "key_…"
	Name      string
	Last4     string
	Scopes    []Scope
	CreatedAt time.Time
	ExpiresAt *time.Time // nil: never
	UsedAt    *time.Time // to the minute
	RevokedAt *time.Time
}

// May reports whether the key has a scope for a resource, by itself or within a
// wider one.
func (k Key) May(resource string, s Scope) bool {
	return slices.ContainsFunc(k.Scopes, func(has Scope) bool {
		if of, what, ok := strings.Cut(string(has), ":"); ok {
			if of != resource {
				return false
			}
			has = Scope(what)
		}
		return slices.Index(scopes, s) >= 0 && slices.Index(scopes, has) >= slices.Index(scopes, s)
	})
}

// known reports whether there is such a scope. Nothing of one resource is Admin's.
func (s Scope) known() bool {
	if slices.Contains(scopes, s) {
		return true
	}
	of, what, ok := strings.Cut(string(s), ":")
	return ok && of != "" && (Scope(what) == Read || Scope(what) == Write)
}

// Errors of the store.
var (
	ErrUnknown = errors.New("no such key")         // or revoked
	ErrExpired = errors.New("the key has expired") // ExpiresAt is past
)

// Store keeps keys. Safe for use by many goroutines and many nodes.
type Store struct{ db *pg.DB }

// New keeps keys in a migrated database.
func New(db *pg.DB) *Store { return &Store{db} }

const columns = `id, name, last4, scopes, created_at, expires_at, used_at, revoked_at`

// Create makes a key and returns it with its secret, which nobody can read again.
// Name, Scopes and ExpiresAt are taken from k.
func (s *Store) Create(ctx context.Context, k Key, now time.Time) (Key, string, error) {
	var secret string
	err := s.db.In(ctx, func(tx *pg.Tx) (err error) {
		k, secret, err = create(ctx, tx, k, now)
		return err
	})
	return k, secret, err
}

func create(ctx context.Context, tx *pg.Tx, k Key, now time.Time) (Key, string, error) {
	for _, sc := range k.Scopes {
		if !sc.known() {
			return Key{}, "", fmt.Errorf("create key %s: there is no scope %q", k.Name, sc)
		}
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	secret := Prefix + base64.RawURLEncoding.EncodeToString(random[:])
	k = Key{
		ID: call.NewID("key", now), Name: k.Name, Last4: secret[len(secret)-4:],
		Scopes: k.Scopes, CreatedAt: now.UTC().Truncate(time.Microsecond), ExpiresAt: k.ExpiresAt,
	}
	_, err := tx.Exec(ctx, `insert into api_keys (id, name, hash, last4, scopes, created_at, expires_at)
		values ($1, $2, $3, $4, $5, $6, $7)`, k.ID, k.Name, digest(secret), k.Last4, k.Scopes, k.CreatedAt, k.ExpiresAt)
	if err != nil {
		return Key{}, "", fmt.Errorf("create key %s: %w", k.Name, err)
	}
	return k, secret, nil
}

// digest is what is stored of a key. A slow hash would protect a password that
// can be guessed; 32 random bytes cannot.
func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Find returns the key with a secret and remembers that it was used. ErrUnknown
// if there is none or it is revoked, ErrExpired.
func (s *Store) Find(ctx context.Context, secret string, now time.Time) (Key, error) {
	if !strings.HasPrefix(secret, Prefix) {
		return Key{}, ErrUnknown
	}
	rows, err := s.db.Pool.Query(ctx, `select `+columns+` from api_keys where hash = $1 and revoked_at is null`, digest(secret))
	if err != nil {
		return Key{}, fmt.Errorf("find key: %w", err)
	}
	k, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Key])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Key{}, ErrUnknown
	case err != nil:
		return Key{}, fmt.Errorf("find key: %w", err)
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return k, ErrExpired
	}
	return k, s.db.Used(ctx, "api_keys", k.ID, k.UsedAt, now)
}

// List returns all keys, the newest first, revoked ones included.
func (s *Store) List(ctx context.Context) ([]Key, error) {
	rows, err := s.db.Pool.Query(ctx, `select `+columns+` from api_keys order by id desc`)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Key])
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return list, nil
}

// Revoke makes a key useless from now on. ErrUnknown if there is none; revoking
// again keeps the first time.
func (s *Store) Revoke(ctx context.Context, id string, now time.Time) error {
	n, err := s.db.Exec(ctx, `update api_keys set revoked_at = coalesce(revoked_at, $2) where id = $1`, id, now)
	if err != nil {
		return fmt.Errorf("revoke key %s: %w", id, err)
	}
	if n == 0 {
		return fmt.Errorf("revoke key %s: %w", id, ErrUnknown)
	}
	return nil
}

// EnsureFirst makes an admin key if there is none that still works, so that a new
// hub, or one whose last key was lost to time, can be entered by whoever can
// start it. Of many nodes that start at once one makes it.
func (s *Store) EnsureFirst(ctx context.Context, now time.Time) (secret string, created bool, err error) {
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, `lock table api_keys in share row exclusive mode`); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `select not exists (select 1 from api_keys
			where revoked_at is null and (expires_at is null or expires_at > $1) and 'admin' = any (scopes))`, now).Scan(&created)
		if err != nil || !created {
			return err
		}
		_, secret, err = create(ctx, tx, Key{Name: "first", Scopes: []Scope{Admin}}, now)
		return err
	})
	if err != nil {
		return "", false, fmt.Errorf("first key: %w", err)
	}
	return secret, created, nil
}

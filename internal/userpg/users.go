// Package userpg keeps the people who may use a hub in Postgres: their roles and
// passwords, the sessions in which they are signed in, and links that open once.
package userpg

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
)

// Role is what a person may do. Each includes the ones before it.
type Role string

// The roles.
const (
	Rep     Role = "rep"     // takes calls: sees what is live, acts for themselves
	Manager Role = "manager" // sees reports and all calls, acts for others
	Admin   Role = "admin"   // changes the configuration, people and keys
)

var roles = []Role{Rep, Manager, Admin}

// AtLeast reports whether a role includes another. No role includes none.
func (r Role) AtLeast(least Role) bool {
	return slices.Contains(roles, r) && slices.Contains(roles, least) && slices.Index(roles, r) >= slices.Index(roles, least)
}

// User is a person.
type User struct {
	ID          string // "usr_…"
	Name        string // what they sign in with
	Display     string
	Email       string
	Role        Role
	Agent       string // who they are when they take calls; "" nobody
	Disabled    bool
	HasPassword bool
	CreatedAt   time.Time
	LastLoginAt *time.Time
}

// Errors of the store.
var (
	ErrUnknown   = errors.New("no such user")
	ErrLastAdmin = errors.New("there would be no admin left who can sign in")
	ErrLogin     = errors.New("name or password is wrong") // or the user is disabled: nobody is told which
	ErrPassword  = errors.New("the password is wrong")
	ErrSession   = errors.New("no such session") // or it has ended
	ErrLink      = errors.New("the link has been used, or has expired")
)

type (
	// TakenError: another user has it.
	TakenError struct{ Field, Value string }
	// InvalidError: a value cannot be stored.
	InvalidError struct{ Field, Why string }
)

func (e *TakenError) Error() string {
	return fmt.Sprintf("another user has the %s %q", e.Field, e.Value)
}
func (e *InvalidError) Error() string { return e.Field + ": " + e.Why }

// Store keeps people. Safe for use by many goroutines and many nodes.
type Store struct {
	db   *pg.DB
	hash hashing
}

// New keeps people in a migrated database.
func New(db *pg.DB) *Store { return &Store{db, make(hashing, 2)} }

const columns = `id, name, display, email, role, coalesce(agent, '') as agent, disabled, password <> '' as has_password, created_at, last_login_at`

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func one(ctx context.Context, q querier, where string, args ...any) (User, error) {
	rows, _ := q.Query(ctx, `select `+columns+` from users where `+where, args...) // the error is in rows
	u, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[User])
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrUnknown
	}
	return u, err
}

// User is one person by id or name. ErrUnknown.
func (s *Store) User(ctx context.Context, idOrName string) (User, error) {
	u, err := one(ctx, s.db.Pool, `id = $1 or name = lower($1)`, idOrName)
	if err != nil {
		return u, fmt.Errorf("user %s: %w", idOrName, err)
	}
	return u, nil
}

// Users lists all people by name.
func (s *Store) Users(ctx context.Context) ([]User, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+columns+` from users order by name`) // the error is in rows
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[User])
	if err != nil {
		return nil, fmt.Errorf("users: %w", err)
	}
	return list, nil
}

// Create makes a user; without a password nobody can sign in as them yet. Name,
// Display, Email, Role, Agent and Disabled are taken from u. *TakenError,
// *InvalidError, *WeakPasswordError.
func (s *Store) Create(ctx context.Context, u User, password string, now time.Time) (User, error) {
	hash, err := s.newPassword(ctx, password, u.Name)
	if err != nil {
		return User{}, err
	}
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		u, err = create(ctx, tx, u, hash, now)
		return err
	})
	if err != nil {
		return User{}, fmt.Errorf("create user %s: %w", u.Name, err)
	}
	return u, nil
}

func (s *Store) newPassword(ctx context.Context, password, name string) (string, error) {
	if password == "" {
		return "", nil
	}
	if err := acceptable(password, name); err != nil {
		return "", err
	}
	return s.hash.hash(ctx, password)
}

// userName leaves out "_", so that no name is an id.
var userName = regexp.MustCompile(`^[a-z0-9][a-z0-9.@+-]{0,99}$`)

func create(ctx context.Context, tx *pg.Tx, u User, hash string, now time.Time) (User, error) {
	u.ID, u.Name, u.CreatedAt = call.NewID("usr", now), strings.ToLower(u.Name), now.UTC().Truncate(time.Microsecond)
	u.HasPassword, u.LastLoginAt = hash != "", nil
	if err := sound(u); err != nil {
		return u, err
	}
	_, err := tx.Exec(ctx, `insert into users (id, name, display, email, role, agent, password, disabled, created_at)
		values ($1, $2, $3, $4, $5, nullif($6, ''), $7, $8, $9)`, u.ID, u.Name, u.Display, u.Email, u.Role, u.Agent, hash, u.Disabled, u.CreatedAt)
	return u, translate(err, u)
}

func sound(u User) error {
	switch {
	case !userName.MatchString(u.Name):
		return &InvalidError{"name", "wants letters, digits, and . @ + - after the first"}
	case !slices.Contains(roles, u.Role):
		return &InvalidError{"role", "is none of rep, manager and admin"}
	}
	return nil
}

// translate names what a constraint found.
func translate(err error, u User) error {
	e := (*pgconn.PgError)(nil)
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Code == "23505" && strings.Contains(e.ConstraintName, "agent"):
		return &TakenError{"agent", u.Agent}
	case e.Code == "23505":
		return &TakenError{"name", u.Name}
	case e.Code == "23503":
		return &InvalidError{"agent", fmt.Sprintf("there is no agent %q", u.Agent)}
	}
	return err
}

// Change changes what change changes of a user: Name, Display, Email, Role, Agent
// and Disabled. Who is disabled is signed out everywhere. ErrUnknown,
// ErrLastAdmin, *TakenError, *InvalidError.
func (s *Store) Change(ctx context.Context, idOrName string, change func(*User)) (User, error) {
	var u User
	err := s.guarded(ctx, func(tx *pg.Tx) (err error) {
		if u, err = one(ctx, tx, `id = $1 or name = lower($1)`, idOrName); err != nil {
			return err
		}
		id := u.ID
		change(&u)
		u.ID, u.Name = id, strings.ToLower(u.Name)
		if err := sound(u); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update users set name = $2, display = $3, email = $4, role = $5, agent = nullif($6, ''), disabled = $7 where id = $1`,
			u.ID, u.Name, u.Display, u.Email, u.Role, u.Agent, u.Disabled); err != nil {
			return translate(err, u)
		}
		if u.Disabled {
			return signOut(ctx, tx, u.ID, "")
		}
		return nil
	})
	if err != nil {
		return User{}, fmt.Errorf("change user %s: %w", idOrName, err)
	}
	return u, nil
}

// Delete removes a user with their sessions. ErrUnknown, ErrLastAdmin.
func (s *Store) Delete(ctx context.Context, idOrName string) error {
	err := s.guarded(ctx, func(tx *pg.Tx) error {
		tag, err := tx.Exec(ctx, `delete from users where id = $1 or name = lower($1)`, idOrName)
		if err == nil && tag.RowsAffected() == 0 {
			err = ErrUnknown
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete user %s: %w", idOrName, err)
	}
	return nil
}

const adminsLeft = `select exists (select from users where role = 'admin' and not disabled and password <> '')`

// guarded does what may take an admin away. One such change comes after another,
// and the last admin who can sign in stays: two who demote each other at once
// would otherwise both succeed.
func (s *Store) guarded(ctx context.Context, f func(*pg.Tx) error) error {
	return s.db.In(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, `lock table users in share row exclusive mode`); err != nil {
			return err
		}
		var before, after bool
		if err := tx.QueryRow(ctx, adminsLeft).Scan(&before); err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, adminsLeft).Scan(&after); err != nil {
			return err
		}
		if before && !after {
			return ErrLastAdmin
		}
		return nil
	})
}

// SetPassword gives a user a new password and signs them out everywhere.
// ErrUnknown, *WeakPasswordError.
func (s *Store) SetPassword(ctx context.Context, idOrName, password string) error {
	u, err := s.User(ctx, idOrName)
	if err != nil {
		return err
	}
	return s.setPassword(ctx, u, password, "")
}

// ChangePassword is what a user does who knows the old one; the session they do
// it in stays, all others end. ErrPassword, *WeakPasswordError.
func (s *Store) ChangePassword(ctx context.Context, u User, session, old, password string) error {
	var stored string
	if err := s.db.Pool.QueryRow(ctx, `select password from users where id = $1`, u.ID).Scan(&stored); err != nil {
		return fmt.Errorf("password of user %s: %w", u.Name, err)
	}
	ok, _, err := s.hash.matches(ctx, stored, old)
	switch {
	case err != nil:
		return fmt.Errorf("password of user %s: %w", u.Name, err)
	case !ok || stored == "":
		return ErrPassword
	}
	return s.setPassword(ctx, u, password, session)
}

func (s *Store) setPassword(ctx context.Context, u User, password, session string) error {
	if err := acceptable(password, u.Name); err != nil {
		return err
	}
	hash, err := s.hash.hash(ctx, password)
	if err != nil {
		return err
	}
	err = s.db.In(ctx, func(tx *pg.Tx) error { return writePassword(ctx, tx, u.ID, hash, session) })
	if err != nil {
		return fmt.Errorf("password of user %s: %w", u.Name, err)
	}
	return nil
}

// writePassword also ends what the old password opened: sessions but one, and
// links that would set another.
func writePassword(ctx context.Context, tx *pg.Tx, id, hash, session string) error {
	tag, err := tx.Exec(ctx, `update users set password = $2 where id = $1`, id, hash)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return ErrUnknown
	}
	tx.Later(`delete from links where user_id = $1`, id)
	return signOut(ctx, tx, id, session)
}

func signOut(ctx context.Context, tx *pg.Tx, user, but string) error {
	_, err := tx.Exec(ctx, `delete from sessions where user_id = $1 and id <> $2`, user, but)
	return err
}

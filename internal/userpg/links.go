package userpg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg"
)

// LinkLasts is how long a link can be opened.
const LinkLasts = 24 * time.Hour

const linkPrefix = "cl_"

// HasAdmin reports whether there is an admin who can sign in.
func (s *Store) HasAdmin(ctx context.Context) (has bool, err error) {
	if err := s.db.Pool.QueryRow(ctx, adminsLeft).Scan(&has); err != nil {
		return false, fmt.Errorf("admins: %w", err)
	}
	return has, nil
}

// NewLink makes the token of a link by which a user sets their password, or, with
// "" for the user, somebody becomes an admin. It can be used once. Of a user's
// links the last one opens. ErrUnknown.
func (s *Store) NewLink(ctx context.Context, idOrName string, now time.Time) (token string, u User, err error) {
	token, kept := secret(linkPrefix)
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		tx.Later(`delete from links where expires_at <= $1`, now)
		var of *string
		name := ""
		if idOrName != "" {
			if u, err = one(ctx, tx, `id = $1 or name = lower($1)`, idOrName); err != nil {
				return err
			}
			of, name = &u.ID, u.Name
			tx.Later(`delete from links where user_id = $1`, u.ID)
		}
		tx.Later(`insert into links (hash, user_id, made_at, expires_at) values ($1, $2, $3, $4)`, kept, of, now, now.Add(LinkLasts))
		tx.Audit("link_made", "user", name, nil, nil)
		return nil
	})
	if err != nil {
		return "", User{}, fmt.Errorf("make a link: %w", err)
	}
	return token, u, nil
}

// Link is whose password a token sets; a user without a name if it makes an
// admin. ErrLink.
func (s *Store) Link(ctx context.Context, token string, now time.Time) (User, error) {
	var of *string
	err := s.db.Pool.QueryRow(ctx, `select user_id from links where hash = $1 and expires_at > $2`, digest(token), now).Scan(&of)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return User{}, ErrLink
	case err != nil:
		return User{}, fmt.Errorf("link: %w", err)
	case of == nil:
		return User{}, nil
	}
	return s.User(ctx, *of)
}

// OpenLink uses a token up: it sets the password of its user, or makes an admin
// of the given name and display. Then links that would make another are void as
// well. ErrLink, *TakenError, *InvalidError, *WeakPasswordError; after an error the
// link can still be used.
func (s *Store) OpenLink(ctx context.Context, token, name, display, password string, now time.Time) (User, error) {
	whose, err := s.Link(ctx, token, now)
	if err != nil {
		return User{}, err
	}
	if whose.ID != "" {
		name = whose.Name
	}
	if err := acceptable(password, name); err != nil {
		return User{}, err
	}
	hash, err := s.hash.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	var u User
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		var of *string
		err := tx.QueryRow(ctx, `delete from links where hash = $1 and expires_at > $2 returning user_id`, digest(token), now).Scan(&of)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrLink // of two who open it at once one comes too late
		} else if err != nil {
			return err
		}
		if of != nil {
			if u, err = one(ctx, tx, `id = $1`, *of); err != nil {
				return err
			}
			u.HasPassword = true
			return writePassword(ctx, tx, u.ID, hash, "")
		}
		if _, err := tx.Exec(ctx, `delete from links where user_id is null`); err != nil {
			return err
		}
		u, err = create(ctx, tx, User{Name: name, Display: display, Role: Admin}, hash, now)
		return err
	})
	if err != nil {
		return User{}, fmt.Errorf("open the link: %w", err)
	}
	return u, nil
}

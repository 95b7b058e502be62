package userpg

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
)

// How long a session lasts: without a request, and in all.
const (
	Idle     = 12 * time.Hour
	Lifetime = 7 * 24 * time.Hour
)

// SessionPrefix begins what is in the cookie, so that leaked ones can be searched for.
const SessionPrefix = "cs_"

// Session is one browser in which somebody is signed in.
type Session struct {
	ID        string // "ses_…"; not what is in the cookie
	CreatedAt time.Time
	UsedAt    time.Time // to the minute
	ExpiresAt time.Time // at the latest
	IP        string
	Browser   string
}

const sessionColumns = `id, created_at, used_at, expires_at, ip, browser`

// secret makes what is handed out, and what is kept of it: 32 random bytes need
// no slow hash.
func secret(prefix string) (shown string, kept []byte) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	shown = prefix + base64.RawURLEncoding.EncodeToString(random[:])
	return shown, digest(shown)
}

func digest(shown string) []byte {
	sum := sha256.Sum256([]byte(shown))
	return sum[:]
}

// Login signs a user in and returns what their cookie is to hold. The session
// that the browser had before, "" if none, ends: a cookie that somebody planted
// is worth nothing afterwards. ErrLogin for a name that is not there, a wrong
// password and a disabled user alike, after the same work.
func (s *Store) Login(ctx context.Context, name, password, before, ip, browser string, now time.Time) (User, Session, string, error) {
	fail := func(err error) (User, Session, string, error) {
		return User{}, Session{}, "", fmt.Errorf("sign in: %w", err)
	}
	if len(password) > MaxPassword {
		password = "" // matches nothing
	}
	var stored string
	var disabled bool
	err := s.db.Pool.QueryRow(ctx, `select password, disabled from users where name = lower($1)`, name).Scan(&stored, &disabled)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fail(err)
	}
	ok, cheap, err := s.hash.matches(ctx, stored, password)
	switch {
	case err != nil:
		return fail(err)
	case !ok || disabled || stored == "":
		return User{}, Session{}, "", ErrLogin
	}
	again := ""
	if cheap {
		if again, err = s.hash.hash(ctx, password); err != nil {
			return fail(err)
		}
	}
	cookie, kept := secret(SessionPrefix)
	now = now.UTC().Truncate(time.Microsecond)
	ses := Session{ID: call.NewID("ses", now), CreatedAt: now, UsedAt: now, ExpiresAt: now.Add(Lifetime), IP: ip, Browser: short(browser, 200)}
	var u User
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		// The password must still be the one that was checked: it may be changed,
		// and its sessions ended, in this moment.
		u, err = one(ctx, tx, `name = lower($1) and password = $2 and not disabled for update`, name, stored)
		if errors.Is(err, ErrUnknown) {
			return ErrLogin
		} else if err != nil {
			return err
		}
		tx.Later(`delete from sessions where hash = $1 or expires_at <= $2 or used_at <= $3`, digest(before), now, now.Add(-Idle))
		tx.Later(`insert into sessions (id, hash, user_id, created_at, used_at, expires_at, ip, browser) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			ses.ID, kept, u.ID, ses.CreatedAt, ses.UsedAt, ses.ExpiresAt, ses.IP, ses.Browser)
		if again != "" {
			tx.Later(`update users set password = $2 where id = $1`, u.ID, again)
		}
		_, err := tx.Exec(ctx, `update users set last_login_at = $2 where id = $1`, u.ID, now)
		return err
	})
	if errors.Is(err, ErrLogin) {
		return User{}, Session{}, "", ErrLogin
	} else if err != nil {
		return fail(err)
	}
	u.LastLoginAt = &now
	return u, ses, cookie, nil
}

// short keeps the beginning of a text from outside, as far as it is text.
func short(s string, n int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// Resume is who is signed in with a cookie. The user is read anew every time: who
// is disabled or has another role is so with their next request. ErrSession.
func (s *Store) Resume(ctx context.Context, cookie string, now time.Time) (User, Session, error) {
	if !strings.HasPrefix(cookie, SessionPrefix) {
		return User{}, Session{}, ErrSession
	}
	rows, _ := s.db.Pool.Query(ctx, `select s.id as session, s.created_at as signed_in_at, used_at, expires_at, ip, browser, u.* from sessions s
		cross join lateral (select `+columns+` from users where id = s.user_id and not disabled) u
		where s.hash = $1 and s.expires_at > $2 and s.used_at > $3`, digest(cookie), now, now.Add(-Idle)) // the error is in rows
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[struct {
		User
		Session            string
		SignedInAt, UsedAt time.Time
		ExpiresAt          time.Time
		IP, Browser        string
	}])
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return User{}, Session{}, ErrSession
	case err != nil:
		return User{}, Session{}, fmt.Errorf("session: %w", err)
	}
	ses := Session{ID: r.Session, CreatedAt: r.SignedInAt, UsedAt: r.UsedAt, ExpiresAt: r.ExpiresAt, IP: r.IP, Browser: r.Browser}
	return r.User, ses, s.db.Used(ctx, "sessions", ses.ID, &ses.UsedAt, now)
}

// Sessions lists where a user is signed in, the latest first.
func (s *Store) Sessions(ctx context.Context, user string, now time.Time) ([]Session, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+sessionColumns+` from sessions where user_id = $1 and expires_at > $2 and used_at > $3 order by id desc`,
		user, now, now.Add(-Idle)) // the error is in rows
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Session])
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	return list, nil
}

// Revoke ends a session of a user. ErrSession if they have no such one.
func (s *Store) Revoke(ctx context.Context, user, id string) error {
	n, err := s.db.Exec(ctx, `delete from sessions where id = $2 and user_id = $1`, user, id)
	if err == nil && n == 0 {
		err = ErrSession
	}
	if err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	return nil
}

// RevokeOthers ends all sessions of a user but one, "" for all.
func (s *Store) RevokeOthers(ctx context.Context, user, but string) error {
	if err := s.db.In(ctx, func(tx *pg.Tx) error { return signOut(ctx, tx, user, but) }); err != nil {
		return fmt.Errorf("end the sessions of user %s: %w", user, err)
	}
	return nil
}

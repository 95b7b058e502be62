package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/userpg"
)

// Identity is who asks.
type Identity struct {
	Kind    string        `json:"kind" enum:"user,key"`
	User    *User         `json:"user,omitempty"`
	Session *Session      `json:"session,omitempty"`
	Key     string        `json:"key,omitempty" doc:"Its id"`
	Name    string        `json:"name"`
	Scopes  []keypg.Scope `json:"scopes,omitempty" doc:"Of the key"`
}

// Session is a browser in which somebody is signed in.
type Session struct {
	ID        string    `json:"id"`
	Current   bool      `json:"current" doc:"The one that asks"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at" doc:"To the minute"`
	ExpiresAt time.Time `json:"expires_at" doc:"At the latest; after 12 hours without a request it has ended too"`
	IP        string    `json:"ip"`
	Browser   string    `json:"browser"`
}

// logins keeps passwords from being guessed: by one source, of one name by one
// source, and of one name by many. Only what fails counts in the end: a whole
// office signs in from one address.
type logins struct{ source, pair, name *buckets }

func newLogins() logins {
	return logins{source: newBuckets(1.0/6, 20), pair: newBuckets(1.0/30, 5), name: newBuckets(1.0/5, 50)}
}

func (l logins) take(from source, name string, now time.Time) taken {
	sum := sha256.Sum256([]byte(strings.ToLower(name))) // names are as long as strangers like
	key := hex.EncodeToString(sum[:8])
	// In this order: one source does not use up what is left of a name for others.
	pair := l.pair.take(from.name()+" "+key, now)
	if !pair.ok {
		return pair
	}
	source := l.source.take(from.name(), now)
	if !source.ok {
		return source
	}
	of := l.name.take(key, now)
	if !of.ok {
		return of
	}
	return taken{ok: true, back: func() { pair.back(); source.back(); of.back() }}
}

type (
	signedIn struct {
		Cookie http.Cookie `header:"Set-Cookie"`
		Body   Identity
	}
	signedOut struct {
		Cookie http.Cookie `header:"Set-Cookie"`
	}
)

func (a *api) sessions() {
	route(a, op{method: "POST", path: "/v1/sessions", open: true, id: "sign_in", status: http.StatusCreated, summary: "Sign in: the answer sets the session's cookie"},
		func(ctx context.Context, in *struct {
			Body struct {
				Name     string `json:"name" maxLength:"100"`
				Password string `json:"password" writeOnly:"true" maxLength:"200"`
			}
		},
		) (*signedIn, error) {
			r := requestOf(ctx)
			if !r.from.secure && !r.from.loopback() {
				return nil, &Problem{Status: http.StatusForbidden, Code: "tls_required", Detail: "passwords are taken over TLS only, or on this machine; see http.tls_listen and http.proxies"}
			}
			now := a.Now()
			t := a.logins.take(r.from, in.Body.Name, now)
			if !t.ok {
				return nil, tooMany(t)
			}
			u, s, cookie, err := a.People.Login(ctx, in.Body.Name, in.Body.Password, r.cookie, r.from.ip.String(), r.browser, now)
			if err != nil {
				return nil, err
			}
			t.back()
			a.Log.InfoContext(ctx, "signed in", "request_id", r.id, "user", u.ID, "ip", r.from.ip)
			r.by = caller{Kind: "user", ID: u.ID, Name: u.Name, user: u, session: s}
			return &signedIn{r.from.cookie(cookie, s.ExpiresAt), r.by.shown()}, nil
		})
	route(a, op{method: "GET", path: "/v1/session", scope: "read", role: "rep", id: "who_am_i", summary: "Who asks: a person in a session, or a key"},
		func(ctx context.Context, _ *struct{}) (*body[Identity], error) {
			return &body[Identity]{requestOf(ctx).by.shown()}, nil
		})
	route(a, op{method: "DELETE", path: "/v1/session", scope: "read", role: "rep", id: "sign_out", summary: "End this session"},
		func(ctx context.Context, _ *struct{}) (*signedOut, error) {
			r := requestOf(ctx)
			if err := r.by.inSession(); err != nil {
				return nil, err
			}
			return &signedOut{r.from.cookie("", time.Unix(1, 0))}, a.People.Revoke(ctx, r.by.ID, r.by.session.ID)
		})
	route(a, op{method: "PUT", path: "/v1/session/password", scope: "read", role: "rep", id: "change_password", status: http.StatusNoContent, summary: "Change one's own password; all other sessions end"},
		func(ctx context.Context, in *struct {
			Body struct {
				Old      string `json:"old_password" writeOnly:"true" maxLength:"200"`
				Password string `json:"password" writeOnly:"true" maxLength:"200" doc:"At least 12 characters"`
			}
		},
		) (*nothing, error) {
			r := requestOf(ctx)
			if err := r.by.inSession(); err != nil {
				return nil, err
			}
			t := a.logins.take(r.from, r.by.Name, a.Now())
			if !t.ok {
				return nil, tooMany(t)
			}
			err := a.People.ChangePassword(ctx, r.by.user, r.by.session.ID, in.Body.Old, in.Body.Password)
			if !errors.Is(err, userpg.ErrPassword) {
				t.back()
			}
			return nil, err
		})
	route(a, op{method: "GET", path: "/v1/sessions", scope: "admin", role: "rep", id: "list_sessions", summary: "Where one is signed in; an admin may ask of others"},
		func(ctx context.Context, in *struct {
			Paging
			User string `query:"user" maxLength:"100" doc:"Id or name; left out, one's own"`
		},
		) (*body[Page[Session]], error) {
			user, err := a.whose(ctx, in.User)
			if err != nil {
				return nil, err
			}
			list, err := a.People.Sessions(ctx, user, a.Now())
			if err != nil {
				return nil, err
			}
			here := requestOf(ctx).by.session.ID
			all, _ := each(list, func(s userpg.Session) (Session, error) { return sessionOf(s, here), nil })
			return page(all, func(s Session) string { return descending(s.CreatedAt.UnixMicro()) + s.ID }, in.Paging)
		})
	route(a, op{method: "DELETE", path: "/v1/sessions/{id}", scope: "admin", role: "rep", id: "end_session", summary: "End one of one's sessions, or all others; an admin may end those of others"},
		func(ctx context.Context, in *struct {
			ID   string `path:"id" maxLength:"64" doc:"others: all but the one that asks"`
			User string `query:"user" maxLength:"100" doc:"Id or name; left out, one's own"`
		},
		) (*nothing, error) {
			user, err := a.whose(ctx, in.User)
			if err != nil {
				return nil, err
			}
			if in.ID == "others" {
				return nil, a.People.RevokeOthers(ctx, user, requestOf(ctx).by.session.ID)
			}
			return nil, a.People.Revoke(ctx, user, in.ID)
		})
}

// whose is the id of the user whose sessions are meant: one's own, or for an
// admin anybody's.
func (a *api) whose(ctx context.Context, user string) (string, error) {
	by := requestOf(ctx).by
	if user == "" {
		return by.ID, by.inSession()
	}
	if by.Kind == "user" && !by.user.Role.AtLeast(userpg.Admin) {
		return "", &Problem{Status: http.StatusForbidden, Code: "not_yours", Detail: "the sessions of others are an admin's business"}
	}
	u, err := a.People.User(ctx, user)
	return u.ID, err
}

// inSession refuses keys, which have no session.
func (by caller) inSession() error {
	if by.Kind == "user" {
		return nil
	}
	return &Problem{Status: http.StatusConflict, Code: "no_session", Detail: "a key has no session; name a user, or sign in"}
}

func (by caller) shown() Identity {
	if by.Kind != "user" {
		return Identity{Kind: by.Kind, Key: by.key.ID, Name: by.Name, Scopes: some(by.key.Scopes)}
	}
	u, s := userOf(by.user), sessionOf(by.session, by.session.ID)
	return Identity{Kind: by.Kind, Name: by.Name, User: &u, Session: &s}
}

func sessionOf(s userpg.Session, here string) Session {
	return Session{ID: s.ID, Current: s.ID == here, CreatedAt: s.CreatedAt, UsedAt: s.UsedAt, ExpiresAt: s.ExpiresAt, IP: s.IP, Browser: s.Browser}
}

// cookie is a session's, for where the request came from.
func (s source) cookie(value string, until time.Time) http.Cookie {
	c := http.Cookie{Name: plainCookie, Value: value, Path: "/", Expires: until, HttpOnly: true, SameSite: http.SameSiteLaxMode} //nolint:gosec // not Secure on loopback only
	if s.secure {
		c.Name, c.Secure = secureCookie, true
	}
	return c
}

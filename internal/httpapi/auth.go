package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/userpg"
)

// caller is who asks: a key, or a person in a session.
type caller struct {
	Kind    string // "key", "user"; "" nobody
	ID      string // of the key or user
	Name    string
	key     keypg.Key
	user    userpg.User
	session userpg.Session
}

// cookieNames: browsers keep a __Host- cookie to TLS and to this very host, but
// have none of it over plain HTTP, which only the machine itself may use.
const (
	secureCookie = "__Host-callyard"
	plainCookie  = "callyard"
)

// authenticate lets in whoever has a key with the operation's scope (RFC 6750),
// or a session with its role. A key that is sent is what counts, also when it is
// no good.
func (a *api) authenticate(ctx huma.Context, next func(huma.Context)) {
	if inside(ctx.Context()) { // part of a request that was let in
		next(ctx)
		return
	}
	r := requestOf(ctx.Context())
	o, _ := ctx.Operation().Metadata["op"].(op)
	if o.open {
		next(a.signed(ctx, r))
		return
	}
	by, err := a.identity(ctx.Context(), r.authorization, r.cookie)
	switch p := (*Problem)(nil); {
	case errors.As(err, &p):
		if t := a.strangers.take(r.from.name(), a.Now()); !t.ok {
			p = tooMany(t)
		}
		a.refuse(ctx, p)
		return
	case err != nil:
		a.refuse(ctx, a.problem(ctx.Context(), err))
		return
	}
	t := a.callers.take(by.ID+by.session.ID, a.Now())
	t.tell(unwrap(ctx).Writer.Header())
	if !t.ok {
		a.refuse(ctx, tooMany(t))
		return
	}
	r.by, r.op = by, o
	if p := o.admits(by); p != nil {
		a.refuse(ctx, p)
		return
	}
	next(a.signed(ctx, r))
}

// signed is a context whose changes the audit log knows to be the caller's.
func (a *api) signed(ctx huma.Context, r *request) huma.Context {
	return huma.WithContext(ctx, pg.By(ctx.Context(), a.author(r)))
}

func (a *api) author(r *request) pg.Author {
	return pg.Author{Kind: r.by.Kind, ID: r.by.ID, Name: r.by.Name, IP: r.from.ip.String(), RequestID: r.id, Node: string(a.Node), At: r.at}
}

const challenge = `Bearer realm="callyard"`

// identity is who asks. A *Problem if nobody we know.
func (a *api) identity(ctx context.Context, authorization, cookie string) (caller, error) {
	if authorization == "" && cookie != "" {
		user, session, err := a.People.Resume(ctx, cookie, a.Now())
		if errors.Is(err, userpg.ErrSession) {
			return caller{}, unauthorized("session_ended", challenge, "the session has ended; sign in again")
		}
		return caller{Kind: "user", ID: user.ID, Name: user.Name, user: user, session: session}, err
	}
	scheme, secret, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return caller{}, unauthorized("key_missing", challenge, "send Authorization: Bearer ck_…, or sign in")
	}
	key, err := a.Keys.Find(ctx, strings.TrimSpace(secret), a.Now())
	switch {
	case errors.Is(err, keypg.ErrUnknown):
		return caller{}, unauthorized("key_invalid", challenge+`, error="invalid_token"`, "the key is unknown or revoked")
	case errors.Is(err, keypg.ErrExpired):
		return caller{}, unauthorized("key_expired", challenge+`, error="invalid_token"`, "the key has expired")
	}
	return caller{Kind: "key", ID: key.ID, Name: key.Name, key: key}, err
}

// admits says why a caller may not use the operation; nil if they may.
func (o op) admits(by caller) *Problem {
	if by.Kind == "user" {
		if by.user.Role.AtLeast(o.least()) {
			return nil
		}
		return &Problem{Status: http.StatusForbidden, Code: "role_missing", Detail: "this is for the role " + string(o.least())}
	}
	if by.key.May(o.resource(), o.scope) {
		return nil
	}
	return &Problem{
		Status: http.StatusForbidden, Code: "scope_missing", Detail: "the key has not the scope " + string(o.scope),
		headers: http.Header{"Www-Authenticate": {challenge + `, error="insufficient_scope", scope="` + string(o.scope) + `"`}},
	}
}

// still asks again whether the caller may use what they are using, for answers
// that last: a key may be revoked, a session ended, a role taken away meanwhile.
func (a *api) still(ctx context.Context) error {
	r := requestOf(ctx)
	by, err := a.identity(ctx, r.authorization, r.cookie)
	if err != nil {
		return err
	}
	if p := r.op.admits(by); p != nil {
		return p
	}
	return nil
}

func unauthorized(code, challenge, detail string) *Problem {
	return &Problem{Status: http.StatusUnauthorized, Code: code, Detail: detail, headers: http.Header{"Www-Authenticate": {challenge}}}
}

// acting is the agent for whom the caller acts: whom they name, or else the agent
// they are. A rep is nobody but themselves.
func acting(ctx context.Context, agent string) (string, error) {
	by := requestOf(ctx).by
	if by.Kind != "user" {
		return agent, nil
	}
	own := by.user.Agent
	if !by.onlyThemselves() {
		if agent == "" {
			agent = own
		}
		return agent, nil
	}
	switch {
	case own == "":
		return "", &Problem{Status: http.StatusForbidden, Code: "no_agent", Detail: "you are no agent; an admin can say which you are"}
	case agent != "" && agent != own:
		return "", &Problem{Status: http.StatusForbidden, Code: "not_yours", Detail: "a rep acts for themselves; you are " + own}
	}
	return own, nil
}

// actingIn is acting on a call: a rep's must be the one they talk in.
func (a *api) actingIn(ctx context.Context, id call.ID, agent string) (string, error) {
	agent, err := acting(ctx, agent)
	if err != nil || !requestOf(ctx).by.onlyThemselves() || a.talksIn(id, agent) {
		return agent, err
	}
	return "", &Problem{Status: http.StatusForbidden, Code: "not_yours", Detail: "you do not talk in this call"}
}

// actingOf is acting about a call: a rep's must be one that they talk in, have
// just talked in, or were the first to answer.
func (a *api) actingOf(ctx context.Context, id call.ID, agent string) (string, error) {
	agent, err := acting(ctx, agent)
	if err != nil || !requestOf(ctx).by.onlyThemselves() || a.talksIn(id, agent) {
		return agent, err
	}
	if g, err := a.Agents.Agent(ctx, agent); err == nil && g.Call == id {
		return agent, nil
	}
	row, err := a.Calls.Call(ctx, id)
	if err == nil && row.AnsweredBy != agent && row.Agent != agent {
		err = &Problem{Status: http.StatusForbidden, Code: "not_yours", Detail: "you did not talk in this call"}
	}
	return agent, err
}

// onlyThemselves: a rep.
func (by caller) onlyThemselves() bool {
	return by.Kind == "user" && !by.user.Role.AtLeast(userpg.Manager)
}

func (a *api) talksIn(id call.ID, agent string) bool {
	return slices.ContainsFunc(a.Live.Live(), func(c callctl.Snapshot) bool { return c.ID == id && c.Agent == agent })
}

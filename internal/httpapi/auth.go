package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/keypg"
)

// authenticate lets in whoever has a key with the operation's scope (RFC 6750).
func (a *api) authenticate(ctx huma.Context, next func(huma.Context)) {
	if inside(ctx.Context()) { // part of a request that was let in
		next(ctx)
		return
	}
	scope, _ := ctx.Operation().Metadata["scope"].(keypg.Scope)
	scheme, secret, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		a.refuse(ctx, unauthorized("key_missing", `Bearer realm="callyard"`, "send Authorization: Bearer ck_…"))
		return
	}
	key, err := a.Keys.Find(ctx.Context(), strings.TrimSpace(secret), a.Now())
	switch {
	case errors.Is(err, keypg.ErrUnknown):
		a.refuse(ctx, unauthorized("key_invalid", `Bearer realm="callyard", error="invalid_token"`, "the key is unknown or revoked"))
	case errors.Is(err, keypg.ErrExpired):
		a.refuse(ctx, unauthorized("key_expired", `Bearer realm="callyard", error="invalid_token"`, "the key has expired"))
	case err != nil:
		a.refuse(ctx, a.problem(ctx.Context(), err))
	case !key.May(scope):
		a.refuse(ctx, &Problem{
			Status: http.StatusForbidden, Code: "scope_missing", Detail: "the key has not the scope " + string(scope),
			headers: http.Header{"Www-Authenticate": {`Bearer realm="callyard", error="insufficient_scope", scope="` + string(scope) + `"`}},
		})
	default:
		requestOf(ctx.Context()).key = key
		next(ctx)
	}
}

func unauthorized(code, challenge, detail string) *Problem {
	return &Problem{Status: http.StatusUnauthorized, Code: code, Detail: detail, headers: http.Header{"Www-Authenticate": {challenge}}}
}

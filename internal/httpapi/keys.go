package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/keypg"
)

// Key is what is known of an API key.
type Key struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Secret    string        `json:"secret,omitempty" doc:"The key itself: shown once, when it is made"`
	Last4     string        `json:"last4"`
	Scopes    []keypg.Scope `json:"scopes"`
	CreatedAt time.Time     `json:"created_at"`
	ExpiresAt *time.Time    `json:"expires_at" doc:"null: never"`
	UsedAt    *time.Time    `json:"used_at" doc:"To the minute"`
	RevokedAt *time.Time    `json:"revoked_at"`
}

func (a *api) keys() {
	route(a, op{method: "GET", path: "/v1/keys", scope: "admin", role: "admin", id: "list_keys", summary: "List keys, the newest first"},
		func(ctx context.Context, in *Paging) (*body[Page[Key]], error) {
			list, err := a.Keys.List(ctx)
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(k keypg.Key) (Key, error) { return keyOf(k), nil })
			return page(all, func(k Key) string { return descending(k.CreatedAt.UnixMicro()) + k.ID }, *in)
		})
	route(a, op{method: "POST", path: "/v1/keys", scope: "admin", role: "admin", id: "create_key", status: http.StatusCreated, secret: "secret", summary: "Make a key; it is shown only now"},
		func(ctx context.Context, in *struct {
			Body struct {
				Name      string     `json:"name" minLength:"1" maxLength:"100" doc:"Who or what will use it"`
				Scopes    []string   `json:"scopes" minItems:"1" maxItems:"50" doc:"read, write (includes read), admin (includes both), or read or write of one resource, as flows:write"`
				ExpiresAt *time.Time `json:"expires_at,omitempty"`
			}
		},
		) (*created[Key], error) {
			if e := in.Body.ExpiresAt; e != nil && !e.After(a.Now()) {
				return nil, wrong("body.expires_at", "in the future")
			}
			k := keypg.Key{Name: in.Body.Name, ExpiresAt: in.Body.ExpiresAt}
			for _, s := range in.Body.Scopes {
				if of, _, one := strings.Cut(s, ":"); one && !a.resource(of) || !one && !slices.Contains([]string{"read", "write", "admin"}, s) {
					return nil, wrong("body.scopes", "there is no scope %q", s)
				}
				k.Scopes = append(k.Scopes, keypg.Scope(s))
			}
			k, secret, err := a.Keys.Create(ctx, k, a.Now())
			if err != nil {
				return nil, err
			}
			shown := keyOf(k)
			shown.Secret = secret
			return &created[Key]{Location: "/v1/keys", Body: shown}, nil
		})
	route(a, op{method: "DELETE", path: "/v1/keys/{id}", scope: "admin", role: "admin", id: "revoke_key", summary: "Make a key useless"},
		func(ctx context.Context, in *Identified) (*nothing, error) {
			return nil, a.Keys.Revoke(ctx, in.ID, a.Now())
		})
}

// resource reports whether there is a resource of that name.
func (a *api) resource(name string) bool {
	for _, p := range a.huma.OpenAPI().Paths {
		for _, o := range []*huma.Operation{p.Get, p.Put, p.Post, p.Patch, p.Delete} {
			if o != nil && slices.Contains(o.Tags, name) {
				return true
			}
		}
	}
	return false
}

func keyOf(k keypg.Key) Key {
	return Key{
		ID: k.ID, Name: k.Name, Last4: k.Last4, Scopes: some(k.Scopes),
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, UsedAt: k.UsedAt, RevokedAt: k.RevokedAt,
	}
}

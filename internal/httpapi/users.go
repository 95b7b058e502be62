package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/userpg"
)

// User is a person who may sign in.
type User struct {
	ID          string      `json:"id"`
	Name        string      `json:"name" doc:"What they sign in with, in small letters"`
	Display     string      `json:"display"`
	Email       string      `json:"email"`
	Role        userpg.Role `json:"role" enum:"rep,manager,admin"`
	Agent       *string     `json:"agent" doc:"Who they are when they take calls"`
	Disabled    bool        `json:"disabled" doc:"Cannot sign in"`
	HasPassword bool        `json:"has_password" doc:"false: nobody can sign in as them yet"`
	CreatedAt   time.Time   `json:"created_at"`
	LastLoginAt *time.Time  `json:"last_login_at"`
}

// UserPath is a user in a path.
type UserPath struct {
	ID string `path:"id" maxLength:"100" doc:"Id or name"`
}

// NewUser is a person to be made.
type NewUser struct {
	Name     string  `json:"name" minLength:"1" maxLength:"100"`
	Display  string  `json:"display,omitempty" maxLength:"100"`
	Email    string  `json:"email,omitempty" maxLength:"200" format:"email"`
	Role     string  `json:"role" enum:"rep,manager,admin"`
	Agent    *string `json:"agent,omitempty" maxLength:"64" doc:"Who they are when they take calls"`
	Password string  `json:"password,omitempty" writeOnly:"true" maxLength:"200" doc:"At least 12 characters. Left out, they set it themselves by a link"`
}

// UserPatch changes a person: a merge patch.
type UserPatch struct {
	Name     *string `json:"name,omitempty" minLength:"1" maxLength:"100"`
	Display  *string `json:"display,omitempty" maxLength:"100"`
	Email    *string `json:"email,omitempty" maxLength:"200"`
	Role     *string `json:"role,omitempty" enum:"rep,manager,admin"`
	Agent    *string `json:"agent,omitempty" maxLength:"64" doc:"Empty: no agent"`
	Disabled *bool   `json:"disabled,omitempty" doc:"true signs them out everywhere"`
}

// Link is an address that opens once.
type Link struct {
	URL       string    `json:"url,omitempty" doc:"Shown once"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (a *api) users() {
	route(a, op{method: "GET", path: "/v1/users", scope: "admin", role: "admin", id: "list_users", summary: "List people by name"},
		func(ctx context.Context, in *Paging) (*body[Page[User]], error) {
			list, err := a.People.Users(ctx)
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(u userpg.User) (User, error) { return userOf(u), nil })
			return page(all, func(u User) string { return u.Name }, *in)
		})
	route(a, op{method: "POST", path: "/v1/users", scope: "admin", role: "admin", id: "create_user", status: http.StatusCreated, summary: "Add a person"},
		func(ctx context.Context, in *struct{ Body NewUser }) (*created[User], error) {
			b := in.Body
			u := userpg.User{Name: b.Name, Display: b.Display, Email: b.Email, Role: userpg.Role(b.Role)}
			if b.Agent != nil {
				u.Agent = *b.Agent
			}
			u, err := a.People.Create(ctx, u, b.Password, a.Now())
			return &created[User]{Location: "/v1/users/" + u.ID, Body: userOf(u)}, err
		})
	route(a, op{method: "GET", path: "/v1/users/{id}", scope: "admin", role: "admin", id: "read_user", summary: "Read a person"},
		func(ctx context.Context, in *UserPath) (*body[User], error) {
			u, err := a.People.User(ctx, in.ID)
			return &body[User]{userOf(u)}, err
		})
	route(a, op{method: "PATCH", path: "/v1/users/{id}", scope: "admin", role: "admin", id: "change_user", summary: "Change a person; the last admin stays one"},
		func(ctx context.Context, in *struct {
			UserPath
			Body UserPatch
		},
		) (*body[User], error) {
			u, err := a.People.Change(ctx, in.ID, in.Body.apply)
			return &body[User]{userOf(u)}, err
		})
	route(a, op{method: "DELETE", path: "/v1/users/{id}", scope: "admin", role: "admin", id: "delete_user", summary: "Delete a person and sign them out; the last admin stays"},
		func(ctx context.Context, in *UserPath) (*nothing, error) { return nil, a.People.Delete(ctx, in.ID) })
	route(a, op{method: "POST", path: "/v1/users/{id}/password", scope: "admin", role: "admin", id: "set_user_password", status: http.StatusNoContent, summary: "Give a person another password; they are signed out everywhere"},
		func(ctx context.Context, in *struct {
			UserPath
			Body struct {
				Password string `json:"password" writeOnly:"true" maxLength:"200" doc:"At least 12 characters"`
			}
		},
		) (*nothing, error) {
			return nil, a.People.SetPassword(ctx, in.ID, in.Body.Password)
		})
	route(a, op{method: "POST", path: "/v1/users/{id}/link", scope: "admin", role: "admin", id: "make_user_link", status: http.StatusCreated, secret: "url", summary: "Make a link, good once and for a day, by which a person sets their password"},
		func(ctx context.Context, in *UserPath) (*created[Link], error) { return a.link(ctx, in.ID) })
	route(a, op{method: "POST", path: "/v1/admin_links", scope: "admin", role: "admin", id: "make_admin_link", status: http.StatusCreated, secret: "url", summary: "Make a link, good once and for a day, by which somebody becomes an admin"},
		func(ctx context.Context, _ *struct{}) (*created[Link], error) { return a.link(ctx, "") })
}

func (a *api) link(ctx context.Context, user string) (*created[Link], error) {
	now := a.Now()
	token, _, err := a.People.NewLink(ctx, user, now)
	l := Link{URL: requestOf(ctx).base + WelcomePath(token), ExpiresAt: now.Add(userpg.LinkLasts)}
	return &created[Link]{Location: strings.TrimSuffix("/v1/users/"+user, "/"), Body: l}, err
}

func (p UserPatch) apply(u *userpg.User) {
	for _, f := range []struct{ from, to *string }{
		{p.Name, &u.Name},
		{p.Display, &u.Display},
		{p.Email, &u.Email},
		{p.Role, (*string)(&u.Role)},
		{p.Agent, &u.Agent},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if p.Disabled != nil {
		u.Disabled = *p.Disabled
	}
}

func userOf(u userpg.User) User {
	shown := User{
		ID: u.ID, Name: u.Name, Display: u.Display, Email: u.Email, Role: u.Role, Disabled: u.Disabled,
		HasPassword: u.HasPassword, CreatedAt: u.CreatedAt, LastLoginAt: u.LastLoginAt,
	}
	if u.Agent != "" {
		shown.Agent = &u.Agent
	}
	return shown
}

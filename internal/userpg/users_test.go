package userpg_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/userpg"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/queues/queuespg"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const (
	good  = "correct horse battery"
	other = "another horse battery"
)

func open(t *testing.T) (*pg.DB, *userpg.Store) {
	t.Helper()
	db := pgtest.New(t)
	return db, userpg.New(db)
}

func user(t *testing.T, s *userpg.Store, name string, role userpg.Role, password string) userpg.User {
	t.Helper()
	u, err := s.Create(t.Context(), userpg.User{Name: name, Role: role}, password, noon)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func login(t *testing.T, s *userpg.Store, name, password string) string {
	t.Helper()
	_, _, cookie, err := s.Login(t.Context(), name, password, "", "192.0.2.7", "Firefox", noon)
	if err != nil {
		t.Fatal(err)
	}
	return cookie
}

func in(t *testing.T, s *userpg.Store, cookie string, at time.Time) error {
	t.Helper()
	_, _, err := s.Resume(t.Context(), cookie, at)
	return err
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

func TestRoles(t *testing.T) {
	for _, c := range []struct {
		has, least userpg.Role
		may        bool
	}{
		{userpg.Rep, userpg.Rep, true},
		{userpg.Rep, userpg.Manager, false},
		{userpg.Admin, userpg.Rep, true},
		{userpg.Manager, userpg.Admin, false},
		{"", userpg.Rep, false},
		{userpg.Admin, "", false},
		{"", "", false},
	} {
		if got := c.has.AtLeast(c.least); got != c.may {
			t.Errorf("%q at least %q: %v", c.has, c.least, got)
		}
	}
}

func TestUsers(t *testing.T) {
	db, s := open(t)
	ctx := t.Context()
	if err := queuespg.New(db).SaveAgent(ctx, queues.Agent{Name: "ana"}); err != nil {
		t.Fatal(err)
	}
	t.Run("a user is found by id and by name, whatever its letters", func(t *testing.T) {
		u, err := s.Create(ctx, userpg.User{Name: "Ana@Example.com", Role: userpg.Rep, Agent: "ana"}, "", noon)
		if err != nil {
			t.Fatal(err)
		}
		for _, by := range []string{u.ID, "ana@example.com", "ANA@example.com"} {
			if got, err := s.User(ctx, by); err != nil || got.ID != u.ID || got.Agent != "ana" || got.HasPassword {
				t.Errorf("%s: %+v, %v", by, got, err)
			}
		}
	})
	t.Run("names and agents are had once", func(t *testing.T) {
		_, err := s.Create(ctx, userpg.User{Name: "ana@example.com", Role: userpg.Rep}, "", noon)
		if e := (*userpg.TakenError)(nil); !errors.As(err, &e) || e.Field != "name" {
			t.Error(err)
		}
		_, err = s.Create(ctx, userpg.User{Name: "ben", Role: userpg.Rep, Agent: "ana"}, "", noon)
		if e := (*userpg.TakenError)(nil); !errors.As(err, &e) || e.Field != "agent" {
			t.Error(err)
		}
	})
	t.Run("what cannot be is refused", func(t *testing.T) {
		for _, u := range []userpg.User{
			{Name: "", Role: userpg.Rep},
			{Name: "usr_1", Role: userpg.Rep},
			{Name: "eva", Role: "root"},
			{Name: "eva", Role: userpg.Rep, Agent: "nobody"},
		} {
			_, err := s.Create(ctx, u, "", noon)
			if e := (*userpg.InvalidError)(nil); !errors.As(err, &e) {
				t.Errorf("%+v: %v", u, err)
			}
		}
		for _, p := range []string{"short", strings.Repeat("x", 300), "aaaaaaaaaaaaaa", "password1234", "eva-eva-eva-", "123456789012"} {
			_, err := s.Create(ctx, userpg.User{Name: "eva", Role: userpg.Rep}, p, noon)
			if e := (*userpg.WeakPasswordError)(nil); !errors.As(err, &e) {
				t.Errorf("%q: %v", p, err)
			}
		}
	})
	t.Run("who was an agent is nobody when the agent is deleted, also when the name comes again", func(t *testing.T) {
		agents := queuespg.New(db)
		if err := agents.DeleteAgent(ctx, "ana"); err != nil {
			t.Fatal(err)
		}
		if err := agents.SaveAgent(ctx, queues.Agent{Name: "ana"}); err != nil {
			t.Fatal(err)
		}
		if u, err := s.User(ctx, "ana@example.com"); err != nil || u.Agent != "" {
			t.Errorf("%+v, %v", u, err)
		}
	})
}

func TestTheLastAdminStays(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	user(t, s, "ana", userpg.Admin, good)
	user(t, s, "locked", userpg.Admin, "") // cannot sign in: does not count
	demote := func(u *userpg.User) { u.Role = userpg.Manager }
	_, err := s.Change(ctx, "ana", demote)
	is(t, err, userpg.ErrLastAdmin)
	_, err = s.Change(ctx, "ana", func(u *userpg.User) { u.Disabled = true })
	is(t, err, userpg.ErrLastAdmin)
	is(t, s.Delete(ctx, "ana"), userpg.ErrLastAdmin)
	is(t, s.Delete(ctx, "nobody"), userpg.ErrUnknown)

	user(t, s, "ben", userpg.Admin, good)
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, name := range []string{"ana", "ben"} {
		wg.Go(func() { _, errs[i] = s.Change(ctx, name, demote) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("two who demote each other: %v", errs)
	}
}

func TestSessions(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	u := user(t, s, "ana", userpg.Rep, good)
	user(t, s, "new", userpg.Rep, "")

	t.Run("only name and password together sign in", func(t *testing.T) {
		for _, c := range [][2]string{{"ana", other}, {"ana", ""}, {"nobody", good}, {"new", ""}, {"new", good}, {"ana", strings.Repeat(good, 50)}} {
			_, _, _, err := s.Login(ctx, c[0], c[1], "", "", "", noon)
			is(t, err, userpg.ErrLogin)
		}
		got, ses, err := s.Resume(ctx, login(t, s, "ANA", good), noon)
		if err != nil || got.ID != u.ID || ses.IP != "192.0.2.7" || ses.Browser != "Firefox" || got.LastLoginAt == nil {
			t.Errorf("%+v %+v, %v", got, ses, err)
		}
		for _, wrong := range []string{"", "cs_", "x"} {
			is(t, in(t, s, wrong, noon), userpg.ErrSession)
		}
	})
	t.Run("signing in ends the session that the browser brought", func(t *testing.T) {
		first := login(t, s, "ana", good)
		_, _, second, err := s.Login(ctx, "ana", good, first, "", "", noon)
		if err != nil || second == first {
			t.Fatal(err)
		}
		is(t, in(t, s, first, noon), userpg.ErrSession)
		is(t, in(t, s, second, noon), nil)
	})
	t.Run("it ends when it is idle, and at last anyway", func(t *testing.T) {
		c := login(t, s, "ana", good)
		is(t, in(t, s, c, noon.Add(userpg.Idle)), userpg.ErrSession)
		c = login(t, s, "ana", good)
		for at := noon; at.Before(noon.Add(userpg.Lifetime)); at = at.Add(userpg.Idle / 2) {
			is(t, in(t, s, c, at), nil)
		}
		is(t, in(t, s, c, noon.Add(userpg.Lifetime)), userpg.ErrSession)
	})
	t.Run("a user ends theirs and nobody else's", func(t *testing.T) {
		c := login(t, s, "ana", good)
		_, ses, err := s.Resume(ctx, c, noon)
		is(t, err, nil)
		is(t, s.Revoke(ctx, "usr_other", ses.ID), userpg.ErrSession)
		is(t, in(t, s, c, noon), nil)
		is(t, s.Revoke(ctx, u.ID, ses.ID), nil)
		is(t, in(t, s, c, noon), userpg.ErrSession)
		is(t, s.RevokeOthers(ctx, u.ID, ""), nil)
		if list, err := s.Sessions(ctx, u.ID, noon); err != nil || len(list) != 0 {
			t.Error(list, err)
		}
	})
	t.Run("the next request of who was demoted is the new role's", func(t *testing.T) {
		user(t, s, "max", userpg.Manager, good)
		c := login(t, s, "max", good)
		if _, err := s.Change(ctx, "max", func(u *userpg.User) { u.Role = userpg.Rep }); err != nil {
			t.Fatal(err)
		}
		if u, _, err := s.Resume(ctx, c, noon); err != nil || u.Role != userpg.Rep {
			t.Errorf("%+v, %v", u, err)
		}
	})
	t.Run("who is disabled is out, also when they are let in again", func(t *testing.T) {
		c := login(t, s, "ana", good)
		for _, disabled := range []bool{true, false} {
			if _, err := s.Change(ctx, "ana", func(u *userpg.User) { u.Disabled = disabled }); err != nil {
				t.Fatal(err)
			}
			is(t, in(t, s, c, noon), userpg.ErrSession)
			if disabled {
				_, _, _, err := s.Login(ctx, "ana", good, "", "", "", noon)
				is(t, err, userpg.ErrLogin)
			}
		}
	})
	t.Run("who is deleted is out", func(t *testing.T) {
		user(t, s, "eva", userpg.Rep, good)
		c := login(t, s, "eva", good)
		is(t, s.Delete(ctx, "eva"), nil)
		is(t, in(t, s, c, noon), userpg.ErrSession)
	})
}

func TestPasswords(t *testing.T) {
	db, s := open(t)
	ctx := t.Context()
	u := user(t, s, "ana", userpg.Rep, good)

	t.Run("one's own is changed with the old one, and only the session at hand stays", func(t *testing.T) {
		here, there := login(t, s, "ana", good), login(t, s, "ana", good)
		_, ses, err := s.Resume(ctx, here, noon)
		is(t, err, nil)
		is(t, s.ChangePassword(ctx, u, ses.ID, "not it at all", other), userpg.ErrPassword)
		is(t, s.ChangePassword(ctx, u, ses.ID, good, other), nil)
		is(t, in(t, s, here, noon), nil)
		is(t, in(t, s, there, noon), userpg.ErrSession)
		_, _, _, err = s.Login(ctx, "ana", good, "", "", "", noon)
		is(t, err, userpg.ErrLogin)
	})
	t.Run("one that somebody else sets ends all sessions", func(t *testing.T) {
		c := login(t, s, "ana", other)
		is(t, s.SetPassword(ctx, "ana", good), nil)
		is(t, in(t, s, c, noon), userpg.ErrSession)
		login(t, s, "ana", good)
	})
	t.Run("a hash that is cheaper than today's is made anew at the next login", func(t *testing.T) {
		stored := func() (h string) {
			if err := db.Pool.QueryRow(ctx, `select password from users where name = 'ana'`).Scan(&h); err != nil {
				t.Fatal(err)
			}
			return h
		}
		if !strings.HasPrefix(stored(), "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Error(stored())
		}
		if _, err := db.Pool.Exec(ctx, `update users set password = $1`, cheap(good)); err != nil {
			t.Fatal(err)
		}
		login(t, s, "ana", good)
		if !strings.HasPrefix(stored(), "$argon2id$v=19$m=19456,t=2,p=1$") {
			t.Error(stored())
		}
	})
	t.Run("a hash that would take the machine's memory is not computed", func(t *testing.T) {
		if _, err := db.Pool.Exec(ctx, `update users set password = replace(password, 'm=19456', 'm=4194304')`); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := s.Login(ctx, "ana", good, "", "", "", noon); err == nil || errors.Is(err, userpg.ErrLogin) {
			t.Error(err)
		}
	})
}

func TestLinks(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	link := func(name string) string {
		t.Helper()
		token, _, err := s.NewLink(ctx, name, noon)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	if has, err := s.HasAdmin(ctx); has || err != nil {
		t.Fatal(has, err)
	}
	t.Run("one of many who open it becomes the admin, and all such links are void", func(t *testing.T) {
		token, second := link(""), link("")
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i, name := range []string{"ana", "ben", "eva", "max"} {
			wg.Go(func() { _, errs[i] = s.OpenLink(ctx, token, name, "", good, noon) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				is(t, err, userpg.ErrLink)
			}
		}
		if has, err := s.HasAdmin(ctx); won != 1 || !has || err != nil {
			t.Errorf("%d became admin; %v, %v", won, has, err)
		}
		_, err := s.OpenLink(ctx, second, "two", "", good, noon)
		is(t, err, userpg.ErrLink)
	})
	t.Run("a fault leaves it as it was; a day does not", func(t *testing.T) {
		token := link("")
		_, err := s.OpenLink(ctx, token, "zoe", "", "short", noon)
		if e := (*userpg.WeakPasswordError)(nil); !errors.As(err, &e) {
			t.Error(err)
		}
		_, err = s.OpenLink(ctx, token, "no name!", "", good, noon)
		if e := (*userpg.InvalidError)(nil); !errors.As(err, &e) {
			t.Error(err)
		}
		_, err = s.OpenLink(ctx, token, "zoe", "", good, noon.Add(userpg.LinkLasts))
		is(t, err, userpg.ErrLink)
		u, err := s.OpenLink(ctx, token, "zoe", "Zoe", good, noon)
		if err != nil || u.Role != userpg.Admin || u.Display != "Zoe" {
			t.Errorf("%+v, %v", u, err)
		}
	})
	t.Run("a user's sets their password, whatever name is said", func(t *testing.T) {
		user(t, s, "rep", userpg.Rep, good)
		c := login(t, s, "rep", good)
		first, token := link("rep"), link("rep")
		is(t, second(s.OpenLink(ctx, first, "", "", other, noon)), userpg.ErrLink)
		u, err := s.OpenLink(ctx, token, "zoe", "", other, noon)
		if err != nil || u.Name != "rep" || u.Role != userpg.Rep {
			t.Errorf("%+v, %v", u, err)
		}
		is(t, in(t, s, c, noon), userpg.ErrSession)
		login(t, s, "rep", other)
	})
	t.Run("a password that is set voids the link that was sent for it", func(t *testing.T) {
		token := link("rep")
		is(t, s.SetPassword(ctx, "rep", good), nil)
		is(t, second(s.OpenLink(ctx, token, "", "", other, noon)), userpg.ErrLink)
	})
	t.Run("there is none for nobody", func(t *testing.T) {
		_, _, err := s.NewLink(ctx, "nobody", noon)
		is(t, err, userpg.ErrUnknown)
		is(t, second(s.Link(ctx, "cl_wrong", noon)), userpg.ErrLink)
	})
}

func second[T any](_ T, err error) error { return err }

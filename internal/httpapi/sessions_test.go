package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/httpapi"
	"github.com/callyard/callyard/internal/userpg"
)

func TestSessions(t *testing.T) {
	h := newHub(t)
	h.user("ana", userpg.Rep, "")
	h.user("root", userpg.Admin, "")

	t.Run("who is refused is not told why", func(t *testing.T) {
		h.user("gone", userpg.Rep, "")
		if _, err := h.people.Change(t.Context(), "gone", func(u *userpg.User) { u.Disabled = true }); err != nil {
			t.Fatal(err)
		}
		want := ""
		for _, name := range []string{"ana", "nobody", "gone"} {
			a := h.do("POST", "/v1/sessions", map[string]any{"name": name, "password": "wrong horse battery"}, "Authorization", "")
			delete(a.doc, "request_id")
			if got := fmt.Sprint(a.status, a.doc, len(a.header)); want == "" {
				want = got
			} else if got != want || a.status != 401 || a.header.Get("Set-Cookie") != "" {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	})
	t.Run("the cookie is for this host and no script", func(t *testing.T) {
		a := h.do("POST", "/v1/sessions", map[string]any{"name": "ana", "password": password}, "Authorization", "")
		c := a.header.Get("Set-Cookie")
		if a.status != 201 || !strings.HasPrefix(c, "callyard=cs_") || !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") || strings.Contains(c, "Domain") {
			t.Errorf("%d %s", a.status, c)
		}
		if strings.Contains(a.body, "cs_") || strings.Contains(h.logged(), "cs_") || strings.Contains(h.logged(), password) {
			t.Error("the secret is in the answer's body, or in the log")
		}
	})
	t.Run("who am I", func(t *testing.T) {
		if a := h.in("ana", password).gets(200, "", "GET", "/v1/session", nil); dig(a.doc, "user", "name") != "ana" || dig(a.doc, "session", "current") != true {
			t.Error(a.body)
		}
		if a := h.must(200, "GET", "/v1/session", nil); a.doc["kind"] != "key" || a.doc["name"] != "first" {
			t.Error(a.body)
		}
	})
	t.Run("signing in and out", func(t *testing.T) {
		b := h.in("ana", password)
		before := b.cookie
		if b.gets(201, "", "POST", "/v1/sessions", map[string]any{"name": "ANA", "password": password}); b.cookie == before {
			t.Error("the session stayed")
		}
		(&browser{h, before}).gets(401, "session_ended", "GET", "/v1/session", nil)
		after := b.cookie
		if a := b.gets(204, "", "DELETE", "/v1/session", nil); b.cookie != "" || !strings.Contains(a.header.Get("Set-Cookie"), "1970") {
			t.Error(a.header)
		}
		(&browser{h, after}).gets(401, "session_ended", "GET", "/v1/session", nil)
	})
	t.Run("a wrong key is not made good by a session", func(t *testing.T) {
		b := h.in("root", password)
		a := h.do("GET", "/v1/users", nil, "Authorization", "Bearer ck_wrong", "Cookie", b.cookie)
		if a.status != 401 {
			t.Error(a.status)
		}
	})
	t.Run("a page of another site cannot use a session", func(t *testing.T) {
		b := h.in("root", password)
		for _, foreign := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			b.gets(403, "cross_origin", "POST", "/v1/users", map[string]any{"name": "eve", "role": "admin", "password": password}, foreign...)
			(&browser{hub: h}).gets(403, "cross_origin", "POST", "/v1/sessions", map[string]any{"name": "ana", "password": password}, foreign...)
		}
		b.gets(200, "", "GET", "/v1/users", nil, "Sec-Fetch-Site", "cross-site") // changes nothing, and they cannot read it
		b.gets(422, "", "POST", "/v1/users", map[string]any{}, "Sec-Fetch-Site", "same-origin", "Origin", h.url)
	})
	t.Run("one sees and ends one's own; an admin everybody's", func(t *testing.T) {
		here, there := h.in("ana", password), h.in("ana", password)
		list := here.gets(200, "", "GET", "/v1/sessions", nil).data()
		var other string
		for _, s := range list {
			if s["current"] != true {
				other = s["id"].(string)
				break
			}
		}
		if other == "" || len(list) < 2 {
			t.Fatal(list)
		}
		here.gets(403, "not_yours", "GET", "/v1/sessions?user=root", nil)
		here.gets(403, "not_yours", "DELETE", "/v1/sessions/others?user=root", nil)
		here.gets(204, "", "DELETE", "/v1/sessions/others", nil)
		there.gets(401, "session_ended", "GET", "/v1/session", nil)
		root := h.in("root", password)
		id := root.gets(200, "", "GET", "/v1/sessions?user=ana", nil).data()[0]["id"].(string)
		root.gets(404, "session_not_found", "DELETE", "/v1/sessions/"+id, nil) // not theirs, unless they say whose
		root.gets(204, "", "DELETE", "/v1/sessions/"+id+"?user=ana", nil)
		here.gets(401, "session_ended", "GET", "/v1/session", nil)
	})
	t.Run("one's own password", func(t *testing.T) {
		here, there := h.in("ana", password), h.in("ana", password)
		h.problem(409, "no_session", "PUT", "/v1/session/password", map[string]any{"old_password": password, "password": another})
		here.gets(403, "password_wrong", "PUT", "/v1/session/password", map[string]any{"old_password": another, "password": another})
		a := here.gets(422, "validation_failed", "PUT", "/v1/session/password", map[string]any{"old_password": password, "password": "sesame"})
		if a.location() != "body.password" || strings.Contains(a.body, "sesame") {
			t.Error(a.body)
		}
		here.gets(204, "", "PUT", "/v1/session/password", map[string]any{"old_password": password, "password": another})
		here.gets(200, "", "GET", "/v1/session", nil)
		there.gets(401, "session_ended", "GET", "/v1/session", nil)
	})
}

func TestSessionsAsTimeGoesOn(t *testing.T) {
	now := time.Now()
	h := newHubWith(t, func(d *httpapi.Deps) { d.Now = func() time.Time { return now } })
	h.user("ana", userpg.Rep, "")
	b := h.in("ana", password)
	now = now.Add(userpg.Idle - time.Second)
	b.gets(200, "", "GET", "/v1/session", nil)
	now = now.Add(userpg.Idle)
	b.gets(401, "session_ended", "GET", "/v1/session", nil)
}

func TestUsersAreChanged(t *testing.T) {
	h := newHub(t)
	h.agent("ana")
	root := func() *browser { return h.in("root", password) }
	h.must(201, "POST", "/v1/users", map[string]any{"name": "Root", "role": "admin", "password": password})
	a := h.must(201, "POST", "/v1/users", map[string]any{"name": "ana", "role": "manager", "agent": "ana", "password": password, "email": "ana@example.com"})
	id, _ := a.doc["id"].(string)
	if !strings.HasPrefix(id, "usr_") || a.doc["agent"] != "ana" || strings.Contains(a.body, password) || strings.Contains(a.body, "argon2") {
		t.Fatal(a.body)
	}
	h.problem(409, "user_name_taken", "POST", "/v1/users", map[string]any{"name": "ANA", "role": "rep"})
	h.problem(409, "user_agent_taken", "POST", "/v1/users", map[string]any{"name": "ana2", "role": "rep", "agent": "ana"})
	if a := h.problem(422, "validation_failed", "POST", "/v1/users", map[string]any{"name": "x", "role": "rep", "agent": "nobody"}); a.location() != "body.agent" {
		t.Error(a.body)
	}

	h.must(200, "GET", "/v1/users/ana", nil)
	if a := h.must(201, "POST", "/v1/admin_links", nil); !strings.Contains(a.body, "/welcome?token=cl_") {
		t.Error(a.body)
	}
	ana := h.in("ana", password)
	ana.gets(200, "", "GET", "/v1/calls", nil)
	h.must(200, "PATCH", "/v1/users/ana", map[string]any{"role": "rep"})
	ana.gets(403, "role_missing", "GET", "/v1/calls", nil) // the same session, from the next request on
	if a := h.must(200, "PATCH", "/v1/users/"+id, map[string]any{"agent": "", "disabled": true}); a.doc["agent"] != nil || a.doc["name"] != "ana" {
		t.Error(a.body)
	}
	ana.gets(401, "session_ended", "GET", "/v1/session", nil)

	admin := root()
	admin.gets(409, "last_admin", "PATCH", "/v1/users/root", map[string]any{"role": "rep"})
	admin.gets(409, "last_admin", "PATCH", "/v1/users/root", map[string]any{"disabled": true})
	admin.gets(409, "last_admin", "DELETE", "/v1/users/root", nil)
	admin.gets(404, "user_not_found", "DELETE", "/v1/users/nobody", nil)
	admin.gets(204, "", "POST", "/v1/users/root/password", map[string]any{"password": another})
	admin.gets(401, "session_ended", "GET", "/v1/session", nil)
	h.in("root", another)
	h.must(204, "DELETE", "/v1/users/ana", nil)
}

func TestPasswordsAreNotGuessed(t *testing.T) {
	h := newHub(t)
	h.user("ana", userpg.Rep, "")
	guess := func(name, password string) answer {
		return h.do("POST", "/v1/sessions", map[string]any{"name": name, "password": password}, "Authorization", "")
	}
	limited := 0
	for i := range 12 {
		a := guess("ana", fmt.Sprintf("guess number %d", i))
		if a.status == 429 {
			limited++
			if a.header.Get("Retry-After") == "" || a.doc["code"] != "rate_limited" {
				t.Error(a.header, a.body)
			}
		}
	}
	if limited < 4 {
		t.Errorf("%d of 12 guesses were refused", limited)
	}
	if a := guess("ana", password); a.status != 429 {
		t.Errorf("the right one at once: %d", a.status)
	}
	for i := range 30 {
		if a := guess(fmt.Sprintf("name%d", i), password); a.status == 429 {
			return // one source has guessed enough, whatever the name
		}
	}
	t.Error("30 names were tried by one source")
}

func TestCookiesAreForTLS(t *testing.T) {
	h := newHubWith(t, func(d *httpapi.Deps) { d.Proxies = loopback })
	h.user("ana", userpg.Rep, "")
	sign := func(headers ...string) answer {
		return h.do("POST", "/v1/sessions", map[string]any{"name": "ana", "password": password}, append([]string{"Authorization", ""}, headers...)...)
	}
	// Through a proxy of ours that speaks TLS with the browser.
	a := sign("X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https")
	c := (&http.Response{Header: a.header}).Cookies()
	if a.status != 201 || len(c) != 1 || c[0].Name != "__Host-callyard" || !c[0].Secure || c[0].Path != "/" || dig(a.doc, "session", "ip") != "192.0.2.7" {
		t.Fatalf("%d %s %v", a.status, a.body, c)
	}
	cookie := c[0].Name + "=" + c[0].Value
	if a := h.do("GET", "/v1/session", nil, "Authorization", "", "Cookie", cookie, "X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "https"); a.status != 200 {
		t.Error(a.status, a.body)
	}
	// The same in the clear: the browser would not send it, and it is not taken.
	if a := h.do("GET", "/v1/session", nil, "Authorization", "", "Cookie", "callyard="+c[0].Value, "X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "http"); a.status != 401 {
		t.Error(a.status)
	}
	if a := sign("X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", "http"); a.status != 403 || a.doc["code"] != "tls_required" {
		t.Error(a.status, a.body)
	}
}

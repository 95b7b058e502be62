package httpapi_test

import (
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/httpapi"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func TestWelcome(t *testing.T) {
	h := newHub(t)
	link := func(user string) string {
		token, _, err := h.people.NewLink(t.Context(), user, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	look := func(token string) answer { return h.do("GET", httpapi.WelcomePath(token), nil, "Authorization", "") }
	send := func(headers []string, form ...string) answer {
		v := url.Values{}
		for i := 0; i < len(form); i += 2 {
			v.Set(form[i], form[i+1])
		}
		return h.do("POST", "/welcome", v.Encode(), append([]string{"Authorization", "", "Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
	}
	token := link("")

	t.Run("the page is a form that does nothing else", func(t *testing.T) {
		a := look(token)
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || !strings.Contains(a.body, `value="`+token+`"`) {
			t.Fatal(a.status, a.body)
		}
		csp := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(a.body, "<script") {
			t.Error(csp)
		}
		if a.header.Get("Referrer-Policy") != "no-referrer" || a.header.Get("Cache-Control") != "no-store" {
			t.Error(a.header)
		}
		for _, field := range regexp.MustCompile(`<input id="([a-z]+)"`).FindAllStringSubmatch(a.body, -1) {
			if !strings.Contains(a.body, `<label for="`+field[1]+`">`) {
				t.Errorf("%s has no label", field[1])
			}
		}
	})
	t.Run("what is wrong is said, and nothing that was typed is lost but the password", func(t *testing.T) {
		a := send(nil, "token", token, "name", "ana", "display", `Ana <b>"O"</b>`, "password", "short", "again", "short")
		if a.status != 422 || !strings.Contains(a.body, "12 are the least") || !strings.Contains(a.body, `value="ana"`) || strings.Contains(a.body, "<b>") {
			t.Error(a.status, a.body)
		}
		if a := send(nil, "token", token, "name", "ana", "password", password, "again", another); a.status != 422 || strings.Contains(a.body, password) {
			t.Error(a.status, a.body)
		}
		if a := send(nil, "token", token, "name", "not a name", "password", password, "again", password); a.status != 422 {
			t.Error(a.status)
		}
	})
	t.Run("a page of another site cannot send it", func(t *testing.T) {
		if a := send([]string{"Sec-Fetch-Site", "cross-site"}, "token", token, "name", "eve", "password", password, "again", password); a.status != 403 {
			t.Error(a.status)
		}
	})
	t.Run("it makes the admin, once", func(t *testing.T) {
		spare := link("")
		a := send(nil, "token", token, "name", "Ana", "display", "Ana", "password", password, "again", password)
		if a.status != 200 || !strings.Contains(a.body, "callyard key create") || strings.Contains(a.body, password) {
			t.Fatal(a.status, a.body)
		}
		h.in("ana", password).gets(200, "", "GET", "/v1/users", nil)
		for _, used := range []string{token, spare, "", "cl_guess"} {
			if a := look(used); a.status != 410 || !strings.Contains(a.body, "callyard user link") {
				t.Error(a.status, a.body)
			}
			if a := send(nil, "token", used, "name", "eve", "password", password, "again", password); a.status != 410 {
				t.Error(a.status)
			}
		}
		if strings.Contains(h.logged(), token) {
			t.Error("the token is in the log")
		}
		for _, e := range h.must(200, "GET", "/v1/audit_events?object=user&name=ana", nil).data() {
			if dig(e, "actor", "kind") != "link" {
				t.Error(e)
			}
		}
	})
	t.Run("an admin sends a person a link for their password", func(t *testing.T) {
		h.must(201, "POST", "/v1/users", map[string]any{"name": "ben", "role": "rep"})
		a := h.must(201, "POST", "/v1/users/ben/link", nil, "Idempotency-Key", "ben's link")
		u, _ := a.doc["url"].(string)
		if !strings.HasPrefix(u, h.url+"/welcome?token=cl_") {
			t.Fatal(a.body)
		}
		if a := h.must(201, "POST", "/v1/users/ben/link", nil, "Idempotency-Key", "ben's link"); a.doc["url"] != nil {
			t.Error("the link is shown again")
		}
		token := u[strings.LastIndex(u, "=")+1:]
		if a := send(nil, "token", token, "name", "ana", "password", another, "again", another); a.status != 200 {
			t.Fatal(a.status, a.body)
		}
		h.in("ben", another).gets(403, "role_missing", "GET", "/v1/users", nil)
		h.in("ana", password)
	})
	t.Run("over the network it wants TLS", func(t *testing.T) {
		far := newHubWith(t, func(d *httpapi.Deps) { d.Proxies = loopback })
		token, _, err := far.people.NewLink(t.Context(), "", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for proto, want := range map[string]int{"http": 403, "https": 200} {
			a := far.do("GET", httpapi.WelcomePath(token), nil, "Authorization", "", "X-Forwarded-For", "192.0.2.7", "X-Forwarded-Proto", proto)
			if a.status != want || want == 403 && strings.Contains(a.body, token) {
				t.Errorf("%s: %d", proto, a.status)
			}
		}
	})
	if has, err := h.people.HasAdmin(t.Context()); !has || err != nil {
		t.Error(has, err)
	}
}

package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/httpapi"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/userpg"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/queues/queuespg"
)

const (
	password = "correct horse battery"
	another  = "another horse battery"
)

// agent makes an agent that users can be: people are in the database, and what
// the hub's agents do is not.
func (h *hub) agent(name string) {
	h.t.Helper()
	if err := queuespg.New(h.db).SaveAgent(h.t.Context(), queues.Agent{Name: name}); err != nil {
		h.t.Fatal(err)
	}
	if err := h.agents.SaveAgent(h.t.Context(), queues.Agent{Name: name}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) user(name string, role userpg.Role, agent string) userpg.User {
	h.t.Helper()
	u, err := h.people.Create(h.t.Context(), userpg.User{Name: name, Role: role, Agent: agent}, password, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

// in is the hub as somebody has it who signs in: without the key, with their cookie.
func (h *hub) in(name, password string) *browser {
	h.t.Helper()
	b := &browser{hub: h}
	if a := b.do("POST", "/v1/sessions", map[string]any{"name": name, "password": password}); a.status != 201 {
		h.t.Fatalf("sign in as %s: %d %s", name, a.status, a.body)
	}
	return b
}

// browser keeps the session's cookie.
type browser struct {
	hub    *hub
	cookie string
}

func (b *browser) do(method, path string, body any, headers ...string) answer {
	b.hub.t.Helper()
	headers = append([]string{"Authorization", ""}, headers...)
	if b.cookie != "" {
		headers = append(headers, "Cookie", b.cookie)
	}
	a := b.hub.do(method, path, body, headers...)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		b.cookie = c.Name + "=" + c.Value
		if c.Value == "" {
			b.cookie = ""
		}
	}
	return a
}

// gets fails the test unless the answer has the status, and the code if it is a problem.
func (b *browser) gets(status int, code, method, path string, body any, headers ...string) answer {
	b.hub.t.Helper()
	a := b.do(method, path, body, headers...)
	if got, _ := a.doc["code"].(string); a.status != status || code != "" && got != code {
		b.hub.t.Fatalf("%s %s: %d %s, want %d %s", method, path, a.status, a.body, status, code)
	}
	return a
}

// TestWhoMayDoWhat asks for every operation of the document as everybody. The
// table says for a few of them who may; of the rest it holds that the document
// is what is done, and that nothing is forgotten in it.
func TestWhoMayDoWhat(t *testing.T) {
	h := newHub(t)
	h.agent("ana")
	h.user("rep", userpg.Rep, "ana")
	h.user("manager", userpg.Manager, "")
	h.user("admin", userpg.Admin, "")
	key := func(scopes ...keypg.Scope) string {
		_, secret, err := h.keys.Create(t.Context(), keypg.Key{Name: "k", Scopes: scopes}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + secret
	}
	type who struct {
		name, auth, cookie string
		may                func(scope, role, tag string) bool
	}
	scopes, roles := []string{"read", "write", "admin"}, []string{"rep", "manager", "admin"}
	has := func(list []string, have, want string) bool {
		return slices.Index(list, have) >= slices.Index(list, want)
	}
	asKey := func(name string, s keypg.Scope) who {
		return who{"key " + name, key(s), "", func(scope, _, _ string) bool { return has(scopes, name, scope) }}
	}
	asUser := func(name string) who {
		return who{name, "", h.in(name, password).cookie, func(_, role, _ string) bool { return has(roles, name, role) }}
	}
	everybody := []who{
		asKey("read", keypg.Read), asKey("write", keypg.Write), asKey("admin", keypg.Admin),
		{"key flows:write", key("flows:write"), "", func(scope, _, tag string) bool { return tag == "flows" && scope != "admin" }},
		{"key calls:read", key("calls:read"), "", func(scope, _, tag string) bool { return tag == "calls" && scope == "read" }},
		asUser("rep"), asUser("manager"), asUser("admin"),
	}
	ask := func(method, path, auth, cookie string) int {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		body := "{}"
		if method == "GET" {
			body = ""
		}
		req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Cookie", cookie)
		if auth != "" {
			req.Header.Set("Authorization", auth)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}

	declared := map[string]string{}
	for _, o := range operations(t) {
		if o.ID == "sign_in" {
			continue
		}
		if !slices.Contains(scopes, o.Scope) || !slices.Contains(roles, o.Role) {
			t.Errorf("%s declares scope %q, role %q", o.ID, o.Scope, o.Role)
			continue
		}
		declared[o.ID] = o.Scope + " " + o.Role
		if o.ID == "sign_out" { // would end the session that the others need
			continue
		}
		if got := ask(o.method, o.path, "", ""); got != 401 {
			t.Errorf("nobody %s: %d", o.ID, got)
		}
		for _, w := range everybody {
			got := ask(o.method, o.path, w.auth, w.cookie)
			if w.may(o.Scope, o.Role, o.Tags[0]) {
				if got == 401 || got == 403 {
					t.Errorf("%s %s (%s): %d, but they may", w.name, o.ID, declared[o.ID], got)
				}
			} else if got != 403 {
				t.Errorf("%s %s (%s): %d, want 403", w.name, o.ID, declared[o.ID], got)
			}
		}
	}
	for id, want := range map[string]string{
		"list_parked_calls": "read rep", "retrieve_parked_call": "write rep", "annotate_parked_call": "write rep", "move_parked_call": "write manager", "change_entry": "write manager", "withdraw_entry": "write manager", "stream_events": "read rep",
		"report_park_to_answer": "read manager", "hang_up": "write manager", "set_agent_status": "write rep",
		"save_lot": "write admin", "publish_flow": "write admin", "save_trunk": "write admin", "apply": "admin admin",
		"create_key": "admin admin", "list_users": "admin admin", "change_user": "admin admin", "list_audit_events": "admin admin",
		"read_effective_config": "admin admin",
	} {
		if declared[id] != want {
			t.Errorf("%s is declared %q, want %q", id, declared[id], want)
		}
	}
}

type operation struct {
	ID           string   `json:"operationId"`
	Scope        string   `json:"x-scope"`
	Role         string   `json:"x-role"`
	Tags         []string `json:"tags"`
	method, path string
}

var parameter = regexp.MustCompile(`\{[a-z_]+\}`)

// operations are those of the document, with paths that name nothing there is.
func operations(t *testing.T) []operation {
	t.Helper()
	doc, err := httpapi.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(doc, &api); err != nil {
		t.Fatal(err)
	}
	var all []operation
	for path, methods := range api.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), parameter.ReplaceAllString(path, "1")
			o.path = strings.Replace(o.path, "/v1/agents/1/status", "/v1/agents/ana/status", 1) // a rep's own
			all = append(all, o)
		}
	}
	if len(all) < 90 {
		t.Fatalf("%d operations", len(all))
	}
	return all
}

func TestARepActsForThemselves(t *testing.T) {
	h := newHub(t)
	h.agent("ana")
	h.agent("ben")
	h.must(200, "PUT", "/v1/lots/sales", map[string]any{"first": 701, "last": 709})
	rep := func(name, agent string) *browser {
		h.user(name, userpg.Rep, agent)
		return h.in(name, password)
	}
	ana, nobody := rep("rep", "ana"), rep("nobody", "")
	h.user("boss", userpg.Manager, "ben")
	boss := h.in("boss", password)

	park := func() string {
		a := h.must(201, "POST", "/v1/parked_calls", map[string]any{"call_id": h.call(), "lot": "sales"})
		return "/v1/parked_calls/" + a.doc["id"].(string) + "/retrieve"
	}
	path := park()
	ana.gets(403, "not_yours", "POST", path, map[string]any{"agent": "ben"})
	nobody.gets(403, "no_agent", "POST", path, map[string]any{})
	nobody.gets(403, "no_agent", "POST", path, map[string]any{"agent": "ana"})
	if a := ana.gets(200, "", "POST", path, map[string]any{}); dig(a.doc, "claimed_by", "user") != "ana" {
		t.Error(a.body)
	}
	boss.gets(200, "", "POST", park(), map[string]any{"agent": "ana"})
	if a := boss.gets(200, "", "POST", park(), map[string]any{}); dig(a.doc, "claimed_by", "user") != "ben" {
		t.Error(a.body)
	}

	ana.gets(200, "", "POST", "/v1/agents/ana/status", map[string]any{"status": "away"})
	ana.gets(403, "not_yours", "POST", "/v1/agents/ben/status", map[string]any{"status": "away"})
	boss.gets(200, "", "POST", "/v1/agents/ana/status", map[string]any{"status": "available"})

	theirs := map[string]any{"call_id": h.call(), "lot": "sales"} // of nobody
	ana.gets(403, "not_yours", "POST", "/v1/parked_calls", theirs)
	boss.gets(201, "", "POST", "/v1/parked_calls", theirs)
	own := h.call()
	h.live.talks(own, "ana")
	nobody.gets(403, "no_agent", "POST", "/v1/parked_calls", map[string]any{"call_id": own, "lot": "sales"})
	ana.gets(204, "", "POST", "/v1/calls/"+string(own)+"/recording", map[string]any{"do": "pause"})
	if a := ana.gets(201, "", "POST", "/v1/parked_calls", map[string]any{"call_id": own, "lot": "sales"}); a.doc["parker"] != "ana" {
		t.Error(a.body)
	}

	t.Run("who was an agent that is deleted is none any more", func(t *testing.T) {
		if err := queuespg.New(h.db).DeleteAgent(t.Context(), "ana"); err != nil {
			t.Fatal(err)
		}
		ana.gets(200, "", "GET", "/v1/parked_calls", nil)
		ana.gets(403, "no_agent", "POST", path, map[string]any{"agent": "ana"})
	})
}

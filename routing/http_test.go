package routing_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/callyard/callyard/routing"
)

// asks is a flow whose first node asks another system.
func asks(cfg string) string {
	return with(`"a": {"type": "http", "cfg": {`+cfg+`}, "on": {"ok": "s", "default": "bye"}}`,
		`"s": {"type": "switch", "cfg": {"cases": [{"when": "vars.who.tier == \"gold\"", "to": "p"}]}, "on": {"default": "bye"}}`,
		`"p": {"type": "play", "cfg": {"prompt": "welcome"}, "on": {"next": "bye"}}`)
}

func TestHTTP(t *testing.T) {
	t.Run("what is put into the address stays where it is put", func(t *testing.T) {
		for _, c := range []struct{ url, value, want string }{
			{"https://x.example.com/a/{{vars.v}}/b", "one two", "https://x.example.com/a/one%20two/b"},
			{"https://x.example.com/a/{{vars.v}}/b", "c/d?e=f#g&h=@é", "https://x.example.com/a/c%2Fd%3Fe%3Df%23g%26h%3D%40%C3%A9/b"},
			{"https://x.example.com/a/{{vars.v}}/b", "..", ""},
			{"https://x.example.com/a/{{vars.v}}{{vars.v}}/b", ".", ""},
			{"https://x.example.com/a/{{vars.v}}", "../admin", ""},
			{"https://x.example.com/?q={{vars.v}}", "a&admin=1", "https://x.example.com/?q=a%26admin%3D1"},
			{"https://x.example.com/?q={{vars.none}}", "", "https://x.example.com/?q="},
			{"http://[::1]:8080/{{vars.v}}", "a", "http://[::1]:8080/a"},
		} {
			f := parse(t, with(fmt.Sprintf(`"v": {"type": "set", "cfg": {"vars": {"v": %q}}, "on": {"next": "a"}}`, c.value),
				`"a": {"type": "http", "cfg": {"url": "`+c.url+`"}, "on": {"default": "bye"}}`))
			_, cmds := start(t, f)
			if got := cmds[0].(routing.HTTP).URL; got != c.want {
				t.Errorf("%s with %q is %q, want %q", c.url, c.value, got, c.want)
			}
		}
	})

	t.Run("params, headers and body are filled in, values keep their types", func(t *testing.T) {
		f := parse(t, with(`"l": {"type": "crm_lookup", "on": {"default": "a"}}`, `"a": {"type": "http", "cfg": {"url": "https://x.example.com/y?z=1", "method": "PUT",
			"params": {"of": "{{caller.number}}"}, "headers": {"X-Deal": "{{crm.deal.amount}}", "X-None": "{{crm.none}}"},
			"body": {"amount": "{{crm.deal.amount}}", "text": "is {{crm.deal.amount}}", "deal": "{{crm.deal}}", "list": ["{{crm.vip}}", 7, null], "quote": "{{crm.name}}"}}, "on": {"default": "bye"}}`))
		run, _ := start(t, f)
		_, cmds := resume(t, f, run, "one", map[string]any{"crm": map[string]any{
			"deal": map[string]any{"amount": 12.5}, "vip": true, "name": `A", "admin": "`,
		}})
		got := cmds[0].(routing.HTTP)
		if got.URL != "https://x.example.com/y?of=%2B34600000001&z=1" || fmt.Sprint(got.Headers) != "map[X-Deal:12.5]" {
			t.Errorf("address %s, headers %v", got.URL, got.Headers)
		}
		if want := `{"amount":12.5,"deal":{"amount":12.5},"list":[true,7,null],"quote":"A\", \"admin\": \"","text":"is 12.5"}`; string(got.Body) != want {
			t.Errorf("body %s, want %s", got.Body, want)
		}
	})

	t.Run("the answer is read as vars, and by nobody else", func(t *testing.T) {
		f := parse(t, asks(`"url": "https://x.example.com/", "save": "who"`))
		run, _ := start(t, f)
		run, cmds := resume(t, f, run, "ok", map[string]any{"http": map[string]any{"status": 200, "took_ms": 12, "why": "status 200", "answer": map[string]any{"tier": "gold"}}})
		if p, ok := cmds[0].(routing.Play); !ok || p.Prompt != "welcome" {
			t.Errorf("commands %v", cmds)
		}
		d := run.Path[0]
		if d.Outcome != "ok" || d.Reason != "status 200" || fmt.Sprint(d.Inputs) != "map[status:200 took_ms:12]" {
			t.Errorf("decision %+v", d)
		}
		if _, left := run.Vars["http"]; left {
			t.Errorf("variables %v", run.Vars)
		}
	})

	t.Run("what came of a failure is not kept", func(t *testing.T) {
		f := parse(t, asks(`"url": "https://x.example.com/", "save": "who"`))
		for _, outcome := range []string{"error", "timeout", "whatever"} {
			run, _ := start(t, f)
			run, _ = resume(t, f, run, outcome, map[string]any{"http": map[string]any{"answer": "x"}})
			if last := run.Path[0]; run.Vars["vars"] != nil || last.Outcome == "ok" || last.To != "bye" {
				t.Errorf("%s: variables %v, decision %+v", outcome, run.Vars, last)
			}
		}
	})

	t.Run("a circle of requests is a circle without a wait", func(t *testing.T) {
		found := faultsOf(t, with(`"a": {"type": "http", "cfg": {"url": "https://x.example.com/"}, "on": {"ok": "bye", "default": "a"}}`)).Errors()
		if len(found) != 1 || !strings.Contains(found[0].Message, "circle") {
			t.Errorf("found %v", found)
		}
	})
}

func TestHTTPFaults(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 12) + `1` + strings.Repeat(`}`, 12)
	for _, c := range []struct{ name, cfg, at, says string }{
		{"no address", `"method": "GET"`, "url", "is missing"},
		{"another scheme", `"url": "file:///etc/passwd"`, "url", "must begin with"},
		{"no host", `"url": "https:///x"`, "url", "must begin with"},
		{"a host that is put in", `"url": "https://{{caller.name}}/x"`, "url", "nothing put in"},
		{"a host that is added to", `"url": "https://x.example.com{{caller.name}}/x"`, "url", "nothing put in"},
		{"a name and password", `"url": "https://a:b@x.example.com/x"`, "url", "must begin with"},
		{"a fragment", `"url": "https://x.example.com/x#y"`, "url", "#"},
		{"a broken address", `"url": "https://x.example.com:y/%zz"`, "url", "no address"},
		{"a path that is none", `"url": "https://x.example.com/{{x}}"`, "url", "no path"},
		{"a method that is none", `"url": "https://x.example.com/", "method": "CONNECT"`, "method", "not one of"},
		{"a body of GET", `"url": "https://x.example.com/", "body": {"a": 1}`, "body", "a GET has no body"},
		{"a header of ours", `"url": "https://x.example.com/", "headers": {"Host": "y"}`, "headers.Host", "itself"},
		{"a signature of theirs", `"url": "https://x.example.com/", "headers": {"Webhook-Signature": "y"}`, "headers.Webhook-Signature", "itself"},
		{"a header that is none", `"url": "https://x.example.com/", "headers": {"a b": "y"}`, `headers["a b"]`, "no name"},
		{"a body that is broken", `"url": "https://x.example.com/", "method": "POST", "body": {"a": ["{{caller"]}`, "body.a[0]", "without }}"},
		{"a body without end", `"url": "https://x.example.com/", "method": "POST", "body": ` + deep, "body.a.a.a.a.a.a.a.a.a", "nested"},
		{"no name of a variable", `"url": "https://x.example.com/", "save": "a b"`, "save", "no name"},
		{"too long a wait", `"url": "https://x.example.com/", "deadline_ms": 60000`, "deadline_ms", "more than"},
		{"a wait without a unit", `"url": "https://x.example.com/", "deadline": 60`, "deadline", "deadline_ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range faultsOf(t, asks(c.cfg)).Errors() {
				if f.Location == "nodes.a.cfg."+c.at && strings.Contains(f.Message, c.says) {
					return
				}
			}
			t.Errorf("no error at %s with %q among\n%s", c.at, c.says, faultsOf(t, asks(c.cfg)))
		})
	}
	for _, cfg := range []string{
		`"url": "https://x.example.com"`, `"url": "http://10.1.2.3:8080?x={{caller.number}}"`,
		`"url": "https://x.example.com/{{caller.number}}/y", "method": "DELETE", "headers": {"Authorization": "Bearer {{vars.token}}"}, "signed": true`,
	} {
		if found := faultsOf(t, asks(cfg)).Errors(); len(found) > 0 {
			t.Errorf("%s: %s", cfg, found)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	v, err := routing.ReadAnswer([]byte(`{"a\u0000b": ["x\u0000y", 1, true, null]}`))
	if b, _ := json.Marshal(v); err != nil || string(b) != `{"ab":["xy",1,true,null]}` {
		t.Errorf("got %s, %v", b, err)
	}
	for _, doc := range []string{``, `{`, `{"hush": tru}`, `{} {}`, strings.Repeat("[", 9) + strings.Repeat("]", 9) + "x", strings.Repeat(`[`, 20000)} {
		if v, err := routing.ReadAnswer([]byte(doc)); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%.20s: %v, %v", doc, v, err)
		}
	}
	if _, err := routing.ReadAnswer([]byte(strings.Repeat("[", 8) + strings.Repeat("]", 8))); err != nil {
		t.Errorf("8 deep: %v", err)
	}
}

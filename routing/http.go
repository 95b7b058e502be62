package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// request asks another system over HTTP.
type request struct {
	URL        string            `json:"url"`
	Method     string            `json:"method"`
	Params     map[string]string `json:"params"`
	Headers    map[string]string `json:"headers"`
	Body       map[string]any    `json:"body"`
	DeadlineMS millis            `json:"deadline_ms"`
	Save       string            `json:"save"`
	Signed     bool              `json:"signed"`
}

// maxBodyDepth is how deep the body of a request, and what is kept of an answer, may nest.
const maxBodyDepth = 8

func httpType() kind {
	return kind{NodeType{
		Type: "http", Doc: "Asks another system over HTTP; what it answers in JSON is read as vars.<save>. The call goes on when the deadline has passed.",
		Cfg: object(fields{
			"url":     name(Template, "https://crm.example.com/callers/{{caller.number}}; what is put in is escaped, and cannot be in the host"),
			"method":  choice("", "GET", "POST", "PUT", "PATCH", "DELETE"),
			"params":  mapOf(`^[A-Za-z0-9_.~\[\]-]{1,64}$`, name(Template, "added to the address's query")),
			"headers": mapOf(`^[A-Za-z0-9-]{1,64}$`, name(Template, "")),
			"body": {
				Type: "object", Each: &Schema{},
				Description: "sent as JSON; text in it may hold {{…}}, and text that is nothing else keeps the value's type",
			},
			"deadline_ms": amount("number", "the longest wait", 1500, 50, 10000),
			"save":        text("the variable under vars that keeps the answer; without it only the status counts"),
			"signed":      flag("signed as Standard Webhooks says, with http_out.secret of the configuration", false),
		}, "url"),
		Outcomes: []string{"ok", "error", "timeout"}, Waits: true,
	}, as[request]}
}

func (r *request) ask(w *walk, n *node) Command {
	c := HTTP{
		Node: n.id, Method: r.Method, URL: r.address(w.see()), Deadline: r.DeadlineMS.duration(), Signed: r.Signed, Wanted: r.Save != "",
	}
	for _, k := range keys(r.Headers) {
		if v := expand(r.Headers[k], w.see()); v != "" {
			if c.Headers == nil {
				c.Headers = map[string]string{}
			}
			c.Headers[k] = v
		}
	}
	if r.Body != nil {
		c.Body, _ = json.Marshal(filledIn(r.Body, w.see())) // of maps, lists and plain values: cannot fail
	}
	return c
}

func (r *request) told(w *walk, _ *node, e Event) turn {
	t := turn{outcome: e.Outcome}
	if e.Outcome != "ok" && e.Outcome != "error" && e.Outcome != "timeout" {
		t.outcome = "error"
	}
	said := branch(w.run.Vars, "http")
	delete(w.run.Vars, "http")
	t.reason = show(said["why"])
	// Neither the address nor the answer: both may hold what is nobody else's business.
	t.inputs = map[string]any{}
	for _, k := range []string{"status", "took_ms"} {
		if v, ok := said[k]; ok {
			t.inputs[k] = v
		}
	}
	if t.outcome == "ok" && r.Save != "" {
		w.set("vars", map[string]any{r.Save: said["answer"]})
	}
	return t
}

func (r *request) untilHuman() (time.Duration, bool) { return r.DeadlineMS.duration(), false }

// address is the URL with the values put in. "" if a value would lead to
// another place than the one that is written: the request then fails.
func (r *request) address(scope map[string]any) string {
	t, err := parseTemplate(r.URL)
	if err != nil {
		return "" // refused when published
	}
	var b strings.Builder
	for i, lit := range t.literals {
		b.WriteString(lit)
		if i < len(t.paths) {
			b.WriteString(escaped(clean(show(lookup(scope, t.paths[i])), maxExpansion)))
		}
	}
	u, err := url.Parse(b.String())
	if err != nil {
		return ""
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if part == "." || part == ".." {
			return ""
		}
	}
	if len(r.Params) > 0 {
		q := u.Query()
		for _, k := range keys(r.Params) {
			q.Set(k, expand(r.Params[k], scope))
		}
		u.RawQuery = q.Encode()
	}
	return u.String()
}

// escaped is a value as it may stand anywhere in a path or a query.
func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// filledIn is a body with its templates filled in.
func filledIn(v any, scope map[string]any) any {
	switch v := v.(type) {
	case string:
		t, err := parseTemplate(v)
		if err == nil && len(t.paths) == 1 && t.literals[0] == "" && t.literals[1] == "" {
			return plain(lookup(scope, t.paths[0]))
		}
		return expand(v, scope)
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			m[k] = filledIn(x, scope)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = filledIn(x, scope)
		}
		return list
	}
	return v
}

// hostPart is an address up to the end of its host, without a name and password.
var hostPart = regexp.MustCompile(`^https?://[A-Za-z0-9.:\[\]_-]+`)

// fixedHost: the host is written out, and what is put in comes after it.
func fixedHost(address string) bool {
	host := hostPart.FindString(address)
	rest := strings.TrimPrefix(address, host)
	return host != "" && (rest == "" || rest[0] == '/' || rest[0] == '?')
}

// ownHeaders are those that the hub writes itself, or that would change what
// the request is.
var ownHeaders = []string{
	"accept-encoding", "connection", "content-length", "content-type", "cookie", "expect", "host", "keep-alive",
	"te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via", "forwarded",
}

func (r *request) lint(_ *node, at place, out *faults) {
	switch {
	case !fixedHost(r.URL):
		out.err(at.in("url"), "must begin with https:// or http:// and a host, with nothing put in before the host's /")
	case strings.Contains(r.URL, "#"):
		out.err(at.in("url"), "a part after # is never sent")
	default:
		if t, err := parseTemplate(r.URL); err == nil {
			if u, err := url.Parse(strings.Join(t.literals, "x")); err != nil || u.Hostname() == "" {
				out.err(at.in("url"), "is no address")
			}
		}
	}
	if r.Body != nil && r.Method == "GET" {
		out.err(at.in("body"), "a GET has no body: say it in params, or set method")
	}
	for _, h := range keys(r.Headers) {
		l := strings.ToLower(h)
		if slices.Contains(ownHeaders, l) || strings.HasPrefix(l, "proxy-") || strings.HasPrefix(l, "webhook-") {
			out.err(at.in("headers").in(h), "the hub writes %q itself", h)
		}
	}
	if r.Save != "" && !plainName.MatchString(r.Save) {
		out.err(at.in("save"), "%q is no name of a variable", r.Save)
	}
	lintBody(at.in("body"), r.Body, 0, out)
}

func lintBody(at place, v any, depth int, out *faults) {
	if depth > maxBodyDepth {
		out.err(at, "is nested more than %d deep", maxBodyDepth)
		return
	}
	switch v := v.(type) {
	case string:
		if _, err := parseTemplate(v); err != nil {
			out.err(at, "%v", err)
		}
	case map[string]any:
		for _, k := range keys(v) {
			lintBody(at.in(k), v[k], depth+1, out)
		}
	case []any:
		for i, x := range v {
			lintBody(at.item(i), x, depth+1, out)
		}
	}
}

// ReadAnswer is what a flow keeps of the JSON that another system answered, as
// it belongs into Vars["http"]["answer"] of the event: nested no deeper than a
// body may be, without what Postgres cannot keep. Its errors show nothing of it.
func ReadAnswer(doc []byte) (any, error) {
	var v any
	if json.Unmarshal(doc, &v) != nil {
		return nil, errors.New("the answer is no JSON")
	}
	return kept(v, 0)
}

func kept(v any, depth int) (any, error) {
	if depth > maxBodyDepth {
		return nil, fmt.Errorf("the answer is nested more than %d deep", maxBodyDepth)
	}
	var err error
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "\x00", ""), nil
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, x := range v {
			if m[strings.ReplaceAll(k, "\x00", "")], err = kept(x, depth+1); err != nil {
				return nil, err
			}
		}
		return m, nil
	case []any:
		for i, x := range v {
			if v[i], err = kept(x, depth+1); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

package cli

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPeopleAndKeys(t *testing.T) {
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(b)))
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == "DELETE" || strings.HasSuffix(r.URL.Path, "/password"):
			w.WriteHeader(http.StatusNoContent)
		case strings.HasSuffix(r.URL.Path, "link"), strings.HasSuffix(r.URL.Path, "links"):
			_, _ = io.WriteString(w, `{"url":"http://hub/welcome?token=cl_x","expires_at":"2026-03-02T12:00:00Z"}`)
		case strings.HasPrefix(r.URL.Path, "/v1/audit"):
			_, _ = io.WriteString(w, `{"data":[{"id":"aud_1","at":"2026-03-02T12:00:00Z","actor":{"kind":"user","name":"ana"},"action":"published","object":"flow","name":"sales"}],"next_cursor":null}`)
		case strings.HasPrefix(r.URL.Path, "/v1/keys"):
			_, _ = io.WriteString(w, `{"id":"key_1","name":"board","secret":"ck_secret","last4":"cret","scopes":["read"]}`)
		default:
			_, _ = io.WriteString(w, `{"id":"usr_1","name":"ana","role":"rep"}`)
		}
	}))
	defer srv.Close()
	for _, c := range []struct{ line, asks, prints string }{
		{"user create ana --agent ana", `POST /v1/users {"agent":"ana","display":"","name":"ana","role":"rep"}|POST /v1/users/usr_1/link`, "http://hub/welcome?token=cl_x"},
		{"user role ana manager", `PATCH /v1/users/ana {"role":"manager"}`, "ana is manager"},
		{"user disable ana", `PATCH /v1/users/ana {"disabled":true}`, "ana is disabled"},
		{"user delete ana", `DELETE /v1/users/ana`, "ana is deleted"},
		{"user link", `POST /v1/admin_links`, "becomes an admin"},
		{"key create board --scope read,flows:write", `POST /v1/keys {"name":"board","scopes":["read","flows:write"]}`, "ck_secret"},
		{"key revoke key_1", `DELETE /v1/keys/key_1`, "opens no more"},
		{"audit --object flow", `GET /v1/audit_events?limit=200&object=flow`, "published"},
	} {
		asked = nil
		var out, errs bytes.Buffer
		code := Run(t.Context(), append(strings.Fields(c.line), "--url", srv.URL, "--key", "ck_k"), Options{Program: "callyard", Out: &out, Err: &errs})
		if code != OK || strings.Join(asked, "|") != c.asks || !strings.Contains(out.String(), c.prints) {
			t.Errorf("%s: %d, asked %q, printed %q %s", c.line, code, asked, out.String(), errs.String())
		}
	}
}

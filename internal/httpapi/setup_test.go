package httpapi_test

import (
	"context"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/setup"
)

// idle is a hub without calls.
func idle(context.Context) ([]setup.Use, error) { return nil, nil }

func TestSetupOverREST(t *testing.T) {
	h := newHub(t)
	const file = `{"lots":[{"name":"sales","first":701,"last":705}],"agents":[{"name":"ann","password":"sesame-one","extension":"201"}]}`
	if a := h.must(200, "POST", "/v1/apply?dry_run=true", file); dig(a.doc, "data", 0, "action") != "created" {
		t.Error(a.body)
	}
	if a := h.must(200, "GET", "/v1/lots", nil); len(a.data()) != 0 {
		t.Error("a dry run wrote", a.body)
	}
	h.must(200, "POST", "/v1/apply", file)
	x := h.must(200, "GET", "/v1/setup?contacts=true", nil)
	if dig(x.doc, "lots", 0, "name") != "sales" || strings.Contains(x.body, "sesame") || strings.Contains(x.body, "password") {
		t.Error(x.body)
	}
	a := h.must(200, "POST", "/v1/apply?prune=true", x.body)
	for _, ch := range a.data() {
		if ch["action"] != "unchanged" {
			t.Error(ch)
		}
	}
	a = h.must(200, "POST", "/v1/apply?prune=true", `{"lots":[]}`)
	if dig(a.doc, "data", 0, "action") != "removed" {
		t.Error(a.body)
	}
	h.problem(422, "validation_failed", "POST", "/v1/apply?prunes=true", file)
}

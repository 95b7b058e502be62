package httpapi_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// next is where an answer's Link leads, "" if it has none.
func (a answer) next(t *testing.T, from string) string {
	t.Helper()
	link := a.header.Get("Link")
	if link == "" {
		return ""
	}
	to, ok := strings.CutPrefix(link, "<")
	to, rel, closed := strings.Cut(to, ">")
	if !ok || !closed || rel != `; rel="next"` {
		t.Fatalf("Link: %s", link)
	}
	base, err := url.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	u, err := base.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return u.String()
}

func TestLinkLeadsThroughLists(t *testing.T) {
	h := newHub(t)
	for i := range 5 {
		h.must(200, "PUT", fmt.Sprintf("/v1/lots/l%d", i), map[string]any{"first": 100 + 10*i, "last": 105 + 10*i})
		h.must(201, "POST", "/v1/contacts", map[string]any{"name": fmt.Sprintf("Ana & Co. %d", i)})
		h.must(201, "POST", "/v1/parked_calls", map[string]any{"call_id": h.call(), "lot": fmt.Sprintf("l%d", i)})
	}
	h.must(201, "POST", "/v1/contacts", map[string]any{"name": "Ben"})
	for _, c := range []struct {
		list  string
		pages int
	}{
		{"/v1/lots?limit=2", 3},
		{"/v1/lots?limit=5", 1},
		{"/v1/contacts?limit=2&text=Ana+%26+Co.", 3},
		{"/v1/calls?limit=3&live=true", 2},
		{"/v1/parked_calls?limit=2", 3},
		{"/v1/parked_calls?limit=5", 1},
	} {
		var seen []string
		path, pages := c.list, 0
		for path != "" {
			a := h.must(200, "GET", path, nil)
			pages++
			for _, one := range a.data() {
				if name := fmt.Sprint(one["id"], one["name"]); slices.Contains(seen, name) {
					t.Fatalf("%s: %s comes twice", path, name)
				} else {
					seen = append(seen, name)
				}
			}
			next := a.next(t, path)
			if cursor, _ := a.doc["next_cursor"].(string); (cursor == "") != (next == "") || !strings.Contains(next, url.QueryEscape(cursor)) {
				t.Errorf("%s: Link says %q, next_cursor %q", path, next, cursor)
			}
			path = next
		}
		if len(seen) != 5 || pages != c.pages {
			t.Errorf("%s: %d of 5 on %d pages, want %d: %v", c.list, len(seen), pages, c.pages, seen)
		}
	}
	for _, cursor := range []string{"%21", "bm90IG91cnM", "MDAwMDAwMDAwMDAwMDAwMDAwMA"} {
		h.problem(422, "validation_failed", "GET", "/v1/parked_calls?cursor="+cursor, nil)
	}
}

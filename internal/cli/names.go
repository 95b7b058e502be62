package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// kind is a kind of thing that a hub has and that people call by name.
type kind struct {
	one  string // "lot"
	path string // "/v1/lots"
	key  string // of its name in JSON; "name" if empty
}

var (
	flows   = kind{one: "flow", path: "/v1/flows"}
	lots    = kind{one: "lot", path: "/v1/lots"}
	lines   = kind{one: "queue", path: "/v1/queues"}
	agents  = kind{one: "agent", path: "/v1/agents"}
	numbers = kind{one: "number", path: "/v1/numbers", key: "number"}

	calendars = kind{one: "calendar", path: "/v1/calendars"}
)

// at is the path of one of them.
func (k kind) at(name string) string { return k.path + "/" + url.PathEscape(name) }

// all reads a list to its end.
func (k kind) all(ctx context.Context, hub *client.Client) ([]json.RawMessage, error) {
	return k.some(ctx, hub, nil)
}

// some reads what of a list a query picks, to its end.
func (k kind) some(ctx context.Context, hub *client.Client, query url.Values) ([]json.RawMessage, error) {
	list, q := []json.RawMessage{}, url.Values{"cursor": {""}, "limit": {"200"}}
	for key, v := range query {
		if v[0] != "" {
			q[key] = v
		}
	}
	for {
		var page struct {
			Data []json.RawMessage `json:"data"`
			Next *string           `json:"next_cursor"`
		}
		if err := hub.Get(ctx, k.path+"?"+q.Encode(), &page); err != nil {
			return nil, err
		}
		list = append(list, page.Data...)
		if page.Next == nil {
			return list, nil
		}
		q.Set("cursor", *page.Next)
	}
}

// names are those of all.
func (k kind) names(ctx context.Context, hub *client.Client) ([]string, error) {
	list, err := k.all(ctx, hub)
	var out []string
	for _, raw := range list {
		var one map[string]any
		if json.Unmarshal(raw, &one) == nil {
			if n, ok := one[cmp.Or(k.key, "name")].(string); ok {
				out = append(out, n)
			}
		}
	}
	slices.Sort(out)
	return out, err
}

// missed says, of an error about a name that is not there, what may have been meant.
func (k kind) missed(ctx context.Context, hub *client.Client, name string, err error) error {
	if !notFound(err) {
		return fmt.Errorf("%s %s: %w", k.one, name, err)
	}
	all, lerr := k.names(ctx, hub)
	if lerr != nil || slices.Contains(all, name) {
		return fmt.Errorf("%s %s: %w", k.one, name, err) // something of it is not there
	}
	switch near := nearest(name, all); {
	case len(near) > 0:
		return fmt.Errorf("there is no %s %q; did you mean %s?", k.one, name, strings.Join(near, " or "))
	case len(all) == 0:
		return fmt.Errorf("there is no %s %q: there is none at all; make some with: callyard apply -f FILE", k.one, name)
	case len(all) <= 10:
		return fmt.Errorf("there is no %s %q; there are %s", k.one, name, strings.Join(all, ", "))
	}
	return fmt.Errorf("there is no %s %q; see: callyard %s list", k.one, name, k.one)
}

// nearest are the names that differ from one in two letters at most, or begin with it.
func nearest(name string, all []string) (near []string) {
	for _, n := range all {
		if name != "" && (strings.HasPrefix(n, name) || edits(strings.ToLower(name), strings.ToLower(n)) <= min(2, len(name)/2)) {
			near = append(near, n)
		}
	}
	return near[:min(3, len(near))]
}

// edits is how many letters must be put in, left out or changed to turn a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for k := range len(b) {
			change := before
			if a[i] != b[k] {
				change++
			}
			before = row[k+1]
			row[k+1] = min(change, row[k]+1, before+1)
		}
	}
	return row[len(b)]
}

// complete offers the hub's names for the first argument, in the shell. A hub that
// cannot be reached offers none, and nothing is said of it.
func (k kind) complete(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	r := reach{}
	for flag, to := range map[string]*string{"url": &r.url, "key": &r.key} {
		if f := cmd.Flag(flag); f != nil {
			*to = f.Value.String()
		}
	}
	hub, err := r.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Second)
	defer cancel()
	names, err := k.names(ctx, hub)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

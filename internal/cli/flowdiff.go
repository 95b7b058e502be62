package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// difference is one place where two documents differ.
type difference struct {
	Path   string `json:"path"`
	Change string `json:"change"`
	Before any    `json:"before,omitempty"`
	After  any    `json:"after,omitempty"`
}

func (c *command) flowDiff() *cobra.Command {
	var a, b string
	cmd := c.ofFlow(&cobra.Command{
		Use: "diff NAME", Short: "Show what the draft would change, or how two versions differ",
		Example: `  callyard flow diff inbound-sales               the draft against the live version
  callyard flow diff inbound-sales -a 11 -b 12`,
	}, func(ctx context.Context, hub *client.Client, flow string) error {
		numbers := map[string]string{}
		for name, which := range map[string]string{"a": a, "b": b} {
			n, err := versionNumber(ctx, hub, flow, which)
			if err != nil {
				return err
			}
			numbers[name] = strconv.Itoa(n)
		}
		var raw json.RawMessage
		if err := hub.Get(ctx, flows.at(flow)+"/diff?a="+numbers["a"]+"&b="+numbers["b"], &raw); err != nil {
			return err
		}
		var d struct {
			Changes []difference `json:"changes"`
		}
		if err := json.Unmarshal(raw, &d); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(raw)
		}
		if len(d.Changes) == 0 {
			c.printf("no difference\n")
		}
		c.showDiff(d.Changes)
		return nil
	})
	cmd.Flags().StringVarP(&a, "from", "a", "live", "`before`: live, draft, or a number")
	cmd.Flags().StringVarP(&b, "to", "b", "draft", "`after`: live, draft, or a number")
	return cmd
}

// versionNumber is the number of a version as people call it; 0 is the draft.
func versionNumber(ctx context.Context, hub *client.Client, flow, which string) (int, error) {
	switch which {
	case "draft":
		return 0, nil
	case "live":
		var f struct {
			Live int `json:"live_version"`
		}
		if err := hub.Get(ctx, flows.at(flow), &f); err != nil {
			return 0, err
		}
		if f.Live == 0 {
			return 0, fmt.Errorf("flow %s was never published; there is only its draft", flow)
		}
		return f.Live, nil
	}
	n, err := strconv.Atoi(which)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("version %q: there are live, draft, and numbers", which)
	}
	return n, nil
}

// showDiff prints what changed as people would say it: nodes that came and went
// whole, and below each that changed, its keys.
func (c *command) showDiff(changes []difference) {
	marks := map[string]string{"added": c.paint(green, "+"), "removed": c.paint(red, "-"), "changed": c.paint(yellow, "~")}
	under := ""
	for _, d := range changes {
		name, key := nodeOf(d.Path)
		switch {
		case name != "" && key == "":
			whole := d.After
			if d.Change == "removed" {
				whole = d.Before
			}
			c.printf("%s node %s (%s)\n", marks[d.Change], name, cell(whole, "type"))
			continue
		case name == "":
			under, key = "", d.Path
		case name != under:
			under = name
			c.printf("%s node %s\n", marks["changed"], name)
		}
		indent := ""
		if under != "" {
			indent = "    "
		}
		switch d.Change {
		case "added":
			c.printf("%s%s %s: %s\n", indent, marks["added"], key, brief(d.After))
		case "removed":
			c.printf("%s%s %s: %s\n", indent, marks["removed"], key, brief(d.Before))
		default:
			c.printf("%s%s %s: %s → %s\n", indent, marks["changed"], key, brief(d.Before), brief(d.After))
		}
	}
}

// nodeOf takes "nodes.park.cfg.lot" apart into "park" and "cfg.lot".
func nodeOf(path string) (node, key string) {
	rest, ok := strings.CutPrefix(path, "nodes.")
	if !ok {
		return "", path
	}
	node, key, _ = strings.Cut(rest, ".")
	return node, key
}

func brief(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if s := []rune(string(b)); len(s) > 100 {
		return string(s[:99]) + "…"
	}
	return string(b)
}

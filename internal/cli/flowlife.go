package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// flowLife is the commands about drafts and versions that a hub has.
func (c *command) flowLife() []*cobra.Command {
	return []*cobra.Command{
		c.list(flows, column{"FLOW", "name"}, column{"LIVE", "live_version"}), c.flowShow(), c.flowDraft(), c.flowDiff(), c.flowRollback(), c.flowExport(),
		c.flowAlias(), c.flowPromote(), c.flowAbort(),
	}
}

// ofFlow is a command about one flow.
func (c *command) ofFlow(cmd *cobra.Command, do func(ctx context.Context, hub *client.Client, flow string) error) *cobra.Command {
	cmd.Args = exactly("NAME")
	cmd.ValidArgsFunction = flows.complete
	return c.asking(cmd, func(ctx context.Context, hub *client.Client, args []string) error {
		if err := do(ctx, hub, args[0]); err != nil {
			return flows.missed(ctx, hub, args[0], err)
		}
		return nil
	})
}

func (c *command) flowShow() *cobra.Command {
	return c.ofFlow(&cobra.Command{
		Use: "show NAME", Short: "Show a flow's versions, who published them and why", Example: "  callyard flow show inbound-sales",
	}, func(ctx context.Context, hub *client.Client, flow string) error {
		var is struct {
			Alias    json.RawMessage   `json:"alias"`
			Versions []json.RawMessage `json:"versions"`
		}
		if err := hub.Get(ctx, flows.at(flow)+"/alias", &is.Alias); err != nil {
			return err
		}
		var err error
		if is.Versions, err = (kind{path: flows.at(flow) + "/versions"}).all(ctx, hub); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(is)
		}
		if err := c.showAlias(is.Alias); err != nil {
			return err
		}
		return c.print(nil, table(is.Versions, []column{{"VERSION", "version"}, {"PUBLISHED", "published_at"}, {"BY", "author"}, {"MESSAGE", "message"}}))
	})
}

func (c *command) flowDraft() *cobra.Command {
	var file string
	cmd := c.ofFlow(&cobra.Command{
		Use: "draft NAME", Short: "Print a flow's draft; with -f, replace it, unless somebody else does so at the same moment",
		Example: `  callyard flow draft inbound-sales > inbound.json
  callyard flow draft inbound-sales -f inbound.json`,
	}, func(ctx context.Context, hub *client.Client, flow string) error {
		var draft json.RawMessage
		at := flows.at(flow) + "/draft"
		head, err := hub.Do(ctx, client.Request{Path: at}, &draft)
		if file == "" {
			if err != nil {
				return err
			}
			return c.printFlow(draft)
		}
		if err != nil && !isStatus(err, http.StatusNotFound) {
			return err
		}
		doc, err := flowJSON(file)
		if err != nil {
			return err
		}
		var saved struct {
			OK bool `json:"ok"`
		}
		var raw json.RawMessage
		put := client.Request{Method: http.MethodPut, Path: at, Header: ifMatch(head.Get("ETag")), Body: doc}
		if _, err := hub.Do(ctx, put, &raw); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &saved); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(raw)
		}
		c.printf("%s: draft saved\n", flow)
		if !saved.OK {
			c.printf("it has faults and cannot be published yet; see: callyard flow check %s\n", file)
		}
		return nil
	})
	cmd.Flags().StringVarP(&file, "file", "f", "", "flow `document` to replace the draft with")
	return cmd
}

func (c *command) flowExport() *cobra.Command {
	var version, file string
	cmd := c.ofFlow(&cobra.Command{
		Use: "export NAME", Short: "Print a flow's document as it was written",
		Example: `  callyard flow export inbound-sales > inbound.json
  callyard flow export inbound-sales --version 12 -o yaml
  callyard flow export inbound-sales --version draft --to draft.json`,
	}, func(ctx context.Context, hub *client.Client, flow string) error {
		var doc json.RawMessage
		if err := hub.Get(ctx, flows.at(flow)+"/export?version="+version, &doc); err != nil {
			return err
		}
		if file == "" {
			return c.printFlow(doc)
		}
		out := append(doc, '\n')
		if c.format == "yaml" || strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, ".yml") {
			var err error
			if out, err = jsonYAML(doc); err != nil {
				return err
			}
		}
		return os.WriteFile(file, out, 0o600)
	})
	cmd.Flags().StringVar(&version, "version", "live", "`which`: live, draft, or a number")
	cmd.Flags().StringVar(&file, "to", "", "`file` to write; .yaml turns it into YAML")
	return cmd
}

// printFlow prints a document as it was written, or as YAML.
func (c *command) printFlow(doc json.RawMessage) error {
	if c.format == "yaml" {
		return c.printJSON(doc)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, doc, "", "  "); err != nil {
		return err
	}
	c.printf("%s\n", out.String())
	return nil
}

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

func (c *command) flowRollback() *cobra.Command {
	var to int
	var message string
	cmd := c.ofFlow(&cobra.Command{
		Use: "rollback NAME --to VERSION", Short: "Publish a copy of an old version; a canary is given up",
		Example: `  callyard flow rollback inbound-sales --to 11 -m "12 loses callers"`,
	}, func(ctx context.Context, hub *client.Client, flow string) error {
		if to < 1 {
			return fmt.Errorf("--to VERSION is missing: see callyard flow show %s", flow)
		}
		body := map[string]any{"to": to}
		if message != "" {
			body["message"] = message
		}
		var done map[string]any
		if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: flows.at(flow) + "/rollback", Body: body}, &done); err != nil {
			return err
		}
		return c.print(done, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "%s: version %v is live, with what version %d was\n", flow, done["version"], to)
		})
	})
	cmd.Flags().IntVar(&to, "to", 0, "the `version` to go back to")
	cmd.Flags().StringVarP(&message, "message", "m", "", "why")
	return cmd
}

func (c *command) flowAlias() *cobra.Command {
	var w struct {
		version, canary, minCalls, window int
		percent, abandon, failed          float64
	}
	cmd := &cobra.Command{
		Use: "alias NAME", Short: "Show what new calls run; with --version or --canary, say it",
		Long: `Show what new calls of a flow run. With --canary, a part of the callers runs that
version: who calls again meets the same one, and a greater --percent adds callers.
With --max-abandon or --max-errors a guard gives the canary up by itself when it is
beyond that and proved to be worse than the stable version.`,
		Example: `  callyard flow alias inbound-sales
  callyard flow publish inbound-sales -f inbound.json -m "new ladder" --aside
  callyard flow alias inbound-sales --canary 13 --percent 10 --max-abandon 0.15
  callyard flow alias inbound-sales --canary 13 --percent 50 --max-abandon 0.15
  callyard flow promote inbound-sales`,
	}
	f := cmd.Flags()
	f.IntVar(&w.version, "version", 0, "the stable `version`; the one it is, if not given")
	f.IntVar(&w.canary, "canary", 0, "the `version` to try")
	f.Float64Var(&w.percent, "percent", 10, "how many of the callers, up to 90")
	f.Float64Var(&w.abandon, "max-abandon", 0, "the `part` of its calls that may be abandoned: 0.15 is 15 %")
	f.Float64Var(&w.failed, "max-errors", 0, "the `part` of its calls that may fail")
	f.IntVar(&w.minCalls, "min-calls", 0, "how `many` of its calls it takes to judge (20)")
	f.IntVar(&w.window, "window-min", 0, "over how many `minutes` the rates are taken (60)")
	return c.ofFlow(cmd, func(ctx context.Context, hub *client.Client, flow string) error {
		var raw json.RawMessage
		at := flows.at(flow) + "/alias"
		if err := hub.Get(ctx, at, &raw); err != nil {
			return err
		}
		if f.Changed("version") || f.Changed("canary") {
			var is struct {
				Version int `json:"version"`
			}
			if err := json.Unmarshal(raw, &is); err != nil {
				return err
			}
			wish := map[string]any{"version": is.Version}
			if f.Changed("version") {
				wish["version"] = w.version
			}
			if f.Changed("canary") {
				wish["canary"], wish["percent"] = w.canary, w.percent
				guard := map[string]any{}
				for flag, set := range map[string]struct {
					key string
					to  any
				}{"max-abandon": {"abandon_rate", w.abandon}, "max-errors": {"error_rate", w.failed}, "min-calls": {"min_calls", w.minCalls}, "window-min": {"window_min", w.window}} {
					if f.Changed(flag) {
						guard[set.key] = set.to
					}
				}
				if len(guard) > 0 {
					wish["guard"] = guard
				}
			}
			if _, err := hub.Do(ctx, client.Request{Method: http.MethodPut, Path: at, Body: wish}, &raw); err != nil {
				return err
			}
		}
		return c.showAlias(raw)
	})
}

func (c *command) flowPromote() *cobra.Command {
	return c.settles("promote", "Let all new calls run the canary")
}

func (c *command) flowAbort() *cobra.Command {
	return c.settles("abort", "Let all new calls run the stable version: give the canary up")
}

func (c *command) settles(verb, short string) *cobra.Command {
	return c.ofFlow(&cobra.Command{Use: verb + " NAME", Short: short, Example: "  callyard flow " + verb + " inbound-sales"},
		func(ctx context.Context, hub *client.Client, flow string) error {
			var raw json.RawMessage
			if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: flows.at(flow) + "/alias/" + verb}, &raw); err != nil {
				return err
			}
			return c.showAlias(raw)
		})
}

// canary is one as the hub shows it.
type canary struct {
	Version int       `json:"version"`
	Percent float64   `json:"percent"`
	BeganAt time.Time `json:"began_at"`
	Verdict *struct {
		Said string `json:"said"`
	} `json:"verdict"`
	EndedAt *time.Time `json:"ended_at"`
	Ending  string     `json:"ending"`
	EndedBy string     `json:"ended_by"`
}

func (c *command) showAlias(raw json.RawMessage) error {
	if c.json() {
		return c.printJSON(raw)
	}
	var a struct {
		Flow    string  `json:"flow"`
		Version int     `json:"version"`
		Canary  *canary `json:"canary"`
		Last    *canary `json:"last"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	if a.Version == 0 {
		c.printf("%s was never published\n", a.Flow)
		return nil
	}
	c.printf("%s: version %d is live\n", a.Flow, a.Version)
	if k := a.Canary; k != nil {
		c.printf("version %d is tried on %g %% of the callers since %s\n", k.Version, k.Percent, k.BeganAt.Local().Format(time.DateTime))
		if k.Verdict != nil {
			c.printf("guard: %s\n", k.Verdict.Said)
		}
	}
	if k := a.Last; k != nil && a.Canary == nil && k.EndedAt != nil {
		c.printf("the last canary, version %d, was %s %s by %s\n", k.Version, strings.ReplaceAll(k.Ending, "_", " "), k.EndedAt.Local().Format(time.DateTime), k.EndedBy)
		if k.Ending == "rolled_back" && k.Verdict != nil {
			c.printf("because %s\n", k.Verdict.Said)
		}
	}
	return nil
}

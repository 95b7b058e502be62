package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// column is one of a table: what stands above it, and the keys to its value.
type column struct{ head, path string }

// resource is the commands to look at one kind of thing.
func (c *command) resource(k kind, short string, columns ...column) *cobra.Command {
	return c.group(&cobra.Command{
		Use: k.one, Short: short,
		Example: fmt.Sprintf("  callyard %s list\n  callyard %s show NAME -o yaml", k.one, k.one),
	}, c.list(k, columns...), c.show(k))
}

func (c *command) list(k kind, columns ...column) *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "list", Short: "List all", Args: exactly(), Example: fmt.Sprintf("  callyard %s list -o json", k.one),
	}, func(ctx context.Context, hub *client.Client, _ []string) error {
		all, err := k.all(ctx, hub)
		if err != nil {
			return err
		}
		return c.print(map[string]any{"data": all}, table(all, columns))
	})
}

// table writes rows of JSON objects.
func table(rows []json.RawMessage, columns []column) func(io.Writer) {
	return func(w io.Writer) {
		var heads []string
		for _, col := range columns {
			heads = append(heads, col.head)
		}
		_, _ = fmt.Fprintln(w, strings.Join(heads, "\t"))
		for _, raw := range rows {
			var row any
			d := json.NewDecoder(bytes.NewReader(raw))
			d.UseNumber()
			_ = d.Decode(&row) // the client has read it
			var cells []string
			for _, col := range columns {
				cells = append(cells, cell(row, col.path))
			}
			_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
		}
	}
}

// cell is a value as people read it. Of a list of objects, the path goes on in
// each.
func cell(v any, path string) string {
	key, rest, _ := strings.Cut(path, ".")
	switch is := v.(type) {
	case nil:
		return "–"
	case map[string]any:
		if path != "" {
			return cell(is[key], rest)
		}
		b, _ := json.Marshal(is)
		return string(b)
	case []any:
		var all []string
		for _, one := range is {
			all = append(all, cell(one, path))
		}
		if len(all) == 0 {
			return "–"
		}
		return strings.Join(all, ",")
	case string:
		if is == "" {
			return "–"
		}
		return is
	}
	return fmt.Sprint(v)
}

func (c *command) show(k kind) *cobra.Command {
	cmd := c.asking(&cobra.Command{
		Use: "show NAME", Short: "Show one with all that is known of it", Args: exactly("NAME"), Example: fmt.Sprintf("  callyard %s show NAME -o json", k.one),
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		var one json.RawMessage
		if err := hub.Get(ctx, k.at(args[0]), &one); err != nil {
			return k.missed(ctx, hub, args[0], err)
		}
		return c.printDocument(one)
	})
	cmd.ValidArgsFunction = k.complete
	return cmd
}

// printDocument prints what has no table: for people, as YAML.
func (c *command) printDocument(doc json.RawMessage) error {
	if c.json() {
		return c.printJSON(doc)
	}
	out, err := jsonYAML(doc)
	if err != nil {
		return err
	}
	_, err = c.Out.Write(out)
	return err
}

func (c *command) lots() *cobra.Command {
	return c.resource(lots, "Show the lots and who is parked in them", column{"LOT", "name"}, column{"EXTENSION", "extension"}, column{"FIRST", "first"}, column{"LAST", "last"}, column{"MUSIC", "music"})
}

func (c *command) agents() *cobra.Command {
	cmd := c.resource(agents, "Show the reps: what they want and what they do", column{"AGENT", "name"}, column{"DISPLAY", "display"}, column{"EXTENSION", "extension"},
		column{"STATUS", "status"}, column{"STATE", "state"}, column{"PHONES", "devices"}, column{"TEAMS", "teams"})
	cmd.AddCommand(c.agentHistory())
	return cmd
}

func (c *command) numbers() *cobra.Command {
	return c.resource(numbers, "Show our telephone numbers and the flows they lead to", column{"NUMBER", "number"}, column{"FLOW", "flow"}, column{"LABEL", "label"})
}

func (c *command) callList() *cobra.Command {
	var q struct {
		limit          int
		agent, outcome string
		live           bool
	}
	cmd := c.asking(&cobra.Command{
		Use: "list", Short: "List calls, the latest first", Args: exactly(), Example: "  callyard call list --live\n  callyard call list --outcome abandoned --limit 20 -o json",
	}, func(ctx context.Context, hub *client.Client, _ []string) error {
		v := url.Values{"limit": {fmt.Sprint(q.limit)}}
		for key, is := range map[string]string{"agent": q.agent, "outcome": q.outcome} {
			if is != "" {
				v.Set(key, is)
			}
		}
		if q.live {
			v.Set("live", "true")
		}
		var page struct {
			Data []json.RawMessage `json:"data"`
		}
		if err := hub.Get(ctx, "/v1/calls?"+v.Encode(), &page); err != nil {
			return err
		}
		return c.print(page, table(page.Data, []column{
			{"CALL", "id"}, {"STARTED", "started_at"}, {"FROM", "from"}, {"TO", "to"}, {"FLOW", "flow"}, {"VERSION", "version"}, {"OUTCOME", "outcome"}, {"REP", "answered_by"},
		}))
	})
	f := cmd.Flags()
	f.IntVar(&q.limit, "limit", 50, "how `many`, up to 200")
	f.StringVar(&q.agent, "agent", "", "placed or answered by this `agent`")
	f.StringVar(&q.outcome, "outcome", "", "`what` came of them: answered, abandoned, voicemail …")
	f.BoolVar(&q.live, "live", false, "only those that go on now")
	_ = cmd.RegisterFlagCompletionFunc("agent", agents.complete) // the flag is there
	return cmd
}

func (c *command) callShow() *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "show CALL", Short: "Show a call and, in order, all that happened to it and why", Args: exactly("the call's id"), Example: "  callyard call show call_01hx…\n  callyard call show call_01hx… -o json",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		var is struct {
			Call     json.RawMessage `json:"call"`
			Timeline json.RawMessage `json:"timeline"`
		}
		at := "/v1/calls/" + url.PathEscape(args[0])
		if err := hub.Get(ctx, at, &is.Call); err != nil {
			return fmt.Errorf("call %s: %w", args[0], err)
		}
		if err := hub.Get(ctx, at+"/timeline", &is.Timeline); err != nil {
			return fmt.Errorf("call %s: %w", args[0], err)
		}
		if c.json() {
			return c.printJSON(is)
		}
		if err := c.printDocument(is.Call); err != nil {
			return err
		}
		var facts struct {
			Data []json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(is.Timeline, &facts); err != nil {
			return err
		}
		c.printf("\n")
		return c.print(nil, table(facts.Data, []column{{"AT", "at"}, {"WHAT", "type"}, {"NODE", "node"}, {"OUTCOME", "data.outcome"}, {"TO", "data.to"}, {"WHY", "data.reason"}}))
	})
}

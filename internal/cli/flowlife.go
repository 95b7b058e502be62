package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

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

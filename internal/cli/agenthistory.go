package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// agentHistory shows what a rep wanted and did.
func (c *command) agentHistory() *cobra.Command {
	var limit int
	cmd := c.asking(&cobra.Command{
		Use: "history NAME", Short: "Show what a rep wanted and did, the latest first", Args: exactly("NAME"),
		Example: "  callyard agent history NAME --limit 20\n  callyard agent history NAME -o json",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		var page struct {
			Data []json.RawMessage `json:"data"`
		}
		if err := hub.Get(ctx, agents.at(args[0])+"/history?"+url.Values{"limit": {fmt.Sprint(limit)}}.Encode(), &page); err != nil {
			return agents.missed(ctx, hub, args[0], err)
		}
		return c.print(page, table(page.Data, []column{{"SINCE", "at"}, {"STATUS", "status"}, {"REASON", "reason"}, {"STATE", "state"}, {"CALL", "call"}}))
	})
	cmd.Flags().IntVar(&limit, "limit", 50, "how `many`, up to 200")
	cmd.ValidArgsFunction = agents.complete
	return cmd
}

package cli

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

func (c *command) call() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "call", Short: "Calls: list them, look into one, say what came of it",
		Example: `  callyard call disposition call_01hx… won --note "wants the offer by Friday"`,
	}, c.callList(), c.callShow(), c.callDisposition())
}

func (c *command) callDisposition() *cobra.Command {
	var r reach
	var note, agent string
	cmd := &cobra.Command{
		Use: "disposition CALL CODE", Short: "Say what came of a call; again: the newest counts", Args: exactly("the call's id", "the code"),
		Example: `  callyard call disposition call_01hx… won
  callyard call disposition call_01hx… call_again --note "after the fair" --agent ann`,
		RunE: func(cmd *cobra.Command, args []string) error {
			hub, err := r.client()
			if err != nil {
				return err
			}
			ctx, cancel := client.Within(cmd.Context())
			defer cancel()
			body := map[string]string{"code": args[1]}
			for key, v := range map[string]string{"note": note, "agent": agent} {
				if v != "" {
					body[key] = v
				}
			}
			var said struct {
				Code     string `json:"code"`
				Label    string `json:"label"`
				Category string `json:"category"`
				Note     string `json:"note"`
				At       string `json:"at"`
			}
			req := client.Request{Method: http.MethodPost, Path: "/v1/calls/" + url.PathEscape(args[0]) + "/disposition", Body: body}
			if _, err := hub.Do(ctx, req, &said); err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(said)
			}
			c.printf("%s: %s (%s)\n", args[0], said.Label, said.Category)
			return nil
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "a `text` beside it")
	cmd.Flags().StringVar(&agent, "agent", "", "the `agent` who says so")
	r.flags(cmd.Flags())
	return cmd
}

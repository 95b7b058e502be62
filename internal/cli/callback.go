package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// owedCall is a callback as the hub shows it.
type owedCall struct {
	ID     string    `json:"id"`
	Call   string    `json:"call_id"`
	Number string    `json:"number"`
	Name   string    `json:"name"`
	Queue  string    `json:"queue"`
	Owner  string    `json:"owner"`
	First  string    `json:"dial_first"`
	Tries  int       `json:"tries"`
	Tried  int       `json:"tried"`
	State  string    `json:"state"`
	Result string    `json:"result"`
	MadeAt time.Time `json:"made_at"`
	Due    time.Time `json:"due_at"`
	Last   string    `json:"last_call_id"`
}

func (c *command) callback() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "callback", Short: "Callers who are owed a call: list and cancel",
		Example: `  callyard callback list --open
  callyard callback cancel cbk_01hx…`,
	}, c.callbackList(), c.callbackCancel())
}

func (c *command) callbackList() *cobra.Command {
	var open bool
	var number string
	cmd := listing(c, &cobra.Command{
		Short: "List callbacks, the latest first",
		Example: `  callyard callback list --open
  callyard callback list --number +34600000001 -o json`,
	}, "/v1/callbacks", func() url.Values {
		q := url.Values{"number": {number}}
		if open {
			q.Set("open", "true")
		}
		return q
	}, showCallbacks)
	cmd.Flags().BoolVar(&open, "open", false, "only those that are still owed")
	cmd.Flags().StringVar(&number, "number", "", "only of this `number`")
	return cmd
}

func showCallbacks(w io.Writer, list []owedCall) {
	if len(list) == 0 {
		_, _ = fmt.Fprintln(w, "nobody is owed a call")
		return
	}
	_, _ = fmt.Fprintln(w, "CALLBACK\tCALLER\tBY\tSTATE\tTRIED\tDUE\tLAST RESULT")
	for _, o := range list {
		by := cmp.Or(o.Queue, o.Owner)
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d of %d\t%s\t%s\n", o.ID, strings.TrimSpace(o.Number+" "+o.Name), by, o.State,
			o.Tried, o.Tries, o.Due.Local().Format(time.DateTime), cmp.Or(o.Result, "-"))
	}
}

func (c *command) callbackCancel() *cobra.Command {
	var r reach
	var why, agent string
	cmd := &cobra.Command{
		Use: "cancel CALLBACK", Short: "Owe somebody no call any more", Args: exactly("the callback's id"),
		Example: `  callyard callback cancel cbk_01hx… --reason "sold by e-mail"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			hub, err := r.client()
			if err != nil {
				return err
			}
			ctx, cancel := client.Within(cmd.Context())
			defer cancel()
			body := map[string]string{}
			for key, v := range map[string]string{"reason": why, "agent": agent} {
				if v != "" {
					body[key] = v
				}
			}
			var o owedCall
			if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: "/v1/callbacks/" + url.PathEscape(args[0]) + "/cancel", Body: body}, &o); err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(o)
			}
			c.printf("%s is not called back any more\n", o.Number)
			return nil
		},
	}
	cmd.Flags().StringVar(&why, "reason", "", "a `text` for the ledger")
	cmd.Flags().StringVar(&agent, "agent", "", "the `agent` who says so")
	r.flags(cmd.Flags())
	return cmd
}

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// webhook is one as the hub shows it.
type webhook struct {
	ID             string     `json:"id"`
	URL            string     `json:"url"`
	Description    string     `json:"description,omitempty"`
	Events         []string   `json:"events"`
	Enabled        bool       `json:"enabled"`
	DisabledReason string     `json:"disabled_reason"`
	DisabledAt     *time.Time `json:"disabled_at"`
	FailingSince   *time.Time `json:"failing_since"`
	OldUntil       *time.Time `json:"old_secret_until"`
	Secret         string     `json:"secret,omitempty"`
}

// webhookDelivery is one as the hub shows it.
type webhookDelivery struct {
	ID       string `json:"id"`
	Webhook  string `json:"webhook"`
	Message  string `json:"message"`
	Event    string `json:"event"`
	Call     string `json:"call_id"`
	State    string `json:"state"`
	Tries    int    `json:"tries"`
	Attempts []struct {
		At     time.Time `json:"at"`
		Status int       `json:"status,omitempty"`
		TookMS int64     `json:"took_ms"`
		Error  string    `json:"error,omitempty"`
	} `json:"attempts"`
	CreatedAt time.Time  `json:"created_at"`
	NextAt    *time.Time `json:"next_at"`
}

func (c *command) webhook() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "webhook", Short: "Tell other systems what happens, and see what came of it",
		Example: `  callyard webhook add https://desk.example.com/calls --events 'call.*,park.*'
  callyard webhook test whk_01hx…
  callyard webhook deliveries --state dead
  callyard webhook resend whd_01hx…`,
	}, c.webhookList(), c.webhookAdd(), c.webhookRemove(), c.webhookTest(), c.webhookDeliveries(), c.webhookResend())
}

func (c *command) webhookList() *cobra.Command {
	return listing(c, &cobra.Command{Short: "Show all webhooks and how they do", Example: "  callyard webhook list -o json"}, "/v1/webhooks", nil,
		func(w io.Writer, list []webhook) {
			if len(list) == 0 {
				_, _ = fmt.Fprintln(w, "there are no webhooks; add one with: callyard webhook add URL")
				return
			}
			_, _ = fmt.Fprintln(w, "WEBHOOK\tURL\tEVENTS\tSTATE")
			for _, h := range list {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", h.ID, h.URL, strings.Join(h.Events, ","), h.state())
			}
		})
}

func (h webhook) state() string {
	switch {
	case !h.Enabled:
		return "disabled: " + cmp.Or(h.DisabledReason, "by hand")
	case h.FailingSince != nil:
		return "failing since " + h.FailingSince.Local().Format(time.DateTime)
	}
	return "ok"
}

func (c *command) webhookAdd() *cobra.Command {
	var events []string
	var description string
	cmd := c.asking(&cobra.Command{
		Use: "add URL", Short: "Add a webhook; its secret is printed, once", Args: exactly("URL"),
		Example: "  callyard webhook add https://desk.example.com/calls --events 'call.ended,park.*'",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		var h webhook
		body := map[string]any{"url": args[0], "events": events, "description": description}
		if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: "/v1/webhooks", Body: body}, &h); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(h)
		}
		c.printf("%s is told of %s\nsecret, shown only now: %s\ntry it: callyard webhook test %s\n", h.URL, strings.Join(h.Events, ", "), h.Secret, h.ID)
		return nil
	})
	cmd.Flags().StringSliceVar(&events, "events", []string{"*"}, "types of facts and their families, with commas: `call.ended,park.*`")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return cmd
}

func (c *command) webhookRemove() *cobra.Command {
	return c.asking(&cobra.Command{Use: "remove ID", Short: "Delete a webhook and its deliveries", Args: exactly("ID"), Example: "  callyard webhook remove whk_01hx…"},
		func(ctx context.Context, hub *client.Client, args []string) error {
			_, err := hub.Do(ctx, client.Request{Method: http.MethodDelete, Path: "/v1/webhooks/" + url.PathEscape(args[0])}, nil)
			if err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(map[string]string{"removed": args[0]})
			}
			c.printf("%s is removed\n", args[0])
			return nil
		})
}

func (c *command) webhookTest() *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "test ID", Short: "Send a webhook a message that tells of nothing, and say what came of it", Args: exactly("ID"),
		Long:    "Sends the webhook one signed message of the type webhook.test. The exit code is 0 only if it was accepted.",
		Example: "  callyard webhook test whk_01hx…",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		var d webhookDelivery
		if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: "/v1/webhooks/" + url.PathEscape(args[0]) + "/test"}, &d); err != nil {
			return err
		}
		for d.State == "pending" {
			select {
			case <-ctx.Done():
				return fmt.Errorf("nothing came of %s yet; look later: callyard webhook deliveries --webhook %s", d.ID, d.Webhook)
			case <-time.After(200 * time.Millisecond):
			}
			if err := hub.Get(ctx, "/v1/webhook_deliveries/"+url.PathEscape(d.ID), &d); err != nil {
				return err
			}
		}
		if c.json() {
			if err := c.printJSON(d); err != nil {
				return err
			}
		} else {
			c.printf("%s: %s\n", d.State, d.said())
		}
		if d.State != "delivered" {
			return errSaid
		}
		return nil
	})
}

// said is what came of the last attempt.
func (d webhookDelivery) said() string {
	if len(d.Attempts) == 0 {
		return "not tried yet"
	}
	a := d.Attempts[len(d.Attempts)-1]
	if a.Error != "" {
		return a.Error
	}
	return fmt.Sprintf("status %d in %d ms", a.Status, a.TookMS)
}

func (c *command) webhookDeliveries() *cobra.Command {
	var hook, state, event string
	var limit int
	cmd := c.asking(&cobra.Command{
		Use: "deliveries", Short: "Show what went, or is to go, to webhooks, the latest first", Args: exactly(),
		Example: `  callyard webhook deliveries --state dead
  callyard webhook deliveries --webhook whk_01hx… --event call.ended -o json`,
	}, func(ctx context.Context, hub *client.Client, _ []string) error {
		q := url.Values{"limit": {fmt.Sprint(limit)}}
		for k, v := range map[string]string{"webhook": hook, "state": state, "event": event} {
			if v != "" {
				q.Set(k, v)
			}
		}
		var page struct {
			Data []webhookDelivery `json:"data"`
			Next *string           `json:"next_cursor"`
		}
		if err := hub.Get(ctx, "/v1/webhook_deliveries?"+q.Encode(), &page); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(page)
		}
		if len(page.Data) == 0 {
			c.printf("there are no such deliveries\n")
			return nil
		}
		w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "DELIVERY\tWEBHOOK\tEVENT\tCALL\tMADE\tSTATE\tTRIES\tLAST ANSWER")
		for _, d := range page.Data {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", d.ID, d.Webhook, d.Event, cmp.Or(d.Call, "-"),
				d.CreatedAt.Local().Format(time.DateTime), d.State, len(d.Attempts), d.said())
		}
		return w.Flush()
	})
	cmd.Flags().StringVar(&hook, "webhook", "", "only of this `webhook`")
	cmd.Flags().StringVar(&state, "state", "", "only pending, delivered or dead `ones`")
	cmd.Flags().StringVar(&event, "event", "", "only of this `type` of facts")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so `many`, up to 200")
	return cmd
}

func (c *command) webhookResend() *cobra.Command {
	return c.asking(&cobra.Command{Use: "resend ID", Short: "Send a delivery again", Args: exactly("ID"), Example: "  callyard webhook resend whd_01hx…"},
		func(ctx context.Context, hub *client.Client, args []string) error {
			var d webhookDelivery
			if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: "/v1/webhook_deliveries/" + url.PathEscape(args[0]) + "/resend"}, &d); err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(d)
			}
			c.printf("%s (%s) is on its way to %s again\n", d.ID, d.Event, d.Webhook)
			return nil
		})
}

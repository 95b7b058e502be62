package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

func (c *command) queues() *cobra.Command {
	cmd := c.resource(lines, "Queues: who serves them, who waits in them, and who of those comes first",
		column{"QUEUE", "name"}, column{"STRATEGY", "strategy"}, column{"AGENTS", "agents.agent"})
	cmd.Example += `
  callyard queue waiting sales
  callyard queue first sales call_01hx…`
	cmd.AddCommand(c.queueWaiting(), c.queueFirst(), c.queuePriority(), c.queueMove(), c.queueWithdraw())
	return cmd
}

// inLine is a call that waits in a queue, as the hub shows it.
type inLine struct {
	Position int    `json:"position"`
	Call     string `json:"call_id"`
	Queue    string `json:"queue"`
	Priority int    `json:"priority"`
	First    bool   `json:"first"`
}

func entryAt(queue, id string) string {
	return lines.at(queue) + "/entries/" + url.PathEscape(id)
}

func (c *command) queueWaiting() *cobra.Command {
	cmd := c.asking(&cobra.Command{
		Use: "waiting QUEUE", Short: "Show who waits, the first in line first", Args: exactly("the queue"), Example: "  callyard queue waiting sales -o json",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		var page struct {
			Data []json.RawMessage `json:"data"`
		}
		if err := hub.Get(ctx, lines.at(args[0])+"/entries?limit=200", &page); err != nil {
			return lines.missed(ctx, hub, args[0], err)
		}
		return c.print(page, table(page.Data, []column{
			{"", "position"}, {"CALL", "call_id"}, {"FROM", "from"}, {"NAME", "name"}, {"PRIORITY", "priority"}, {"FIRST", "first"}, {"SINCE", "joined_at"}, {"PARKED", "park_id"}, {"TRIED", "tried"},
		}))
	})
	cmd.ValidArgsFunction = lines.complete
	return cmd
}

// placing is a command that changes the place of a call in line.
func (c *command) placing(cmd *cobra.Command, change func(args []string) (map[string]any, error)) *cobra.Command {
	var agent string
	cmd.ValidArgsFunction = lines.complete
	c.asking(cmd, func(ctx context.Context, hub *client.Client, args []string) error {
		body, err := change(args)
		if err != nil {
			return err
		}
		if agent != "" {
			body["agent"] = agent
		}
		r := client.Request{Method: http.MethodPatch, Path: entryAt(args[0], args[1]), Body: body}
		if body["queue"] != nil {
			r.Method, r.Path = http.MethodPost, r.Path+"/move"
		}
		var e inLine
		if _, err := hub.Do(ctx, r, &e); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(e)
		}
		last := ""
		if e.First {
			last = ", put first"
		}
		c.printf("%s: place %d in queue %s, priority %d%s\n", e.Call, e.Position, e.Queue, e.Priority, last)
		return nil
	})
	cmd.Flags().StringVar(&agent, "agent", "", "the `agent` who says so")
	return cmd
}

func (c *command) queueFirst() *cobra.Command {
	var no bool
	cmd := c.placing(&cobra.Command{
		Use: "first QUEUE CALL", Short: "Put a waiting call before all others", Args: exactly("the queue", "the call's id"),
		Example: `  callyard queue first sales call_01hx…
  callyard queue first sales call_01hx… --undo`,
	}, func([]string) (map[string]any, error) { return map[string]any{"first": !no}, nil })
	cmd.Flags().BoolVar(&no, "undo", false, "its own place again")
	return cmd
}

func (c *command) queuePriority() *cobra.Command {
	return c.placing(&cobra.Command{
		Use: "priority QUEUE CALL NUMBER", Short: "Change the priority of a waiting call; higher comes first", Args: exactly("the queue", "the call's id", "the priority"),
		Example: "  callyard queue priority sales call_01hx… 50",
	}, func(args []string) (map[string]any, error) {
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", args[2])
		}
		return map[string]any{"priority": n}, nil
	})
}

func (c *command) queueMove() *cobra.Command {
	return c.placing(&cobra.Command{
		Use: "move QUEUE CALL OTHER", Short: "Have a waiting call wait in another queue, with the same clock", Args: exactly("the queue", "the call's id", "the other queue"),
		Example: "  callyard queue move sales call_01hx… service",
	}, func(args []string) (map[string]any, error) { return map[string]any{"queue": args[2]}, nil })
}

func (c *command) queueWithdraw() *cobra.Command {
	var agent string
	cmd := c.asking(&cobra.Command{
		Use: "withdraw QUEUE CALL", Short: "Take a call out of a queue: its flow goes on as after the longest wait", Args: exactly("the queue", "the call's id"),
		Example: "  callyard queue withdraw sales call_01hx…",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		path := entryAt(args[0], args[1])
		if agent != "" {
			path += "?agent=" + url.QueryEscape(agent)
		}
		if _, err := hub.Do(ctx, client.Request{Method: http.MethodDelete, Path: path}, nil); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(map[string]any{"call_id": args[1], "queue": args[0], "withdrawn": true})
		}
		c.printf("%s waits in queue %s no longer\n", args[1], args[0])
		return nil
	})
	cmd.ValidArgsFunction = lines.complete
	cmd.Flags().StringVar(&agent, "agent", "", "the `agent` who says so")
	return cmd
}

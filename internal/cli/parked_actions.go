package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

func (c *command) parkedNote() *cobra.Command {
	var agent string
	cmd := c.asking(&cobra.Command{
		Use: "note PARKED TEXT", Short: "Change the note that reps see when they are offered the call", Args: exactly("the slot or the park's id", "the text"),
		Example: `  callyard parked note 701 "wants a quote for forty seats"
  callyard parked note 701 ""      no note any more`,
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		p, err := parkedIn(ctx, hub, args[0])
		if err != nil {
			return err
		}
		body := map[string]any{"note": args[1]}
		if agent != "" {
			body["agent"] = agent
		}
		if _, err := hub.Do(ctx, client.Request{Method: http.MethodPatch, Path: "/v1/parked_calls/" + url.PathEscape(p.ID), Body: body}, &p); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(p)
		}
		c.printf("slot %d: %s\n", p.Slot, p.Note)
		return nil
	})
	cmd.Flags().StringVar(&agent, "agent", "", "the `agent` who says so")
	return cmd
}

func (c *command) parkedMove() *cobra.Command {
	var to struct {
		lot, agent string
		slot       int
	}
	cmd := c.asking(&cobra.Command{
		Use: "move PARKED", Short: "Have a parked call wait in another slot; its clock and its ladder go on", Args: exactly("the slot or the park's id"),
		Example: `  callyard parked move 701 --slot 703
  callyard parked move 701 --lot service`,
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		p, err := parkedIn(ctx, hub, args[0])
		if err != nil {
			return err
		}
		body := map[string]any{}
		if to.lot != "" {
			body["lot"] = to.lot
		}
		if to.slot != 0 {
			body["slot"] = to.slot
		}
		if to.agent != "" {
			body["agent"] = to.agent
		}
		was := p.Slot
		if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: "/v1/parked_calls/" + url.PathEscape(p.ID) + "/move", Body: body}, &p); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(p)
		}
		if was == 0 {
			c.printf("waits in slot %d of lot %s\n", p.Slot, p.Lot)
		} else {
			c.printf("slot %d → slot %d of lot %s\n", was, p.Slot, p.Lot)
		}
		return nil
	})
	f := cmd.Flags()
	f.StringVar(&to.lot, "lot", "", "another `lot`; left out: the same")
	f.IntVar(&to.slot, "slot", 0, "the `slot`; left out: the next free one")
	f.StringVar(&to.agent, "agent", "", "the `agent` who says so")
	_ = cmd.RegisterFlagCompletionFunc("lot", lots.complete) // the flag is there
	return cmd
}

// parkedIn finds a parked call as people name it: by its slot, or by the park's id.
func parkedIn(ctx context.Context, hub *client.Client, name string) (parkedCall, error) {
	slot, noSlot := strconv.Atoi(name)
	if noSlot != nil {
		return parkedCall{ID: name}, nil //nolint:nilerr // it is no slot, but an id
	}
	list, err := parkedCalls(ctx, hub, "")
	if err != nil {
		return parkedCall{}, err
	}
	for _, p := range list {
		if p.Slot == slot {
			return p, nil
		}
	}
	return parkedCall{}, fmt.Errorf("nobody is parked in slot %d; see: callyard parked", slot)
}

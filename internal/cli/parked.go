package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/client"
)

// parkedCall is a parked call as the hub shows it.
type parkedCall struct {
	ID       string      `json:"id"`
	Call     call.ID     `json:"call_id"`
	Lot      string      `json:"lot"`
	Slot     int         `json:"slot"`
	Parker   string      `json:"parker"`
	From     string      `json:"from"`
	Name     string      `json:"name"`
	Note     string      `json:"note"`
	Owner    string      `json:"owner"`
	State    string      `json:"state"`
	ParkedAt time.Time   `json:"parked_at"`
	AgeMS    int64       `json:"age_ms"`
	Deadline time.Time   `json:"deadline"`
	Ladder   []rung      `json:"ladder"`
	Next     int         `json:"next_step"`
	NextAt   time.Time   `json:"next_at"`
	Claimed  *call.Actor `json:"claimed_by,omitempty"`
}

type rung struct {
	Do      string `json:"do"`
	To      string `json:"to,omitempty"`
	Queue   string `json:"queue,omitempty"`
	Outcome string `json:"outcome,omitempty"`
}

func (c *command) parked() *cobra.Command {
	var r reach
	var watch bool
	var lot string
	cmd := &cobra.Command{
		Use: "parked", Short: "Show who is parked where, for how long, and what happens next", Args: exactly(),
		Example: `  callyard parked
  callyard parked --watch
  callyard parked -o json --lot sales
  callyard parked note 701 "wants a quote"
  callyard parked move 701 --slot 703`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hub, err := r.client()
			if err != nil {
				return err
			}
			for {
				list, err := parkedCalls(cmd.Context(), hub, lot)
				switch {
				case errors.Is(err, context.Canceled):
					return nil
				case err != nil:
					return err
				}
				if err := c.showParked(list, watch); err != nil || !watch {
					return err
				}
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(time.Second):
				}
			}
		},
	}
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "show it anew every second")
	cmd.Flags().StringVar(&lot, "lot", "", "only this `lot`")
	r.flags(cmd.Flags())
	cmd.AddCommand(c.parkedNote(), c.parkedMove())
	return cmd
}

func parkedCalls(ctx context.Context, hub *client.Client, lot string) ([]parkedCall, error) {
	ctx, cancel := client.Within(ctx)
	defer cancel()
	var list struct {
		Data []parkedCall `json:"data"`
	}
	if err := hub.Get(ctx, "/v1/parked_calls?limit=200", &list); err != nil {
		return nil, err
	}
	out := []parkedCall{}
	for _, p := range list.Data {
		if lot == "" || p.Lot == lot {
			out = append(out, p)
		}
	}
	return out, nil
}

func (c *command) showParked(list []parkedCall, watch bool) error {
	if c.json() {
		return c.printJSON(map[string]any{"data": list})
	}
	if watch {
		c.printf("\x1b[H\x1b[2J") // top left, clear the screen (ECMA-48 §8.3.21, §8.3.39)
	}
	if len(list) == 0 {
		c.printf("nobody is parked\n")
		return nil
	}
	return parkedTable(c.Out, list)
}

func parkedTable(w io.Writer, list []parkedCall) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "SLOT\tLOT\tCALLER\tWAITING\tNEXT\tTAKEN BY\tNOTE")
	for _, p := range list {
		age := time.Duration(p.AgeMS) * time.Millisecond
		by := "-"
		if p.Claimed != nil {
			by = cmp.Or(p.Claimed.User, "somebody")
		}
		_, _ = fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Slot, p.Lot, strings.TrimSpace(p.From+" "+p.Name), minutes(age), p.next(age), by, cmp.Or(p.Note, "-"))
	}
	return t.Flush()
}

// next is the step that comes next: "offer team:sales in 0:12".
func (p parkedCall) next(age time.Duration) string {
	if p.Next < 0 || p.Next >= len(p.Ladder) {
		return "leaves its slot"
	}
	s := p.Ladder[p.Next]
	what := strings.TrimSpace(s.Do + " " + cmp.Or(s.To, s.Queue, s.Outcome))
	left := p.NextAt.Sub(p.ParkedAt) - age // by the hub's clock, not ours
	if left <= 0 {
		return what + " now"
	}
	return what + " in " + minutes(left)
}

func minutes(d time.Duration) string {
	d = d.Round(time.Second)
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

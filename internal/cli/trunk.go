package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// trunkStatus is how a trunk does, as the hub shows it.
type trunkStatus struct {
	Name         string `json:"name"`
	Calls        int    `json:"calls"`
	MaxCalls     int    `json:"max_calls"`
	Down         string `json:"down"`
	Registration struct {
		State  string     `json:"state"`
		Until  *time.Time `json:"until,omitempty"`
		Status int        `json:"status"`
		Error  string     `json:"error"`
	} `json:"registration"`
	Gateways []struct {
		Address string     `json:"address"`
		Name    string     `json:"name"`
		Up      bool       `json:"up"`
		RTT     float64    `json:"rtt_ms"`
		Seen    *time.Time `json:"seen,omitempty"`
		Error   string     `json:"error"`
		ErrorAt *time.Time `json:"error_at,omitempty"`
	} `json:"gateways"`
	Since struct {
		In        int64            `json:"in"`
		Out       int64            `json:"out"`
		Shed      int64            `json:"shed"`
		Failed    int64            `json:"failed"`
		Failovers int64            `json:"failovers"`
		Failures  map[string]int64 `json:"failures"`
	} `json:"since_start"`
}

// trial is what came of a test call.
type trial struct {
	Trunk   string `json:"trunk"`
	OK      bool   `json:"ok"`
	Verdict string `json:"verdict"`
	Cure    string `json:"cure"`
	Steps   []struct {
		AtMS    int64  `json:"at_ms"`
		What    string `json:"what"`
		Gateway string `json:"gateway"`
		Status  int    `json:"status"`
		Codec   string `json:"codec"`
		SRTP    string `json:"srtp"`
		Packets uint64 `json:"packets"`
		Text    string `json:"text"`
		Cure    string `json:"cure"`
	} `json:"steps"`
}

func (c *command) trunk() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "trunk", Short: "Show how carriers' trunks do, and try them",
		Example: `  callyard trunk list
  callyard trunk status carrier
  callyard trunk test carrier +34911234567`,
	}, c.trunkList(), c.trunkStatus(), c.trunkTest())
}

func (c *command) trunkList() *cobra.Command {
	return c.asking(&cobra.Command{Use: "list", Short: "Show all trunks: registration, gateways, calls", Args: exactly(), Example: "  callyard trunk list -o json"},
		func(ctx context.Context, hub *client.Client, _ []string) error {
			names, err := kind{path: "/v1/trunks"}.names(ctx, hub)
			if err != nil {
				return err
			}
			list := []trunkStatus{}
			for _, n := range names {
				st, err := statusOfTrunk(ctx, hub, n)
				if err != nil {
					return err
				}
				list = append(list, st)
			}
			return c.showTrunks(list)
		})
}

func statusOfTrunk(ctx context.Context, hub *client.Client, name string) (st trunkStatus, err error) {
	return st, hub.Get(ctx, "/v1/trunks/"+url.PathEscape(name)+"/status", &st)
}

func (c *command) showTrunks(list []trunkStatus) error {
	if c.json() {
		return c.printJSON(map[string]any{"data": list})
	}
	if len(list) == 0 {
		c.printf("there are no trunks\n")
		return nil
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TRUNK\tREGISTERED\tGATEWAYS UP\tCALLS\tIN\tOUT\tFAILED\tSTATE")
	for _, st := range list {
		up := 0
		for _, g := range st.Gateways {
			if g.Up {
				up++
			}
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d/%d\t%s\t%d\t%d\t%d\t%s\n", st.Name, st.Registration.State, up, len(st.Gateways), st.used(),
			st.Since.In, st.Since.Out, st.Since.Failed, cmp.Or(st.Down, "ok"))
	}
	return w.Flush()
}

// used is "3", or "3/30" where there is a bound.
func (st trunkStatus) used() string {
	if st.MaxCalls == 0 {
		return fmt.Sprint(st.Calls)
	}
	return fmt.Sprintf("%d/%d", st.Calls, st.MaxCalls)
}

func (c *command) trunkStatus() *cobra.Command {
	var r reach
	cmd := &cobra.Command{
		Use: "status NAME", Short: "Show how one trunk does: registration, gateways, calls, failures", Args: exactly("NAME"),
		Example: `  callyard trunk status carrier
  callyard trunk status carrier -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			hub, err := r.client()
			if err != nil {
				return err
			}
			ctx, cancel := client.Within(cmd.Context())
			defer cancel()
			st, err := statusOfTrunk(ctx, hub, args[0])
			if err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(st)
			}
			return c.showTrunk(st)
		},
	}
	r.flags(cmd.Flags())
	return cmd
}

func (c *command) showTrunk(st trunkStatus) error {
	reg := st.Registration.State
	if u := st.Registration.Until; u != nil {
		reg += " until " + u.Local().Format(time.DateTime)
	}
	if st.Registration.Error != "" {
		reg += ": " + st.Registration.Error
	}
	var failures []string
	for class, n := range st.Since.Failures {
		failures = append(failures, fmt.Sprintf("%s %d", class, n))
	}
	slices.Sort(failures)
	c.printf("%s: %s\n", st.Name, cmp.Or(st.Down, "ok"))
	c.printf("registration  %s\n", reg)
	c.printf("calls         %s now; %d in and %d out since the start\n", st.used(), st.Since.In, st.Since.Out)
	c.printf("trouble       %d failed (%s), %d failovers, %d shed\n", st.Since.Failed, cmp.Or(strings.Join(failures, ", "), "none"), st.Since.Failovers, st.Since.Shed)
	if len(st.Gateways) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "GATEWAY\tNAME\tSTATE\tRTT\tANSWERED\tLAST ERROR")
	for _, g := range st.Gateways {
		state, seen, trouble := "up", "never", "-"
		if !g.Up {
			state = "down"
		}
		if g.Seen != nil {
			seen = g.Seen.Local().Format(time.DateTime)
		}
		if g.Error != "" {
			trouble = g.Error
		}
		if g.Error != "" && g.ErrorAt != nil {
			trouble += " (" + g.ErrorAt.Local().Format(time.DateTime) + ")"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%.1f ms\t%s\t%s\n", g.Address, g.Name, state, g.RTT, seen, trouble)
	}
	return w.Flush()
}

func (c *command) trunkTest() *cobra.Command {
	var r reach
	var ring int
	cmd := &cobra.Command{
		Use: "test NAME NUMBER", Short: "Call a number through a trunk, play a tone, and say what is wrong", Args: exactly("NAME", "NUMBER"),
		Long: `Asks the trunk's gateways whether they are there, calls NUMBER through it, plays a
tone to who answers, counts the audio that comes back, and hangs up. The exit code is 0
only if all of that worked.`,
		Example: `  callyard trunk test carrier +34911234567
  callyard trunk test carrier +34911234567 --ring 30 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			hub, err := r.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 90*time.Second)
			defer cancel()
			body := map[string]any{"to": args[1]}
			if ring != 0 {
				body["ring_s"] = ring
			}
			var x trial
			if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: "/v1/trunks/" + url.PathEscape(args[0]) + "/test-call", Body: body}, &x); err != nil {
				return err
			}
			return c.showTrial(x)
		},
	}
	cmd.Flags().IntVar(&ring, "ring", 0, "how many `seconds` it may ring, at most 30 (0: 15)")
	r.flags(cmd.Flags())
	return cmd
}

func (c *command) showTrial(x trial) error {
	if c.json() {
		if err := c.printJSON(x); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
		for _, st := range x.Steps {
			text := st.Text
			if st.Codec != "" {
				text += " [" + st.Codec + ", srtp " + st.SRTP + "]"
			}
			_, _ = fmt.Fprintf(w, "%d ms\t%s\t%s\t%s\n", st.AtMS, st.What, cmp.Or(st.Gateway, "-"), text)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if x.OK {
			c.printf("ok: %s\n", x.Verdict)
		} else {
			c.printf("failed: %s\n", x.Verdict)
		}
		if x.Cure != "" {
			c.printf("try: %s\n", x.Cure)
		}
	}
	if !x.OK {
		return errSaid
	}
	return nil
}

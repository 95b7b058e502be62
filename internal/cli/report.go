package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/analytics"
	"github.com/callyard/callyard/internal/client"
)

// inCSV marks commands that can print CSV too.
const inCSV = "csv"

func (c *command) report() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "report", Short: "Numbers: how long parked callers waited, and what became of them",
		Example: "  callyard report park-to-answer --group-by lot",
	}, c.reportParkToAnswer())
}

func (c *command) reportParkToAnswer() *cobra.Command {
	var from, to, by, zone string
	var target int
	cmd := c.asking(&cobra.Command{
		Use: "park-to-answer", Short: "How long parked callers waited for an answer", Args: exactly(),
		Annotations: map[string]string{inCSV: ""},
		Long: `How long the callers who were parked waited until somebody took them, what
became of the others, and how the calls of the same time went. docs/metrics.md
says what each figure means.`,
		Example: `  callyard report park-to-answer
  callyard report park-to-answer --from 2026-11-02 --to 2026-11-09 --group-by agent
  callyard report park-to-answer --group-by hour --tz Europe/Madrid -o csv > week.csv`,
	}, func(ctx context.Context, hub *client.Client, _ []string) error {
		begin, end, err := window(from, to, time.Now())
		if err != nil {
			return err
		}
		q := url.Values{
			"from": {begin.Format(time.RFC3339Nano)}, "to": {end.Format(time.RFC3339Nano)},
			"group_by": {by}, "tz": {zone}, "target_s": {strconv.Itoa(target)},
		}
		req := client.Request{Path: "/v1/reports/park-to-answer?" + q.Encode(), Header: http.Header{"Accept": {"application/json"}}}
		if c.format == inCSV {
			req.Header.Set("Accept", "text/csv")
		}
		doc, err := hub.Raw(ctx, req)
		switch {
		case err != nil:
			return err
		case c.format == inCSV:
			_, err := c.Out.Write(doc)
			return err
		case c.json():
			return c.printJSON(json.RawMessage(doc))
		}
		var r analytics.Report
		if err := json.Unmarshal(doc, &r); err != nil {
			return fmt.Errorf("the hub's answer is not understood: %w", err)
		}
		return c.print(nil, func(w io.Writer) { showReport(w, r) })
	})
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "what began at or after this `day` or time (default: a week before --to)")
	f.StringVar(&to, "to", "", "what began before this `day` or time (default: now)")
	f.StringVar(&by, "group-by", "none", "none, lot, flow, agent, parker, hour or weekday_hour")
	f.StringVar(&zone, "tz", "UTC", "time `zone` of hours: Europe/Madrid")
	f.IntVar(&target, "target", 20, "service level: answered within so many `seconds`")
	_ = cmd.RegisterFlagCompletionFunc("group-by", cobra.FixedCompletions([]string{"none", "lot", "flow", "agent", "parker", "hour", "weekday_hour"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

// showReport writes the figures for people: each group, then all, then the calls.
func showReport(w io.Writer, r analytics.Report) {
	_, _ = fmt.Fprintf(w, "%s to %s\n\n", r.From.Local().Format(time.DateTime), r.To.Local().Format(time.DateTime))
	_, _ = fmt.Fprintln(w, "GROUP\tPARKED\tTAKEN\tP50\tP90\tP95\tMEAN\tGAVE UP\tWAITING")
	row := func(name string, p analytics.Parks) {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%d\t%d\n", name, p.Attempts, p.Answer.N, spent(p.Answer.P50), spent(p.Answer.P90), spent(p.Answer.P95), spent(p.Answer.Mean),
			p.Outcomes["abandoned"]+p.Outcomes["abandoned_in_outage"], p.Waiting)
	}
	for _, g := range r.Groups {
		name := g.Key
		if name == "" {
			name = "–"
		}
		row(name, g.Parks)
	}
	row("all", r.Parks)
	if len(r.Parks.Dispositions) > 0 {
		_, _ = fmt.Fprintln(w, "\nWHAT CAME OF IT\tCALLS")
		for _, code := range slices.Sorted(maps.Keys(r.Parks.Dispositions)) {
			_, _ = fmt.Fprintf(w, "%s\t%d\n", code, r.Parks.Dispositions[code])
		}
	}
	k := r.Calls
	_, _ = fmt.Fprintln(w, "\nCALLS\tANSWERED\tGAVE UP\tOTHER\tWAITING\tSERVICE LEVEL")
	_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%s within %s\n", k.Offered, k.Answered, k.Abandoned, k.Other, k.Waiting, share(k.ServiceLevel.Rate), spent(&k.ServiceLevel.Target))
}

// spent is a time as people read it, share a part of one.
func spent(ms *int64) string {
	if ms == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f s", float64(*ms)/1000)
}

func share(part *float64) string {
	if part == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100**part)
}

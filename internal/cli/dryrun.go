package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/sim"
)

// dryRun is what would have become of past calls.
type dryRun struct {
	Total       int           `json:"total"`
	Tally       sim.Tally     `json:"tally"`
	Calls       []sim.Verdict `json:"calls"`
	Assumptions []string      `json:"assumptions"`
}

// dryRunPart is how many calls are asked for at once.
const dryRunPart = 200

func (c *command) flowDryRun() *cobra.Command {
	var (
		r              reach
		from, to, file string
		calendars      string
		version, limit int
	)
	cmd := &cobra.Command{
		Use: "dry-run NAME", Short: "Lead past calls through a draft and see which would have ended differently", Args: exactly("NAME"),
		Long: `Lead the past calls of a flow through its draft, another version of it, or a
file, with the engine that led them really. What the past cannot answer, such as
a menu that nobody was ever asked, is said and not guessed. Ctrl-C stops it and
prints what is known by then.`,
		Example: `  callyard flow dry-run inbound-sales -f inbound.json
  callyard flow dry-run inbound-sales --from 2026-11-01 --to 2026-11-08 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{"limit": dryRunPart}
			begin, end, err := window(from, to, time.Now())
			if err != nil {
				return misuse(cmd, "%v", err)
			}
			in["from"], in["to"] = begin, end
			if calendars != "then" && calendars != "now" {
				return misuse(cmd, "--calendars %s: there are then and now", calendars)
			}
			in["calendars"] = calendars
			if version != 0 && file != "" {
				return misuse(cmd, "-f and --version: there can be one")
			}
			if version != 0 {
				in["version"] = version
			}
			if file != "" {
				doc, err := flowJSON(file)
				if err != nil {
					return err
				}
				in["doc"] = doc
			}
			hub, err := r.client()
			if err != nil {
				return err
			}
			out := dryRun{Calls: []sim.Verdict{}, Tally: sim.Tally{Matrix: []sim.Cell{}}}
			bar := c.progress("past calls", limit)
			for out.Tally.Calls < limit {
				in["limit"] = min(dryRunPart, limit-out.Tally.Calls)
				var part struct {
					dryRun
					Next string `json:"next_cursor"`
				}
				req := client.Request{Method: http.MethodPost, Path: "/v1/flows/" + url.PathEscape(args[0]) + "/dry_run", Body: in}
				if _, err := hub.Do(cmd.Context(), req, &part); err != nil {
					bar.Done()
					if cmd.Context().Err() == nil || out.Tally.Calls == 0 {
						return fmt.Errorf("flow %s: %w", args[0], err)
					}
					break // stopped: what is known is printed
				}
				if out.Total == 0 {
					bar.Done()
					bar = c.progress("past calls", min(limit, part.Total))
				}
				out.Total, out.Assumptions = part.Total, part.Assumptions
				out.Tally.Add(part.Tally)
				out.Calls = append(out.Calls, part.Calls...)
				bar.At(out.Tally.Calls)
				if in["cursor"] = part.Next; part.Next == "" {
					break
				}
			}
			bar.Done()
			return c.print(out, func(w io.Writer) { out.show(w) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "calls that began at or after this `day` or time (default: a week before --to)")
	f.StringVar(&to, "to", "", "calls that began before this `day` or time (default: now)")
	f.StringVarP(&file, "file", "f", "", "flow `document` to try instead of the draft")
	f.IntVar(&version, "version", 0, "a `number` of a published version to try instead of the draft")
	f.StringVar(&calendars, "calendars", "then", "shared calendars are as each call found them, `then`, or as they are now")
	_ = cmd.RegisterFlagCompletionFunc("calendars", cobra.FixedCompletions([]string{"then", "now"}, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	f.IntVar(&limit, "limit", 10000, "at most so many calls, the oldest first")
	r.flags(f)
	return cmd
}

// dayOrTime reads a time, or the beginning of a day here.
func dayOrTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s: write a day as 2026-11-03, a time as 2026-11-03T10:00:00+01:00", s)
}

// window reads the days or times between which calls began.
func window(from, to string, now time.Time) (begin, end time.Time, err error) {
	read := func(flag, s string) (time.Time, error) {
		t, err := dayOrTime(s)
		if err != nil {
			err = fmt.Errorf("%s %w", flag, err)
		}
		return t, err
	}
	end = now
	if to != "" {
		if end, err = read("--to", to); err != nil {
			return begin, end, err
		}
	}
	begin = end.AddDate(0, 0, -7)
	if from != "" {
		if begin, err = read("--from", from); err != nil {
			return begin, end, err
		}
	}
	if !end.After(begin) {
		return begin, end, fmt.Errorf("--to is not after --from")
	}
	return begin, end, nil
}

// show prints the calls that go another way, and the numbers.
func (d dryRun) show(w io.Writer) {
	if len(d.Calls) > 0 {
		_, _ = fmt.Fprintln(w, "CALL\tBEGAN\tWAS\tWOULD BE\tPARTS AT\tWHY")
	}
	for _, v := range d.Calls {
		is, at := sim.Undecided, "–"
		if v.Becomes != nil {
			is = orDash(v.Becomes.Outcome)
			if v.Verdict == sim.Detour {
				is += " by " + strings.Join(v.Becomes.Path, " → ")
			}
			if v.Assumed {
				is += " (assumed)"
			}
		}
		if v.Parts != nil {
			at = orDash(v.Parts.Was)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Call, v.At.Local().Format("01-02 15:04:05"), orDash(v.Was.Outcome), is, at, v.Why)
	}
	if len(d.Tally.Matrix) > 0 {
		_, _ = fmt.Fprintln(w, "\nWAS\tWOULD BE\tCALLS\tASSUMED")
	}
	for _, m := range d.Tally.Matrix {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", orDash(m.Was), orDash(m.Becomes), m.Calls, m.Assumed)
	}
	t := d.Tally
	_, _ = fmt.Fprintf(w, "\n%d of %s: %d as they went, %d to the same end by other nodes, %d to another end, %d undecided; %d hang on assumptions\n",
		t.Calls, count(d.Total, "past call"), t.Same, t.Detour, t.Changed, t.Undecided, t.Assumed)
}

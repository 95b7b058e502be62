package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

func (c *command) flowAlias() *cobra.Command {
	var w struct {
		version, canary, minCalls, window int
		percent, abandon, failed          float64
	}
	cmd := &cobra.Command{
		Use: "alias NAME", Short: "Show what new calls run; with --version or --canary, say it",
		Long: `Show what new calls of a flow run. With --canary, a part of the callers runs that
version: who calls again meets the same one, and a greater --percent adds callers.
With --max-abandon or --max-errors a guard gives the canary up by itself when it is
beyond that and proved to be worse than the stable version.`,
		Example: `  callyard flow alias inbound-sales
  callyard flow publish inbound-sales -f inbound.json -m "new ladder" --aside
  callyard flow alias inbound-sales --canary 13 --percent 10 --max-abandon 0.15
  callyard flow alias inbound-sales --canary 13 --percent 50 --max-abandon 0.15
  callyard flow promote inbound-sales`,
	}
	f := cmd.Flags()
	f.IntVar(&w.version, "version", 0, "the stable `version`; the one it is, if not given")
	f.IntVar(&w.canary, "canary", 0, "the `version` to try")
	f.Float64Var(&w.percent, "percent", 10, "how many of the callers, up to 90")
	f.Float64Var(&w.abandon, "max-abandon", 0, "the `part` of its calls that may be abandoned: 0.15 is 15 %")
	f.Float64Var(&w.failed, "max-errors", 0, "the `part` of its calls that may fail")
	f.IntVar(&w.minCalls, "min-calls", 0, "how `many` of its calls it takes to judge (20)")
	f.IntVar(&w.window, "window-min", 0, "over how many `minutes` the rates are taken (60)")
	return c.ofFlow(cmd, func(ctx context.Context, hub *client.Client, flow string) error {
		var raw json.RawMessage
		at := flows.at(flow) + "/alias"
		if err := hub.Get(ctx, at, &raw); err != nil {
			return err
		}
		if f.Changed("version") || f.Changed("canary") {
			var is struct {
				Version int `json:"version"`
			}
			if err := json.Unmarshal(raw, &is); err != nil {
				return err
			}
			wish := map[string]any{"version": is.Version}
			if f.Changed("version") {
				wish["version"] = w.version
			}
			if f.Changed("canary") {
				wish["canary"], wish["percent"] = w.canary, w.percent
				guard := map[string]any{}
				for flag, set := range map[string]struct {
					key string
					to  any
				}{"max-abandon": {"abandon_rate", w.abandon}, "max-errors": {"error_rate", w.failed}, "min-calls": {"min_calls", w.minCalls}, "window-min": {"window_min", w.window}} {
					if f.Changed(flag) {
						guard[set.key] = set.to
					}
				}
				if len(guard) > 0 {
					wish["guard"] = guard
				}
			}
			if _, err := hub.Do(ctx, client.Request{Method: http.MethodPut, Path: at, Body: wish}, &raw); err != nil {
				return err
			}
		}
		return c.showAlias(raw)
	})
}

func (c *command) flowPromote() *cobra.Command {
	return c.settles("promote", "Let all new calls run the canary")
}

func (c *command) flowAbort() *cobra.Command {
	return c.settles("abort", "Let all new calls run the stable version: give the canary up")
}

func (c *command) settles(verb, short string) *cobra.Command {
	return c.ofFlow(&cobra.Command{Use: verb + " NAME", Short: short, Example: "  callyard flow " + verb + " inbound-sales"},
		func(ctx context.Context, hub *client.Client, flow string) error {
			var raw json.RawMessage
			if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: flows.at(flow) + "/alias/" + verb}, &raw); err != nil {
				return err
			}
			return c.showAlias(raw)
		})
}

// canary is one as the hub shows it.
type canary struct {
	Version int       `json:"version"`
	Percent float64   `json:"percent"`
	BeganAt time.Time `json:"began_at"`
	Verdict *struct {
		Said string `json:"said"`
	} `json:"verdict"`
	EndedAt *time.Time `json:"ended_at"`
	Ending  string     `json:"ending"`
	EndedBy string     `json:"ended_by"`
}

func (c *command) showAlias(raw json.RawMessage) error {
	if c.json() {
		return c.printJSON(raw)
	}
	var a struct {
		Flow    string  `json:"flow"`
		Version int     `json:"version"`
		Canary  *canary `json:"canary"`
		Last    *canary `json:"last"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return err
	}
	if a.Version == 0 {
		c.printf("%s was never published\n", a.Flow)
		return nil
	}
	c.printf("%s: version %d is live\n", a.Flow, a.Version)
	if k := a.Canary; k != nil {
		c.printf("version %d is tried on %g %% of the callers since %s\n", k.Version, k.Percent, k.BeganAt.Local().Format(time.DateTime))
		if k.Verdict != nil {
			c.printf("guard: %s\n", k.Verdict.Said)
		}
	}
	if k := a.Last; k != nil && a.Canary == nil && k.EndedAt != nil {
		c.printf("the last canary, version %d, was %s %s by %s\n", k.Version, strings.ReplaceAll(k.Ending, "_", " "), k.EndedAt.Local().Format(time.DateTime), k.EndedBy)
		if k.Ending == "rolled_back" && k.Verdict != nil {
			c.printf("because %s\n", k.Verdict.Said)
		}
	}
	return nil
}

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/demo"
)

func (c *command) demoCall() *cobra.Command {
	sc := demo.Script{From: demo.Caller, AnswerAfter: 3 * time.Second, Talk: 2 * time.Second}
	var dir string
	cmd := &cobra.Command{
		Use: "call", Short: "Place a real call to the demo that runs, and tell what becomes of it", Args: exactly(),
		Long: `A built-in caller calls the demo's number over SIP. The flow parks the call, and
a built-in rep, registered as ben, takes it by dialling its slot, or waits until
the ladder offers it. Both listen for each other's tone. What happens is told as
it is written to the ledger.`,
		Example: `  callyard demo call
  callyard demo call --answer-after 12s      after the team has been offered it
  callyard demo call --let-it-escalate       ben waits until his phone rings
  callyard demo call --abandon-after 6s      the caller gives up
  callyard demo call -o json | jq .type`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				dir = defaultDemoDir()
			}
			for _, d := range []time.Duration{sc.AnswerAfter, sc.AbandonAfter, sc.Talk} {
				if d < 0 || d > time.Minute {
					return misuse(cmd, "%s: times are between 0 and 1m", d)
				}
			}
			ways := 0
			for _, flag := range []string{"answer-after", "abandon-after", "let-it-escalate"} {
				if cmd.Flags().Changed(flag) {
					ways++
				}
			}
			if ways > 1 {
				return misuse(cmd, "of --answer-after, --abandon-after and --let-it-escalate there can be one")
			}
			if cmd.Flags().Changed("abandon-after") && sc.AbandonAfter == 0 {
				sc.AbandonAfter = time.Millisecond // as soon as the call is parked
			}
			st, err := demo.Running(dir)
			if err != nil {
				return err
			}
			return c.placeDemoCall(cmd.Context(), st, sc)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&sc.AnswerAfter, "answer-after", sc.AnswerAfter, "ben dials the slot after this `time`")
	f.DurationVar(&sc.AbandonAfter, "abandon-after", 0, "the caller hangs up after this `time`")
	f.BoolVar(&sc.Escalate, "let-it-escalate", false, "ben waits until the call is offered to him")
	f.DurationVar(&sc.Talk, "talk", sc.Talk, "how long the two talk, after they have heard each other")
	f.StringVar(&sc.From, "from", sc.From, "the caller's `number`; the address book knows "+demo.Caller)
	f.StringVar(&dir, "data-dir", "", "`folder` of the demo, if it was given one (default "+demoDir(config.Default().DataDir)+")")
	return cmd
}

func (c *command) placeDemoCall(ctx context.Context, st demo.State, sc demo.Script) error {
	t := teller{c: c}
	res, err := demo.Place(ctx, st, sc, demo.Teller{Fact: t.fact, Note: t.note})
	if err != nil {
		return err
	}
	logged, err := activities(ctx, &client.Client{URL: st.URL, Key: st.Key}, res.Call)
	if err != nil {
		return err
	}
	if c.json() {
		line, err := json.Marshal(map[string]any{"type": "demo.result", "result": res, "crm": logged})
		if err != nil {
			return err
		}
		c.printf("%s\n", line)
	} else {
		c.showResult(res, logged)
	}
	if deaf(res.CallerHearsRep) || deaf(res.RepHearsCaller) {
		return fmt.Errorf("the two did not hear each other: look at the hub's log, and whether UDP on this machine is filtered")
	}
	return nil
}

func deaf(heard *bool) bool { return heard != nil && !*heard }

// teller prints a call as it happens, with the time since it began.
type teller struct {
	c     *command
	begun time.Time
}

func (t *teller) fact(f client.Fact) {
	if t.begun.IsZero() {
		t.begun = f.At
	}
	if t.c.json() {
		t.c.printf("%s\n", f.Raw)
		return
	}
	if words := demo.Tell(f); words != "" {
		t.c.printf("%7.2f s  %s\n", f.At.Sub(t.begun).Seconds(), words)
	}
}

func (t *teller) note(words string) {
	if !t.c.json() {
		t.c.printf("           · %s\n", words)
	}
}

// activities waits until what is to be logged with the CRM has been.
func activities(ctx context.Context, hub *client.Client, id call.ID) ([]crm.Delivery, error) {
	ctx, cancel := client.Within(ctx)
	defer cancel()
	for {
		var list struct {
			Data []crm.Delivery `json:"data"`
		}
		if err := hub.Get(ctx, "/v1/crm_deliveries?call="+url.QueryEscape(string(id)), &list); err != nil {
			return nil, fmt.Errorf("activity of the call: %w", err)
		}
		waiting := len(list.Data) == 0
		for _, d := range list.Data {
			waiting = waiting || d.State == crm.DeliveryPending
		}
		if !waiting {
			return list.Data, nil
		}
		select {
		case <-ctx.Done():
			if list.Data == nil {
				return nil, fmt.Errorf("the CRM has no activity of the call yet; see callyard doctor")
			}
			return list.Data, nil // still pending: shown as such
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *command) showResult(res demo.Result, logged []crm.Delivery) {
	c.printf("\n  outcome   %s\n", res.Outcome)
	for _, d := range logged {
		a := d.Activity
		by := ""
		if a.Agent != "" {
			by = " by " + a.Agent
		}
		c.printf("  CRM       one activity with %s, %s: %s%s, parked %.1f s, talked %.1f s (key %s)\n",
			d.Provider, d.State, a.Outcome, by, a.Parked.Seconds(), a.Talked.Seconds(), a.Key)
	}
	c.printf("  timeline  GET /v1/calls/%s/timeline\n", res.Call)
}

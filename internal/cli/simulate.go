package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

// imagined is a call as a command line writes it.
type imagined struct {
	from, to, name, at, crm, crmOutcome        string
	agents, digits, hangup, retrieved, becomes []string
	nodes, vars                                []string
	crmLatency, talk, message                  time.Duration
}

func (i *imagined) flags(f *pflag.FlagSet) {
	f.StringVar(&i.from, "from", "", "the caller's `number`; nothing: withheld")
	f.StringVar(&i.to, "to", "", "the `number` that was dialled")
	f.StringVar(&i.name, "name", "", "the caller's `name`")
	f.StringVar(&i.at, "at", "", "when the call begins, such as `2026-11-03T10:00:00+01:00` (default now)")
	f.StringVar(&i.crm, "crm", "", "the caller's record as `JSON`, or @FILE")
	f.StringVar(&i.crmOutcome, "crm-outcome", "", "what the CRM comes to: `one`, none, many or error")
	f.DurationVar(&i.crmLatency, "crm-latency", 0, "how long the CRM takes")
	f.StringArrayVar(&i.agents, "agent", nil, "how somebody behaves: `ann=available:4s`; also team:x, queue:x and number:+34…; words: "+routing.Manners)
	f.StringArrayVar(&i.becomes, "becomes", nil, "how somebody behaves from a time on: `30s:ann=away`")
	f.StringArrayVar(&i.digits, "digits", nil, "keys that the caller presses: `3s:1`")
	f.StringArrayVar(&i.retrieved, "retrieve", nil, "who takes the parked call when: `42s:ben`")
	f.StringArrayVar(&i.hangup, "hangup", nil, "when the caller hangs up: `90s`")
	f.StringArrayVar(&i.nodes, "node", nil, "what a node comes to: `quote=timeout`")
	f.StringArrayVar(&i.vars, "var", nil, "a variable that is there from the first: `lang=es`")
	f.DurationVar(&i.talk, "talk", time.Minute, "how long a conversation lasts before the rep hangs up")
	f.DurationVar(&i.message, "message", 10*time.Second, "how long a message on a voicemail is")
}

// call is the call that the flags describe.
func (i *imagined) call(now time.Time) (g routing.Imagined, events []routing.ImaginedEvent, err error) {
	g = routing.Imagined{
		From: call.Number(i.from), To: call.Number(i.to), Name: i.name, At: now.Truncate(time.Second), CRMOutcome: i.crmOutcome,
		CRMLatencyMS: float64(i.crmLatency.Milliseconds()), TalkS: i.talk.Seconds(), MessageS: i.message.Seconds(),
	}
	if i.at != "" {
		if g.At, err = time.Parse(time.RFC3339, i.at); err != nil {
			return g, nil, fmt.Errorf("--at %s: write it as 2026-11-03T10:00:00+01:00", i.at)
		}
	}
	if !slices.Contains([]string{"", "one", "none", "many", "error"}, i.crmOutcome) {
		return g, nil, fmt.Errorf("--crm-outcome %s: there are one, none, many and error", i.crmOutcome)
	}
	if i.crm != "" {
		doc := []byte(i.crm)
		if file, ok := strings.CutPrefix(i.crm, "@"); ok {
			if doc, err = os.ReadFile(file); err != nil {
				return g, nil, err
			}
		}
		if err := json.Unmarshal(doc, &g.CRM); err != nil {
			return g, nil, fmt.Errorf("--crm: wants an object such as {\"owner\": \"ann\"}: %w", err)
		}
	}
	if g.Agents, err = mannersOf("--agent", i.agents); err != nil {
		return g, nil, err
	}
	for _, s := range i.nodes {
		node, outcome, ok := strings.Cut(s, "=")
		if !ok || outcome == "" {
			return g, nil, fmt.Errorf("--node %s: write it as quote=timeout", s)
		}
		if g.Nodes == nil {
			g.Nodes = map[string]routing.Foretold{}
		}
		g.Nodes[node] = routing.Foretold{Outcome: outcome}
	}
	for _, s := range i.vars {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return g, nil, fmt.Errorf("--var %s: write it as lang=es", s)
		}
		if g.Vars == nil {
			g.Vars = map[string]any{}
		}
		g.Vars[name] = value
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			g.Vars[name] = n
		}
	}
	events, err = i.events()
	return g, events, err
}

func mannersOf(flag string, list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range list {
		who, manners, ok := strings.Cut(s, "=")
		if !ok || !routing.Mannered(manners) {
			return nil, fmt.Errorf("%s %s: write it as ann=available:4s; there are %s", flag, s, routing.Manners)
		}
		out[who] = manners
	}
	return out, nil
}

func (i *imagined) events() (out []routing.ImaginedEvent, err error) {
	at := func(flag, s string) (secs float64, rest string) {
		when, rest, _ := strings.Cut(s, ":")
		d, bad := time.ParseDuration(when)
		if bad != nil && err == nil {
			err = fmt.Errorf("%s %s: wants a time since the call began, such as 3s", flag, s)
		}
		return d.Seconds(), rest
	}
	for _, s := range i.digits {
		t, keys := at("--digits", s)
		if keys == "" || strings.Trim(keys, "0123456789*#ABCD") != "" {
			return nil, fmt.Errorf("--digits %s: write it as 3s:1", s)
		}
		out = append(out, routing.ImaginedEvent{AtS: t, Digits: keys})
	}
	for _, s := range i.retrieved {
		t, who := at("--retrieve", s)
		if who == "" {
			return nil, fmt.Errorf("--retrieve %s: write it as 42s:ben", s)
		}
		out = append(out, routing.ImaginedEvent{AtS: t, RetrievedBy: who})
	}
	for _, s := range i.becomes {
		t, rest := at("--becomes", s)
		is, bad := mannersOf("--becomes", []string{rest})
		if bad != nil {
			return nil, bad
		}
		for who, manners := range is {
			out = append(out, routing.ImaginedEvent{AtS: t, Agent: who, Becomes: manners})
		}
	}
	for _, s := range i.hangup {
		t, _ := at("--hangup", s)
		out = append(out, routing.ImaginedEvent{AtS: t, Hangup: true})
	}
	slices.SortStableFunc(out, func(a, b routing.ImaginedEvent) int { return int(a.AtS*1000) - int(b.AtS*1000) })
	return out, err
}

func (c *command) flowSimulate() *cobra.Command {
	var (
		r       reach
		i       imagined
		version int
		asTest  string
		setUp   string
	)
	cmd := &cobra.Command{
		Use: "simulate FILE|NAME", Short: "Imagine one call and see where it goes, when and why", Args: exactly("FILE|NAME"),
		Long: `Imagine one call on a virtual clock, with the engine, ladders and queues of the
hub. A file is tried without a hub: whatever lots, queues and teams it names are
there. A name is a flow of a hub, whose draft (or --version) meets the lots,
queues and agents that are set up there. Who is not mentioned is away.

With --as-test the call is printed as a test for the flow's own "tests".`,
		Example: `  callyard flow simulate inbound.json --from +34600000001 --crm '{"owner": "ann"}' --agent ann=available:4s
  callyard flow simulate inbound-sales --at 2026-12-25T10:00:00+01:00 --digits 3s:1 --hangup 90s
  callyard flow simulate inbound.yaml --agent team:sales=no_answer --as-test "nobody answers"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			given, events, err := i.call(time.Now())
			if err != nil {
				return misuse(cmd, "%v", err)
			}
			var res sim.Result
			if isFile(args[0]) {
				if version != 0 {
					return misuse(cmd, "--version is of a hub's flow, not of a file")
				}
				res, err = imagineFile(cmd.Context(), args[0], setUp, given, events)
			} else if setUp != "" {
				return misuse(cmd, "--setup is of a file; a hub knows what its flows name")
			} else {
				res, err = imagineFlow(cmd.Context(), &r, args[0], version, given, events)
			}
			if err != nil {
				return err
			}
			if asTest != "" {
				return c.printJSON(routing.Test{Name: asTest, Given: given, Events: events, Expect: routing.Expected{Path: res.Path, Outcome: res.Outcome}})
			}
			if c.json() {
				return c.printJSON(res)
			}
			c.showCall(res)
			return nil
		},
	}
	f := cmd.Flags()
	i.flags(f)
	f.IntVar(&version, "version", 0, "a `number` of a published version instead of the draft")
	f.StringVar(&setUp, "setup", "", "of a file: set-up `file` with the calendars and flows that it names")
	f.StringVar(&asTest, "as-test", "", "print the call as a test of this `name`")
	r.flags(f)
	return cmd
}

// isFile tells a document from a flow's name.
func isFile(s string) bool {
	if strings.ContainsAny(s, "./\\") {
		return true
	}
	_, err := os.Stat(s)
	return err == nil
}

func imagineFile(ctx context.Context, file, setUp string, g routing.Imagined, events []routing.ImaginedEvent) (sim.Result, error) {
	doc, err := flowJSON(file)
	if err != nil {
		return sim.Result{}, err
	}
	f, err := routing.Parse(doc)
	if err != nil {
		return sim.Result{}, fmt.Errorf("%s: %w; callyard flow check tells all", file, err)
	}
	known, err := knownFrom(setUp)
	if err != nil {
		return sim.Result{}, err
	}
	linked, err := routing.Link(f, known.Parts())
	switch {
	case err != nil && setUp != "":
		return sim.Result{}, fmt.Errorf("%s: %w: %s does not have it", file, err, setUp)
	case err != nil:
		return sim.Result{}, fmt.Errorf("%s %s, which only a hub knows: give --setup FILE with it, or save the flow as a draft there and simulate %s", file, leans(f), f.Name())
	}
	w := sim.Anywhere
	w.Speech, w.Prompt = sim.Spoken, func(string) time.Duration { return sim.BuiltIn }
	return sim.Call(ctx, w, linked, g, events)
}

func imagineFlow(ctx context.Context, r *reach, name string, version int, g routing.Imagined, events []routing.ImaginedEvent) (res sim.Result, err error) {
	hub, err := r.client()
	if err != nil {
		return res, err
	}
	ctx, cancel := client.Within(ctx)
	defer cancel()
	in := map[string]any{"given": g, "events": events}
	if version != 0 {
		in["version"] = version
	}
	if events == nil {
		delete(in, "events")
	}
	var out struct {
		sim.Result
		Why string `json:"undecided"`
	}
	_, err = hub.Do(ctx, client.Request{Method: http.MethodPost, Path: "/v1/flows/" + url.PathEscape(name) + "/simulate", Body: in}, &out)
	if err != nil {
		return res, fmt.Errorf("flow %s: %w", name, err)
	}
	out.Undecided = out.Why
	return out.Result, nil
}

// showCall prints what happens line by line, then what the caller hears.
func (c *command) showCall(r sim.Result) {
	for _, m := range r.Timeline {
		c.printf("%9s  %-12s  %s\n", sinceBegin(m.AtMS), m.Node, m.Text)
	}
	c.printf("\nThe caller hears\n")
	for _, h := range r.Hears {
		c.printf("%9s – %-9s  %s\n", sinceBegin(h.FromMS), sinceBegin(h.ToMS), strings.TrimSpace(h.Kind+" "+h.What))
	}
	for _, n := range r.Notes {
		c.printf("\nTaken for granted: %s", n)
	}
	if len(r.Notes) > 0 {
		c.printf("\n")
	}
	c.printf("\n%s: %s, after %s, ended by the %s\n", strings.Join(r.Path, " → "), orDash(r.Outcome), sinceBegin(r.TookMS), r.EndedBy)
	if r.Undecided != "" {
		c.printf("not imagined to its end: %s\n", r.Undecided)
	}
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// sinceBegin is "0:04.2" for 4,200 ms.
func sinceBegin(ms int64) string {
	return fmt.Sprintf("%d:%04.1f", ms/60000, float64(ms%60000)/1000)
}

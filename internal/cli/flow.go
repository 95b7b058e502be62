package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

func (c *command) flow() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "flow", Short: "Check, try, publish and compare call flows",
		Example: `  callyard flow check inbound.json
  callyard flow publish inbound-sales -f inbound.json -m "shorter ladder"`,
	}, append(c.flowLife(), c.flowCheck(), c.flowSimulate(), c.flowDryRun(), c.flowPublish())...)
}

// verdict is what is known of a flow document without a hub.
type verdict struct {
	Flow     string               `json:"flow"`
	OK       bool                 `json:"ok"`
	Findings []routing.Finding    `json:"findings"`
	Tests    []routing.TestResult `json:"tests"`
}

func (c *command) flowCheck() *cobra.Command {
	var (
		r     reach
		setUp string
		atHub bool
	)
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Check a flow document and run its tests, without a hub unless one is wanted", Args: exactly("FILE"),
		Long: `Check a flow document and run the tests it carries. Every fault is named with
its node and key. The calendars that flows share, and other flows, can come from
a set-up file. Whether the queues, lots and prompts that it names exist is known
to a hub only: publishing checks that, and so does --hub, which asks it without
saving anything. Exit code 1 if there are errors.`,
		Example: `  callyard flow check inbound.json
  callyard flow check inbound.yaml --setup setup.yaml
  callyard flow check inbound.yaml --hub -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			doc, err := flowJSON(args[0])
			if err != nil {
				return err
			}
			var v verdict
			switch {
			case atHub && setUp != "":
				return misuse(cmd, "--hub and --setup: there can be one")
			case atHub:
				v, err = checkAtHub(cmd.Context(), &r, doc)
			default:
				v, err = checkWith(cmd.Context(), setUp, doc)
			}
			if err != nil {
				return err
			}
			if c.json() {
				if err := c.printJSON(v); err != nil {
					return err
				}
			} else {
				c.showVerdict(args[0], v)
			}
			if !v.OK {
				return errSaid
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&setUp, "setup", "", "set-up `file` with the calendars and flows that it names")
	cmd.Flags().BoolVar(&atHub, "hub", false, "have a hub check it, which knows all that it names")
	r.flags(cmd.Flags())
	return cmd
}

// flowJSON reads a flow document. A .yaml or .yml file is turned into JSON.
func flowJSON(file string) (json.RawMessage, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(file) {
	case ".yaml", ".yml":
		return yamlJSON(file, b)
	}
	return b, nil // what is wrong with its JSON is a finding
}

// checkWith checks a document with what a set-up file has, if one is given.
func checkWith(ctx context.Context, file string, doc []byte) (verdict, error) {
	known, err := knownFrom(file)
	return check(ctx, doc, known), err
}

// knownFrom is what flows may name of a set-up file; nothing is known if there is none.
func knownFrom(file string) (routing.Known, error) {
	if file == "" {
		return routing.Known{}, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return routing.Known{}, err
	}
	d, err := setup.Read(b)
	if err == nil {
		err = d.Check()
	}
	if err != nil {
		return routing.Known{}, fmt.Errorf("%s: %w", file, err)
	}
	return d.Known(), nil
}

// checkAtHub has a hub check a document. A test that fails is among its findings; if
// nothing stands in the way, all have passed.
func checkAtHub(ctx context.Context, r *reach, doc json.RawMessage) (v verdict, err error) {
	f, _ := routing.Parse(doc)
	if f == nil { // nothing that could be sent
		return check(ctx, doc, routing.Known{}), nil
	}
	v.Flow, v.Tests = f.Name(), []routing.TestResult{}
	hub, err := r.client()
	if err != nil {
		return v, err
	}
	ctx, cancel := client.Within(ctx)
	defer cancel()
	_, err = hub.Do(ctx, client.Request{Method: http.MethodPost, Path: "/v1/flows/check", Body: doc}, &v)
	if v.OK {
		for _, t := range f.Tests() {
			v.Tests = append(v.Tests, routing.TestResult{Name: t.Name, Passed: true, Path: t.Expect.Path, Outcome: t.Expect.Outcome})
		}
	}
	return v, err
}

func check(ctx context.Context, doc []byte, known routing.Known) verdict {
	v := verdict{Findings: []routing.Finding{}, Tests: []routing.TestResult{}}
	f, err := routing.Parse(doc)
	if f == nil {
		v.Findings = append(v.Findings, parseFindings(err)...)
		return v
	}
	v.Flow = f.Name()
	v.Findings = append(v.Findings, routing.Lint(f, known)...)
	linked, lerr := routing.Link(f, known.Parts())
	switch {
	case err != nil || len(routing.Findings(v.Findings).Errors()) > 0:
	case lerr != nil: // it names what only a hub knows
		v.Findings = append(v.Findings, routing.Finding{
			Severity: routing.Warning, Key: "tests", Location: "tests",
			Message: "not run here, because the flow " + leans(f) + ": publishing runs them, and so does --hub",
		})
	default:
		v.Tests = append(v.Tests, sim.Tests(ctx, linked)...)
		v.Findings = append(v.Findings, routing.TestFindings(v.Tests)...)
	}
	v.OK = len(routing.Findings(v.Findings).Errors()) == 0
	return v
}

// leans says which flows and calendars a flow needs beside itself.
func leans(f *routing.Flow) string {
	var on []string
	if calls := f.Calls(); len(calls) > 0 {
		on = append(on, "calls "+strings.Join(calls, ", "))
	}
	if shared := f.SharedCalendars(); len(shared) > 0 {
		on = append(on, "looks at the shared calendar "+strings.Join(shared, ", "))
	}
	return strings.Join(on, " and ")
}

func (c *command) showVerdict(file string, v verdict) {
	for _, f := range v.Findings {
		where := f.Location
		if where == "" {
			where = file
		}
		if f.Node != "" {
			where = fmt.Sprintf("node %s: %s: %s", f.Node, f.Key, where)
		}
		c.printf("%-7s  %s\n         %s\n", f.Severity, where, f.Message)
	}
	passed := 0
	for _, t := range v.Tests {
		if t.Passed {
			passed++
		}
	}
	found := routing.Findings(v.Findings)
	word := "in order"
	if !v.OK {
		word = "not in order"
	}
	c.printf("%s: %s: %s, %s, %d of %s passed\n", file, word, count(len(found.Errors()), "error"), count(len(found.Warnings()), "warning"), passed, count(len(v.Tests), "test"))
}

// count is "1 error", "2 errors".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (c *command) flowPublish() *cobra.Command {
	var r reach
	var message, file string
	var aside bool
	cmd := &cobra.Command{
		Use: "publish NAME -m MESSAGE", Short: "Publish a flow's draft; with -f, the draft is first replaced", Args: exactly("NAME"),
		Long: `Publish the draft of a flow as its next version, which calls run from then on;
calls that are under way keep theirs. With -f the draft is replaced by the file
first, unless somebody else changes it at the same moment.`,
		Example: `  callyard flow publish inbound-sales -f inbound.json -m "shorter ladder"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if message == "" {
				return misuse(cmd, "-m MESSAGE is missing: say what has changed")
			}
			hub, err := r.client()
			if err != nil {
				return err
			}
			ctx, cancel := client.Within(cmd.Context())
			defer cancel()
			at := "/v1/flows/" + url.PathEscape(args[0])
			head, err := hub.Do(ctx, client.Request{Path: at + "/draft"}, nil)
			if err != nil && !notFound(err) {
				return fmt.Errorf("flow %s: %w", args[0], err)
			}
			if file != "" {
				doc, err := flowJSON(file)
				if err != nil {
					return err
				}
				if v := check(cmd.Context(), doc, routing.Known{}); v.Flow != "" && v.Flow != args[0] {
					return fmt.Errorf("%s is flow %q, not %q", file, v.Flow, args[0])
				} else if !v.OK {
					c.showVerdict(file, v)
					return errSaid
				}
				put := client.Request{Method: http.MethodPut, Path: at + "/draft", Header: ifMatch(head.Get("ETag")), Body: doc}
				if _, err := hub.Do(ctx, put, nil); err != nil {
					return fmt.Errorf("draft of %s: %w", args[0], err)
				}
			} else if err != nil {
				return fmt.Errorf("flow %s: %w", args[0], err)
			}
			var done map[string]any
			publish := client.Request{Method: http.MethodPost, Path: at + "/publish", Body: map[string]any{"message": message, "live": !aside}}
			if _, err := hub.Do(ctx, publish, &done); err != nil {
				return fmt.Errorf("publish %s: %w", args[0], err)
			}
			if c.json() {
				return c.printJSON(done)
			}
			if aside {
				c.printf("%s: version %v is published; no call runs it yet. Try it: callyard flow alias %s --canary %v\n", args[0], done["version"], args[0], done["version"])
				return nil
			}
			c.printf("%s: version %v is live\n", args[0], done["version"])
			return nil
		},
	}
	cmd.Flags().StringVarP(&message, "message", "m", "", "what has changed")
	cmd.Flags().StringVarP(&file, "file", "f", "", "flow `document` to publish")
	cmd.Flags().BoolVar(&aside, "aside", false, "let no call run it yet: for a canary")
	cmd.ValidArgsFunction = flows.complete
	r.flags(cmd.Flags())
	return cmd
}

// parseFindings are the faults of a document that is no flow at all.
func parseFindings(err error) []routing.Finding {
	if p, ok := errors.AsType[*routing.ParseError](err); ok {
		return p.Findings
	}
	return []routing.Finding{{Severity: routing.Error, Message: fmt.Sprint(err)}}
}

func notFound(err error) bool {
	p, ok := errors.AsType[*client.Problem](err)
	return ok && p.Status == http.StatusNotFound
}

// ifMatch guards a change: nothing there yet, or the state that was read (RFC 9110 §13.1).
func ifMatch(tag string) http.Header {
	if tag == "" {
		return http.Header{"If-None-Match": {"*"}}
	}
	return http.Header{"If-Match": {strings.TrimPrefix(tag, "W/")}}
}

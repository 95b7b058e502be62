package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/setup"
)

func (c *command) apply() *cobra.Command {
	var r reach
	var file string
	var dry, prune, yes, detailed bool
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Bring a running hub in line with a set-up file", Args: exactly(),
		Long: `Bring a running hub in line with a set-up file: trunks, agents, lots, queues,
contacts, flows and numbers. What the file does not name is left alone; applying
it again changes nothing. A file with a fault changes nothing either.

With --prune, what the file does not name is removed, of the kinds that it has a
list of ("lots: []" means none). Contacts never are, and nothing that calls use now.`,
		Example: `  callyard apply -f setup.yaml
  callyard apply -f setup.yaml --dry-run --detailed-exitcode   0: nothing to do, 2: something
  callyard apply -f setup.yaml --prune
  callyard apply -f setup.yaml --url https://hub.example.com --key ck_…`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return misuse(cmd, "-f FILE is missing")
			}
			doc, err := setupJSON(file)
			if err != nil {
				return err
			}
			hub, err := r.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			send := func(dry bool) (changes []setup.Change, err error) {
				var done struct {
					Data []setup.Change `json:"data"`
				}
				path := fmt.Sprintf("/v1/apply?dry_run=%t&prune=%t", dry, prune)
				if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: path, Body: doc}, &done); err != nil {
					return nil, fmt.Errorf("%s: %w", file, err)
				}
				return done.Data, nil
			}
			if prune && !dry && !yes {
				would, err := send(true)
				if err != nil {
					return err
				}
				if gone := with(would, "removed"); len(gone) > 0 && !c.ask(cmd.InOrStdin(), "remove "+strings.Join(gone, ", ")+"?") {
					return fmt.Errorf("nothing was changed: --prune would remove %s; say --yes if that is meant", strings.Join(gone, ", "))
				}
			}
			changes, err := send(dry)
			if err != nil {
				return err
			}
			if err := c.showChanges(changes); err != nil {
				return err
			}
			if dry && !c.json() {
				c.printf("nothing was changed: this is what would be\n")
			}
			if detailed && len(with(changes, "created", "changed", "removed")) > 0 {
				return errDifferent
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "set-up `file`, YAML or JSON")
	f.BoolVar(&dry, "dry-run", false, "change nothing, and say what would be changed")
	f.BoolVar(&prune, "prune", false, "remove what the file does not name; asks first")
	f.BoolVar(&yes, "yes", false, "do not ask")
	f.BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 if there is, or was, something to change")
	r.flags(f)
	return cmd
}

// with names what was changed in one of some ways: "lot sales".
func with(changes []setup.Change, actions ...string) (names []string) {
	for _, ch := range changes {
		if slices.Contains(actions, ch.Action) {
			names = append(names, ch.Kind+" "+ch.Name)
		}
	}
	return names
}

// ask wants a yes from whoever sits at the terminal; without one there is nobody
// to ask, and the answer is no.
func (c *command) ask(in io.Reader, question string) bool {
	if f, ok := in.(*os.File); !terminal(c.Err) || !ok || !terminal(f) {
		return false
	}
	_, _ = fmt.Fprintf(c.Err, "%s [y/N] ", question)
	var answer string
	_, _ = fmt.Fscanln(in, &answer) // nothing is no
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}

func (c *command) showChanges(changes []setup.Change) error {
	return c.print(map[string]any{"data": append([]setup.Change{}, changes...)}, func(w io.Writer) {
		for _, ch := range changes {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", ch.Action, ch.Kind, ch.Name, ch.Why)
		}
		_, _ = fmt.Fprintln(w, summary(changes))
	})
}

// setupJSON is a set-up file as JSON, with nothing added: what it leaves out is
// for the hub to fill in. Its faults are found before anybody is asked.
func setupJSON(file string) (json.RawMessage, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if _, err := setup.Read(b); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return yamlJSON(file, b)
}

// yamlJSON turns YAML, or JSON, into JSON.
func yamlJSON(file string, b []byte) (json.RawMessage, error) {
	doc, err := setup.JSON(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return doc, nil
}

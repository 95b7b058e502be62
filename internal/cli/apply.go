package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/callyard/callyard/internal/client"
	"github.com/callyard/callyard/internal/setup"
)

func (c *command) apply() *cobra.Command {
	var r reach
	var file string
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Bring a running hub in line with a set-up file", Args: exactly(),
		Long: `Bring a running hub in line with a set-up file: trunks, agents, lots, queues,
contacts, flows and numbers. What the file does not name is left alone; applying
it again changes nothing. A file with a fault changes nothing either.`,
		Example: `  callyard apply -f setup.yaml
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
			ctx, cancel := client.Within(cmd.Context())
			defer cancel()
			var done struct {
				Data []setup.Change `json:"data"`
			}
			if _, err := hub.Do(ctx, client.Request{Method: http.MethodPost, Path: "/v1/apply", Body: doc}, &done); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			return c.showChanges(done.Data)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "set-up `file`, YAML or JSON")
	r.flags(cmd.Flags())
	return cmd
}

func (c *command) showChanges(changes []setup.Change) error {
	return c.print(map[string]any{"data": append([]setup.Change{}, changes...)}, func(w io.Writer) {
		for _, ch := range changes {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", ch.Action, ch.Kind, ch.Name)
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
	var tree any
	if err := yaml.Unmarshal(b, &tree); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	doc, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (keys must be text)", file, err)
	}
	return doc, nil
}

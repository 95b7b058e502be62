package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/callyard/callyard/internal/client"
)

func (c *command) export() *cobra.Command {
	var contacts bool
	var file string
	cmd := c.asking(&cobra.Command{
		Use: "export", Short: "Print a hub's configuration as a set-up file", Args: exactly(),
		Long: `Print a hub's configuration as a set-up file. Applied again, it changes nothing.
Passwords are left out: whoever has one keeps it when the file is applied.`,
		Example: `  callyard export > setup.yaml
  callyard export --contacts --to backup.yaml`,
	}, func(ctx context.Context, hub *client.Client, _ []string) error {
		var doc json.RawMessage
		if err := hub.Get(ctx, fmt.Sprintf("/v1/setup?contacts=%t", contacts), &doc); err != nil {
			return err
		}
		var out bytes.Buffer
		if c.format == "json" {
			if err := json.Indent(&out, doc, "", "  "); err != nil {
				return err
			}
			out.WriteByte('\n')
		} else if err := setupYAML(&out, doc); err != nil {
			return err
		}
		if file != "" {
			return os.WriteFile(file, out.Bytes(), 0o600)
		}
		_, err := c.Out.Write(out.Bytes())
		return err
	})
	cmd.Flags().BoolVar(&contacts, "contacts", false, "the address book too")
	cmd.Flags().StringVar(&file, "to", "", "`file` to write")
	return cmd
}

// setupYAML writes a set-up file for people: with a word on what is not in it.
func setupYAML(out *bytes.Buffer, doc json.RawMessage) error {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	root, err := yamlNode(dec)
	if err != nil {
		return err
	}
	root.HeadComment = "# What this hub is set up as. Passwords are not in here: whoever has one keeps it\n# when this is applied; on another hub, put them in."
	for i := 0; i+1 < len(root.Content); i += 2 {
		for _, item := range root.Content[i+1].Content {
			switch root.Content[i].Value {
			case "agents":
				leftOut(item, "name")
			case "trunks":
				leftOut(item, "username")
			}
		}
	}
	e := yaml.NewEncoder(out)
	e.SetIndent(2)
	return errors.Join(e.Encode(root), e.Close())
}

// leftOut says beside the key of an object that a password belongs to it.
func leftOut(object *yaml.Node, key string) {
	for i := 0; i+1 < len(object.Content); i += 2 {
		if object.Content[i].Value == key {
			object.Content[i+1].LineComment = "password: left out"
		}
	}
}

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

func (c *command) flowDraft() *cobra.Command {
	var file string
	cmd := c.ofFlow(&cobra.Command{
		Use: "draft NAME", Short: "Print a flow's draft; with -f, replace it, unless somebody else does so at the same moment",
		Example: `  callyard flow draft inbound-sales > inbound.json
  callyard flow draft inbound-sales -f inbound.json`,
	}, func(ctx context.Context, hub *client.Client, flow string) error {
		var draft json.RawMessage
		at := flows.at(flow) + "/draft"
		head, err := hub.Do(ctx, client.Request{Path: at}, &draft)
		if file == "" {
			if err != nil {
				return err
			}
			return c.printFlow(draft)
		}
		if err != nil && !notFound(err) {
			return err
		}
		doc, err := flowJSON(file)
		if err != nil {
			return err
		}
		var saved struct {
			OK bool `json:"ok"`
		}
		var raw json.RawMessage
		put := client.Request{Method: http.MethodPut, Path: at, Header: ifMatch(head.Get("ETag")), Body: doc}
		if _, err := hub.Do(ctx, put, &raw); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &saved); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(raw)
		}
		c.printf("%s: draft saved\n", flow)
		if !saved.OK {
			c.printf("it has faults and cannot be published yet; see: callyard flow check %s\n", file)
		}
		return nil
	})
	cmd.Flags().StringVarP(&file, "file", "f", "", "flow `document` to replace the draft with")
	return cmd
}

func (c *command) flowExport() *cobra.Command {
	var version, file string
	cmd := c.ofFlow(&cobra.Command{
		Use: "export NAME", Short: "Print a flow's document as it was written",
		Example: `  callyard flow export inbound-sales > inbound.json
  callyard flow export inbound-sales --version 12 -o yaml
  callyard flow export inbound-sales --version draft --to draft.json`,
	}, func(ctx context.Context, hub *client.Client, flow string) error {
		var doc json.RawMessage
		if err := hub.Get(ctx, flows.at(flow)+"/export?version="+version, &doc); err != nil {
			return err
		}
		if file == "" {
			return c.printFlow(doc)
		}
		out := append(doc, '\n')
		if c.format == "yaml" || strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, ".yml") {
			var err error
			if out, err = jsonYAML(doc); err != nil {
				return err
			}
		}
		return os.WriteFile(file, out, 0o600)
	})
	cmd.Flags().StringVar(&version, "version", "live", "`which`: live, draft, or a number")
	cmd.Flags().StringVar(&file, "to", "", "`file` to write; .yaml turns it into YAML")
	return cmd
}

// printFlow prints a document as it was written, or as YAML.
func (c *command) printFlow(doc json.RawMessage) error {
	if c.format == "yaml" {
		return c.printJSON(doc)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, doc, "", "  "); err != nil {
		return err
	}
	c.printf("%s\n", out.String())
	return nil
}

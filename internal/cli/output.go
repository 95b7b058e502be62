package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// formats are what results can be printed as.
var formats = []string{"table", "json", "yaml"}

// outputFlags are on every command.
func (c *command) outputFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&c.format, "output", "o", "table", "how results are printed: table, json, yaml")
	f.BoolVar(&c.noColor, "no-color", false, "no colours (also NO_COLOR; there are none unless on a terminal)")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if _, ok := cmd.Annotations[inCSV]; ok && c.format == inCSV {
			return nil
		}
		if !slices.Contains(formats, c.format) {
			return misuse(cmd, "-o %s: there are table, json and yaml", c.format)
		}
		return nil
	}
}

// json tells that a result is printed as a document, for programs: JSON or YAML.
func (c *command) json() bool { return c.format == "json" || c.format == "yaml" }

// print prints a result: as a document if that was asked for, else as table
// writes it for people. Cells of a table are separated by tabs.
func (c *command) print(v any, table func(w io.Writer)) error {
	if c.json() {
		return c.printJSON(v)
	}
	w := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
	table(w)
	return w.Flush()
}

// printf prints a result.
func (c *command) printf(format string, args ...any) { _, _ = fmt.Fprintf(c.Out, format, args...) }

// printJSON prints a result as indented JSON, or as the YAML of the same shape
// if that was asked for.
func (c *command) printJSON(v any) error {
	if c.format != "yaml" {
		e := json.NewEncoder(c.Out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	doc, err := json.Marshal(v)
	if err != nil {
		return err
	}
	out, err := jsonYAML(doc)
	if err != nil {
		return err
	}
	_, err = c.Out.Write(out)
	return err
}

// jsonYAML turns JSON into YAML with its keys in their order.
func jsonYAML(doc []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	node, err := yamlNode(dec)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(node), e.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// yamlNode reads the next value.
func yamlNode(dec *json.Decoder) (*yaml.Node, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return yamlScalar(t), nil
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if open == '[' {
		n = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	for dec.More() { // keys come as values do
		child, err := yamlNode(dec)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, child)
	}
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle // [] and {}
	}
	_, err = dec.Token() // the end
	return n, err
}

func yamlScalar(t json.Token) *yaml.Node {
	switch v := t.(type) {
	case string: // its tag has what reads like a number, or a date, put in quotes
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v}
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(v)}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
}

// Colours of ECMA-48 §8.3.117, for people at a terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colours a text if whoever reads it sees colours. Columns are
// filled up outside of it: escape sequences have a length but no width.
func (c *command) paint(colour, s string) string {
	if c.noColor || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" || !terminal(c.Out) {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// contact is a person in the address book as the hub shows it.
type contact struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Company string   `json:"company"`
	Owner   string   `json:"owner"`
	Phones  []string `json:"phones"`
	Tags    []string `json:"tags"`
}

const contacts = "/v1/contacts"

func (c *command) contact() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "contact", Short: "The address book: look people up, add and change them",
		Example: `  callyard contact list --text 600000001
  callyard contact add "Ana García" --phone +34600000001 --owner ann --field tier=gold
  callyard contact set con_01hx… --owner ben --field tier=`,
	}, c.contactList(), c.contactShow(), c.contactAdd(), c.contactSet(), c.contactDelete(), c.contactImport())
}

func (c *command) contactList() *cobra.Command {
	var text, owner, tag string
	cmd := listing(c, &cobra.Command{
		Short: "Look people up, or list all",
		Example: `  callyard contact list --text 600000001
  callyard contact list --owner ann -o json`,
	}, contacts, func() url.Values { return url.Values{"text": {text}, "owner": {owner}, "tag": {tag}} },
		func(w io.Writer, list []contact) {
			if len(list) == 0 {
				_, _ = fmt.Fprintln(w, "nobody")
				return
			}
			_, _ = fmt.Fprintln(w, "CONTACT\tNAME\tCOMPANY\tPHONES\tOWNER\tTAGS")
			for _, p := range list {
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.ID, p.Name, dash(p.Company), dash(strings.Join(p.Phones, ",")), dash(p.Owner), dash(strings.Join(p.Tags, ",")))
			}
		})
	f := cmd.Flags()
	f.StringVar(&text, "text", "", "only those with this `text` in the name, the company or a number")
	f.StringVar(&owner, "owner", "", "only those of this `agent`")
	f.StringVar(&tag, "tag", "", "only those with this `tag`")
	_ = cmd.RegisterFlagCompletionFunc("owner", agents.complete) // the flag is there
	return cmd
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func (c *command) contactShow() *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "show CONTACT", Short: "Show all that is known of a person", Args: exactly("the contact's id"), Example: "  callyard contact show con_01hx… -o json",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		var one json.RawMessage
		if err := hub.Get(ctx, contacts+"/"+url.PathEscape(args[0]), &one); err != nil {
			return fmt.Errorf("contact %s: %w", args[0], err)
		}
		return c.printDocument(one)
	})
}

// particulars are the flags that say something of a person.
type particulars struct {
	name, company, owner string
	phones, tags, fields []string
}

func (p *particulars) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.company, "company", "", "where they work")
	f.StringVar(&p.owner, "owner", "", "the `agent` whose customer they are")
	f.StringSliceVar(&p.phones, "phone", nil, "their `numbers`, all of them")
	f.StringSliceVar(&p.tags, "tag", nil, "their `tags`, all of them")
	f.StringArrayVar(&p.fields, "field", nil, "what flows read, as `key=value`; a value may be JSON, nothing takes the field away; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("owner", agents.complete) // the flag is there
}

// doc is what was said, and nothing else.
func (p *particulars) doc(cmd *cobra.Command) (map[string]any, error) {
	doc := map[string]any{}
	for flag, v := range map[string]any{"name": p.name, "company": p.company, "owner": p.owner} {
		if cmd.Flags().Changed(flag) {
			doc[flag] = v
		}
	}
	if cmd.Flags().Changed("phone") {
		doc["phones"] = p.phones
	}
	if cmd.Flags().Changed("tag") {
		doc["tags"] = p.tags
	}
	fields := map[string]any{}
	for _, f := range p.fields {
		key, value, ok := strings.Cut(f, "=")
		if !ok || key == "" {
			return nil, misuse(cmd, "--field %s: write key=value", f)
		}
		var v any = value
		if value == "" {
			v = nil
		} else if json.Unmarshal([]byte(value), &v) != nil {
			v = value
		}
		fields[key] = v
	}
	if len(fields) > 0 {
		doc["fields"] = fields
	}
	return doc, nil
}

func (c *command) contactAdd() *cobra.Command {
	var p particulars
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Add a person", Args: exactly("the name"),
		Example: `  callyard contact add "Ana García" --company ACME --phone +34600000001,+34910000001 --field deal='{"amount":80000}'`,
	}
	p.flags(cmd)
	return c.asking(cmd, func(ctx context.Context, hub *client.Client, args []string) error {
		doc, err := p.doc(cmd)
		if err != nil {
			return err
		}
		doc["name"] = args[0]
		return c.saveContact(ctx, hub, http.MethodPost, contacts, doc)
	})
}

func (c *command) contactSet() *cobra.Command {
	var p particulars
	cmd := &cobra.Command{
		Use: "set CONTACT", Short: "Change what is known of a person; what is not named stays", Args: exactly("the contact's id"),
		Example: "  callyard contact set con_01hx… --owner ben\n  callyard contact set con_01hx… --field tier=gold --field old=",
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&p.name, "name", "", "their name")
	return c.asking(cmd, func(ctx context.Context, hub *client.Client, args []string) error {
		doc, err := p.doc(cmd)
		if err != nil {
			return err
		}
		if len(doc) == 0 {
			return misuse(cmd, "there is nothing to change: say what, for example --owner ann")
		}
		return c.saveContact(ctx, hub, http.MethodPatch, contacts+"/"+url.PathEscape(args[0]), doc)
	})
}

func (c *command) saveContact(ctx context.Context, hub *client.Client, method, path string, doc map[string]any) error {
	var saved json.RawMessage
	if err := change(ctx, hub, method, path, doc, &saved); err != nil {
		return err
	}
	if c.json() {
		return c.printJSON(saved)
	}
	var p contact
	if err := json.Unmarshal(saved, &p); err != nil {
		return fmt.Errorf("the hub's answer is not understood: %w", err)
	}
	c.printf("%s  %s\n", p.ID, p.Name)
	return nil
}

func (c *command) contactDelete() *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "delete CONTACT", Short: "Take a person out of the address book", Args: exactly("the contact's id"), Example: "  callyard contact delete con_01hx…",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		if err := change(ctx, hub, http.MethodDelete, contacts+"/"+url.PathEscape(args[0]), nil, nil); err != nil {
			return fmt.Errorf("contact %s: %w", args[0], err)
		}
		return c.print(map[string]string{"id": args[0]}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s is deleted\n", args[0]) })
	})
}

func (c *command) contactImport() *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "import FILE", Short: "Add many people, or bring them up to date, from CSV or JSON", Args: exactly("FILE"),
		Long: `Columns of a CSV file are name, company, owner, tags and phone…; any other is a
field that flows can read. A JSON file is a list of contacts.`,
		Example: "  callyard contact import customers.csv",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		data, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		kind := "text/csv"
		if strings.EqualFold(filepath.Ext(args[0]), ".json") {
			kind = "application/json"
		}
		var done struct {
			Created  int `json:"created"`
			Changed  int `json:"changed"`
			Same     int `json:"unchanged"`
			Problems []struct {
				Line int    `json:"line"`
				Why  string `json:"why"`
			} `json:"problems"`
		}
		var raw json.RawMessage
		if err := change(ctx, hub, http.MethodPost, contacts+"/import", client.File{Type: kind, Data: data}, &raw); err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if err := json.Unmarshal(raw, &done); err != nil {
			return fmt.Errorf("the hub's answer is not understood: %w", err)
		}
		return c.print(raw, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "%d added, %d changed, %d as they were\n", done.Created, done.Changed, done.Same)
			for _, p := range done.Problems {
				_, _ = fmt.Fprintf(w, "line %d: %s\n", p.Line, p.Why)
			}
		})
	})
}

package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

func (c *command) events() *cobra.Command {
	var (
		l      client.Listening
		follow bool
		r      reach
	)
	cmd := &cobra.Command{
		Use: "events", Short: "Show how things stand, or with --follow what happens", Args: exactly(),
		Long: `Without --follow: what is parked and which calls go on at this moment.

With --follow: every fact of the ledger as it is noted, until Ctrl-C. After a
broken connection it goes on where it stopped. -o json prints one object a line.`,
		Example: `  callyard events --follow
  callyard events --follow --type park.*,call.ended -o json
  callyard events --follow --call call_01hx…
  callyard events --follow --after 81723`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			hub, err := r.client()
			if err != nil {
				return err
			}
			if !follow {
				if l.Type != "" || l.After != "" {
					return misuse(cmd, "--type and --after are for --follow")
				}
				return c.snapshot(cmd.Context(), hub, l)
			}
			err = hub.Follow(cmd.Context(), l, func(err error) {
				_, _ = fmt.Fprintf(c.Err, "%v; connecting again\n", err)
			}, c.tellEvent)
			if errors.Is(err, context.Canceled) {
				return nil // Ctrl-C
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "show what happens from now on")
	f.StringVar(&l.Type, "type", "", "only `types` of facts, with commas: park.parked,queue.*")
	f.StringVar(&l.Call, "call", "", "only of this `call`")
	f.StringVar(&l.After, "after", "", "go on behind the fact with this `id`")
	r.flags(f)
	return cmd
}

// snapshot prints the stream's first message.
func (c *command) snapshot(ctx context.Context, hub *client.Client, l client.Listening) error {
	ctx, cancel := client.Within(ctx)
	defer cancel()
	e, err := hub.Listen(ctx, l)
	if err != nil {
		return err
	}
	defer e.Close()
	m, err := e.Message()
	if err != nil {
		return err
	}
	var s struct {
		Parked []json.RawMessage `json:"parked_calls"`
		Live   []json.RawMessage `json:"live_calls"`
	}
	if err := json.Unmarshal(m.Data, &s); err != nil {
		return fmt.Errorf("the hub's answer is not understood: %w", err)
	}
	if c.json() {
		return c.printJSON(m.Data)
	}
	if len(s.Parked)+len(s.Live) == 0 {
		c.printf("nobody is parked, and no call goes on here\n")
		return nil
	}
	return c.print(nil, func(w io.Writer) {
		table(s.Live, []column{{"CALL", "id"}, {"FROM", "from"}, {"TO", "to"}, {"STATE", "state"}, {"REP", "agent"}, {"SINCE", "since"}})(w)
		if len(s.Parked) > 0 {
			_, _ = fmt.Fprintln(w)
			table(s.Parked, []column{{"PARKED", "id"}, {"CALL", "call_id"}, {"LOT", "lot"}, {"SLOT", "slot"}, {"FROM", "from"}, {"BY", "parker"}, {"SINCE", "parked_at"}})(w)
		}
	})
}

// tellEvent prints one message of the stream.
func (c *command) tellEvent(m client.Message) error {
	switch m.Event {
	case "snapshot":
		return nil
	case "resync":
		_, _ = fmt.Fprintln(c.Err, "more was missed than can be told; going on from now")
		return nil
	}
	switch c.format {
	case "json":
		var line bytes.Buffer
		if err := json.Compact(&line, m.Data); err != nil {
			return fmt.Errorf("event %s: %w", m.ID, err)
		}
		line.WriteByte('\n')
		_, err := c.Out.Write(line.Bytes())
		return err
	case "yaml":
		c.printf("---\n")
		return c.printJSON(m.Data)
	}
	var e struct {
		At   time.Time
		Call string
		Type string
	}
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return fmt.Errorf("event %s: %w", m.ID, err)
	}
	_, err := fmt.Fprintf(c.Out, "%s  %s  %-22s  %s\n", e.At.Local().Format("15:04:05.000"), e.Call, e.Type, details(m.Data))
	return err
}

// details are the rest of a fact in a few words: what it is about, then its data.
func details(doc json.RawMessage) string {
	var fact map[string]any
	_ = json.Unmarshal(doc, &fact) // it was read before
	var out []string
	add := func(key string, v any) {
		if s := cell(v, ""); s != "–" {
			out = append(out, key+"="+s)
		}
	}
	for _, key := range []string{"lot", "slot", "queue", "flow", "node", "cause"} {
		add(key, fact[key])
	}
	if actor, ok := fact["actor"].(map[string]any); ok {
		add("by", cmp.Or[any](actor["user"], actor["via"]))
	}
	data, _ := fact["data"].(map[string]any)
	keys := make([]string, 0, len(data))
	for key := range data {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		add(key, data[key])
	}
	return strings.Join(out, " ")
}

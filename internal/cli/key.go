package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// apiKey is a key as the hub shows it.
type apiKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Secret    string     `json:"secret,omitempty"`
	Last4     string     `json:"last4"`
	Scopes    []string   `json:"scopes"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

func (c *command) key() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "key", Short: "API keys: make, list and revoke them",
		Example: `  callyard key create wallboard --scope read
  callyard key revoke key_01hx…`,
	}, c.keyCreate(), c.keyList(), c.keyRevoke())
}

func (c *command) keyCreate() *cobra.Command {
	var scopes []string
	cmd := c.asking(&cobra.Command{
		Use: "create NAME", Short: "Make a key; it is printed only now", Args: exactly("the name"),
		Example: "  callyard key create wallboard --scope read\n  callyard key create deploy --scope flows:write",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		var k apiKey
		if err := change(ctx, hub, http.MethodPost, "/v1/keys", map[string]any{"name": args[0], "scopes": scopes}, &k); err != nil {
			return err
		}
		return c.print(k, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s\t(shown only now; its id is %s)\n", k.Secret, k.ID) })
	})
	cmd.Flags().StringSliceVar(&scopes, "scope", []string{"read"}, "read, write, admin, or read or write of one `resource`, as flows:write; several with commas")
	return cmd
}

func (c *command) keyList() *cobra.Command {
	return listing(c, &cobra.Command{Short: "List keys, the newest first", Example: "  callyard key list"}, "/v1/keys", nil, func(w io.Writer, list []apiKey) {
		_, _ = fmt.Fprintln(w, "KEY\tNAME\tENDS IN\tSCOPES\tUSED\tSTATE")
		for _, k := range list {
			used, state := "never", "ok"
			if k.UsedAt != nil {
				used = k.UsedAt.Local().Format(time.DateTime)
			}
			if k.RevokedAt != nil {
				state = "revoked"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Last4, strings.Join(k.Scopes, " "), used, state)
		}
	})
}

func (c *command) keyRevoke() *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "revoke KEY", Short: "Make a key useless", Args: exactly("the key's id"), Example: "  callyard key revoke key_01hx…",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		if err := change(ctx, hub, http.MethodDelete, "/v1/keys/"+url.PathEscape(args[0]), nil, nil); err != nil {
			return err
		}
		return c.print(map[string]string{"id": args[0]}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s opens no more\n", args[0]) })
	})
}

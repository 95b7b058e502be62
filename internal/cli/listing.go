package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// listing is a command that lists what is at a path, to its end: what query picks of
// it, when the flags are read. show writes the table, cells separated by tabs.
func listing[T any](c *command, cmd *cobra.Command, path string, query func() url.Values, show func(w io.Writer, list []T)) *cobra.Command {
	cmd.Use, cmd.Args = "list", exactly()
	return c.asking(cmd, func(ctx context.Context, hub *client.Client, _ []string) error {
		var q url.Values
		if query != nil {
			q = query()
		}
		all, err := kind{path: path}.some(ctx, hub, q)
		if err != nil {
			return err
		}
		list := make([]T, len(all))
		for i, one := range all {
			if err := json.Unmarshal(one, &list[i]); err != nil {
				return fmt.Errorf("%s: the answer is not understood: %w", path, err)
			}
		}
		return c.print(map[string]any{"data": all}, func(w io.Writer) { show(w, list) })
	})
}

package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/config"
)

func (c *command) config() *cobra.Command {
	return c.group(&cobra.Command{Use: "config", Short: "Show how this machine's node would run", Example: "  callyard config print -o yaml"}, c.configPrint())
}

func (c *command) configPrint() *cobra.Command {
	var s settings
	var redacted bool
	cmd := &cobra.Command{
		Use: "print", Short: "Print each key of the configuration, its value, and whether anybody has set it", Args: exactly(),
		Long: `Reads the file, the environment and the flags as 'callyard serve' would, and prints
what is in force. What lots, queues and flows say is in the database: see
GET /v1/effective_config.`,
		Example: `  callyard config print --config callyard.yaml
  callyard config print --redacted=false -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd, config.Default())
			if err != nil {
				return err
			}
			list := cfg.Settings(!redacted)
			return c.print(map[string]any{"data": list}, func(w io.Writer) {
				_, _ = fmt.Fprintln(w, "KEY\tVALUE\tFROM")
				for _, one := range list {
					from := "default"
					if one.Set {
						from = "set"
					}
					_, _ = fmt.Fprintf(w, "%s\t%v\t%s\n", one.Key, one.Value, from)
				}
			})
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().BoolVar(&redacted, "redacted", true, "secrets are hidden")
	return cmd
}

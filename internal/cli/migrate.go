package cli

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pg/embedded"
)

func (c *command) migrate() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the database up to date and nothing else", Args: exactly(),
		Long: `Bring the database up to date and print what was applied. A hub does so by
itself when it starts; this is for those who do it beforehand, with an account
that may change tables.`,
		Example: `  callyard migrate
  DATABASE_URL=postgres://owner@db/callyard callyard migrate`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd, config.Default())
			if err != nil {
				return err
			}
			return c.migrateDatabase(cmd.Context(), cfg)
		},
	}
	s.flags(cmd.Flags())
	for _, other := range []string{"node", "sip-listen", "sip-advertise", "http-listen", "ops-listen", "region"} {
		_ = cmd.Flags().MarkHidden(other) // they exist
	}
	return cmd
}

func (c *command) migrateDatabase(ctx context.Context, cfg config.Config) (err error) {
	url := cfg.Database
	if url == "" {
		cluster, err2 := embedded.Start(ctx, clusterDir(cfg))
		if err2 != nil {
			return err2
		}
		defer func() {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
			defer cancel()
			err = errors.Join(err, cluster.Stop(stop))
		}()
		url = cluster.URL()
	}
	log := cfg.Log
	if log.Level == "info" {
		log.Level = "warn" // River tells of each of its steps
	}
	db, err := pg.Open(ctx, url, logger(c.Err, log))
	if err != nil {
		return err
	}
	defer db.Close()
	todo, err := pg.Pending(ctx, db)
	if err != nil {
		return err
	}
	if err := pg.Migrate(ctx, db); err != nil {
		return err
	}
	if c.json() {
		return c.printJSON(map[string]any{"applied": append([]string{}, todo...)})
	}
	if len(todo) == 0 {
		c.printf("The database is up to date.\n")
	}
	for _, name := range todo {
		c.printf("applied %s\n", filepath.Base(name))
	}
	return nil
}

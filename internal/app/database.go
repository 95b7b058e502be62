package app

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pg/embedded"
	"github.com/callyard/callyard/parking"
)

func (a *App) openDatabase(ctx context.Context) error {
	held, err := holdFolder(a.cfg.DataDir)
	if err != nil {
		return err
	}
	a.onStop("data folder", func(context.Context) error { held.release(); return nil })
	url, err := a.databaseURL(ctx)
	if err != nil {
		return err
	}
	if a.DB, err = pg.Open(ctx, url, a.log.With("part", "db")); err != nil {
		return err
	}
	a.onStop("database connections", func(context.Context) error { a.DB.Close(); return nil })
	return pg.Migrate(ctx, a.DB)
}

// databaseURL is the database to use: the one that is named, else an embedded
// cluster in the data folder, which is started.
func (a *App) databaseURL(ctx context.Context) (string, error) {
	if a.cfg.Database != "" {
		return a.cfg.Database, nil
	}
	begun := time.Now()
	cluster, err := embedded.Start(ctx, filepath.Join(a.cfg.DataDir, "postgres"))
	if err != nil {
		return "", fmt.Errorf("embedded database: %w", err)
	}
	a.log.Info("embedded database runs", "folder", filepath.Join(a.cfg.DataDir, "postgres"), "took", time.Since(begun).Round(time.Millisecond))
	a.onStop("embedded database", func(ctx context.Context) error {
		// Also when the time for stopping is up: a database that is not stopped has to recover.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return cluster.Stop(ctx)
	})
	return cluster.URL(), nil
}

// endParks closes parks whose call ended with this node.
func (a *App) endParks(ctx context.Context, node call.NodeID, now time.Time) (int, error) {
	parks, err := a.Lots.Live(ctx, parking.Filter{Node: node})
	if err != nil {
		return 0, fmt.Errorf("parks left by a crash: %w", err)
	}
	for _, p := range parks {
		if _, err := a.Lots.End(ctx, p.ID, 0, parking.AbandonedOutage, call.Actor{Via: "restart"}, now); err != nil {
			return 0, fmt.Errorf("parks left by a crash: %w", err)
		}
	}
	return len(parks), nil
}

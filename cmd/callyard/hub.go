package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/callyard/callyard/internal/app"
	"github.com/callyard/callyard/internal/cli"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/setup"
)

// hub is a node as the commands see it.
type hub struct{ *app.App }

func start(ctx context.Context, cfg config.Config, log *slog.Logger) (cli.Hub, error) {
	a, err := app.Start(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	return hub{a}, nil
}

// Agents names the agents there are.
func (h hub) Agents(ctx context.Context) ([]string, error) {
	list, err := h.App.Agents.Agents(ctx)
	names := make([]string, 0, len(list))
	for _, a := range list {
		names = append(names, a.Name)
	}
	return names, err
}

// Setup brings the configuration in line with a document; the audit log says where
// it is from.
func (h hub) Setup(ctx context.Context, from string, d setup.Document) ([]setup.Change, error) {
	return h.App.Setup(pg.By(ctx, pg.Author{Kind: "setup", Name: from, Node: h.Node(), At: time.Now()}), d)
}

// Addrs is where the node listens.
func (h hub) Addrs() cli.Addrs {
	return cli.Addrs{SIP: h.SIP.Addrs(), HTTP: h.HTTPAddr(), Ops: h.OpsAddr()}
}

// FirstKey is the API key made at the first start.
func (h hub) FirstKey() string { return h.APIKey }

// NewKey makes another API key.
func (h hub) NewKey(ctx context.Context, name string) (string, error) {
	_, secret, err := keypg.New(h.DB).Create(ctx, keypg.Key{Name: name, Scopes: []keypg.Scope{keypg.Admin}}, time.Now())
	return secret, err
}

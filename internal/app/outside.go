package app

import (
	"context"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/egress"
	"github.com/callyard/callyard/routing"
)

// askOutside makes the requests of flows' http nodes.
func (a *App) askOutside() (func(context.Context, string, routing.HTTP) (int, []byte, error), error) {
	o := a.cfg.HTTPOut
	allow, err := config.Prefixes(o.AllowNets)
	if err != nil {
		return nil, fmt.Errorf("http_out.allow_nets: %w", err)
	}
	asker := egress.Asker{Client: egress.New(egress.Config{Allow: allow, PerHost: o.PerHost, Total: o.Total}), Now: time.Now}
	if o.Secret != "" {
		signer, err := egress.NewSigner(o.Secret, o.OldSecret)
		if err != nil {
			return nil, fmt.Errorf("http_out.secret: %w", err)
		}
		asker.Signer = &signer
	}
	return func(ctx context.Context, id string, q routing.HTTP) (int, []byte, error) {
		return asker.Ask(ctx, egress.Question{
			ID: id, Method: q.Method, URL: q.URL, Headers: q.Headers, Body: q.Body, Signed: q.Signed, Wanted: q.Wanted,
		})
	}, nil
}

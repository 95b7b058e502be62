package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/callyard/callyard/callback/callbackpg"
	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/contacts"
	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/crm/webhook"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/disposition/dispositionpg"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/promptpg"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/parking/parkingpg"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/routing/routingpg"
	"github.com/callyard/callyard/voicemail/voicemailpg"
	"github.com/callyard/callyard/webhooks/webhookspg"
)

func (a *App) openStores(ctx context.Context) error {
	a.Contacts, a.Outbox = crmpg.NewContacts(a.DB), crmpg.NewOutbox(a.DB)
	providers, err := a.providers()
	if err != nil {
		return err
	}
	a.crms = providers

	var others []string // the address book is in this database
	for _, p := range providers {
		if p.Name() != contacts.Name {
			others = append(others, p.Name())
		}
	}
	a.Book = callpg.New(a.DB, func(ctx context.Context, tx *pg.Tx, acts []crm.Activity) error {
		crmpg.Keep(tx, acts)
		return crmpg.Put(ctx, tx, acts, others...)
	})
	a.Owed = callbackpg.New(a.DB)
	a.Said = dispositionpg.New(a.DB, func(ctx context.Context, tx *pg.Tx, id call.ID, s disposition.Said) error {
		return crmpg.Revise(ctx, tx, string(id), func(a *crm.Activity) { a.Dispose(callpg.Logged(s)) }, others...)
	})
	a.Lots, a.Agents, a.Routes = parkingpg.New(a.DB), queuespg.New(a.DB), routingpg.New(a.DB)
	a.plan = &planner{db: a.DB, lots: a.Lots, agents: a.Agents, routes: a.Routes, origin: rand.Text(), log: a.log.With("part", "plan")}
	a.Mail, a.Webhooks = voicemailpg.New(a.DB), webhookspg.New(a.DB)
	a.newLamps()
	a.plan.loaded = append(a.plan.loaded, func(context.Context, part) { a.lamps.Touch() })
	a.sounds = newSounds(promptpg.New(a.DB), a.cfg.TTS.Command, a.cfg.DataDir)
	a.plan.loaded = append(a.plan.loaded, func(ctx context.Context, read part) { // before the plan is watched
		if read&partSounds == 0 {
			return
		}
		if err := a.sounds.load(ctx); err != nil {
			a.log.Warn("prompts not read; those before stay in force", "err", err)
		}
	})
	a.dir = crm.NewDirectory(providers[0], nil, crm.DirectoryOptions{Now: time.Now, Log: a.log.With("part", "crm")})
	a.onStop("directory", func(context.Context) error { a.dir.Close(); return nil })
	if err := a.tidyUp(ctx); err != nil {
		return err
	}
	if err := a.plan.Load(ctx); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		a.plan.watch(run)
	}()
	a.onStop("plan", func(context.Context) error { cancel(); <-watched; return nil })
	return nil
}

// tidyUp closes what a crash of this node left open: its calls are gone with
// their sockets.
func (a *App) tidyUp(ctx context.Context) error {
	now, node := time.Now(), call.NodeID(a.cfg.Node)
	parks, err := a.endParks(ctx, node, now)
	if err != nil {
		return err
	}
	if parks > 0 {
		a.log.Warn("parked callers were cut off by a crash", "parks", parks)
	}
	if err := a.Agents.ResetNode(ctx, node, now); err != nil {
		return fmt.Errorf("free the agents of this node: %w", err)
	}
	if err := a.Owed.Reset(ctx, node, now); err != nil {
		return err
	}
	n, err := a.Book.CloseOrphans(ctx, node, now)
	if err != nil {
		return err
	}
	if n > 0 {
		a.log.Warn("calls of this node were cut off by a crash", "calls", n)
	}
	return nil
}

// providers are where calls are logged: the built-in address book first.
func (a *App) providers() ([]crm.Provider, error) {
	out := []crm.Provider{contacts.Provider{Store: a.Contacts}}
	if w := a.cfg.Webhook; w.URL != "" {
		p, err := webhook.New(webhook.Options{URL: w.URL, Secret: w.Secret, Now: time.Now})
		if err != nil {
			return nil, fmt.Errorf("webhook: %w", err)
		}
		a.hook = p
		out = append(out, p)
	}
	return out, nil
}

// Setup brings the configuration in line with a document.
func (a *App) Setup(ctx context.Context, d setup.Document) ([]setup.Change, error) {
	return a.SetUp(ctx, d, setup.Options{})
}

// SetUp is Setup with options.
func (a *App) SetUp(ctx context.Context, d setup.Document, o setup.Options) ([]setup.Change, error) {
	changes, err := setup.Apply(ctx, a.stores(), d, o, time.Now())
	if o.DryRun {
		return changes, err
	}
	return changes, errors.Join(err, a.plan.Changed(ctx, ""))
}

// Export is the configuration as a set-up file.
func (a *App) Export(ctx context.Context, contacts bool) (setup.Exported, error) {
	return setup.Export(ctx, a.stores(), contacts)
}

func (a *App) stores() setup.Stores {
	return setup.Stores{
		Lots: a.Lots, Agents: a.Agents, Routes: a.Routes, Contacts: a.Contacts,
		Realm: a.cfg.SIP.Realm, Prompt: a.Media.Library().Has, Prompts: a.Media.Library().Names, Dispositions: a.Said, Channel: a.cfg.Channel,
		InUse: a.inUse, Waiting: a.waitingIn,
	}
}

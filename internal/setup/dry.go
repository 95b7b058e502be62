package setup

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// dry is the stores with their pens taken away: what Apply says it has changed is
// what it would change.
func (s Stores) dry() Stores {
	s.Lots, s.Agents, s.Routes, s.Contacts, s.Dispositions = dryLots{s.Lots}, dryAgents{s.Agents}, dryRoutes{s.Routes}, dryContacts{s.Contacts}, dryDispositions{s.Dispositions}
	return s
}

// Other names for what is embedded, whose methods are called like it.
type (
	lotStore   = Lots
	agentStore = Agents
	book       = Contacts
)

type dryLots struct{ lotStore }

func (dryLots) SaveLot(context.Context, parking.Lot) error { return nil }

func (dryLots) DeleteLot(context.Context, string) error { return nil }

type dryAgents struct{ agentStore }

func (dryAgents) SaveQueue(context.Context, queues.Queue) error { return nil }

func (dryAgents) DeleteQueue(context.Context, string) error { return nil }

func (dryAgents) SaveAgent(context.Context, queues.Agent) error { return nil }

func (dryAgents) DeleteAgent(context.Context, string) error { return nil }

type dryDispositions struct{ Dispositions }

func (dryDispositions) SaveCodes(context.Context, disposition.List) error { return nil }

type dryRoutes struct{ Routes }

func (dryRoutes) SaveTrunk(context.Context, routing.Trunk) error { return nil }

func (dryRoutes) DeleteTrunk(context.Context, string) error { return nil }

func (dryRoutes) SaveNumber(context.Context, routing.Number) error { return nil }

func (dryRoutes) DeleteNumber(context.Context, string) error { return nil }

// SaveCalendar says whether the calendar is as it is stored.
func (d dryRoutes) SaveCalendar(ctx context.Context, c *routing.Calendar, now time.Time) (routingpg.Calendar, bool, error) {
	all, err := d.Calendars(ctx)
	if err != nil {
		return routingpg.Calendar{}, false, err
	}
	next := routingpg.Calendar{Name: c.Name(), Revision: 1, Doc: c.Doc(), SavedAt: now}
	for _, is := range all {
		switch {
		case is.Name != c.Name():
		case bytes.Equal(is.Doc, c.Doc()):
			return is, false, nil
		default:
			next.Revision = is.Revision + 1
		}
	}
	return next, true, nil
}

func (dryRoutes) DeleteCalendar(context.Context, string) error { return nil }

func (dryRoutes) DeleteFlow(context.Context, string) error { return nil }

// PutFlow says whether the document is what is live. That it is sound has been
// checked.
func (d dryRoutes) PutFlow(ctx context.Context, doc []byte, _ string, _ time.Time, _ func(*routing.Flow) routing.Findings) (*routing.Flow, bool, error) {
	f, err := routing.Parse(doc)
	if err != nil {
		return nil, false, err
	}
	live, err := d.LiveVersion(ctx, f.Name())
	switch {
	case errors.As(err, new(*routingpg.NotFoundError)):
		return f.WithVersion(1), true, nil
	case err != nil:
		return nil, false, err
	case routingpg.Same(live.Doc, doc):
		return f.WithVersion(live.N), false, nil
	}
	return f.WithVersion(live.N + 1), true, nil
}

type dryContacts struct{ book }

// SaveByPhone finds whom the contact would be: somebody of the same name with one
// of the numbers. Whatever of it they lack would be added.
func (d dryContacts) SaveByPhone(ctx context.Context, c crm.Contact, _ time.Time) (changed, created bool, err error) {
	for _, n := range c.Phones {
		there, err := d.ByNumber(ctx, n)
		if err != nil {
			return false, false, err
		}
		for _, h := range there {
			if strings.EqualFold(h.Name, c.Name) {
				return adds(c, h), false, nil
			}
		}
	}
	return false, true, nil
}

// adds says whether a contact says something that is not known already.
func adds(c, known crm.Contact) bool {
	if c.Name != known.Name || c.Company != known.Company || c.Owner != known.Owner {
		return true
	}
	for k, v := range c.Fields {
		if !equal(known.Fields[k], v) {
			return true
		}
	}
	lacks := func(n call.Number) bool { return !slices.Contains(known.Phones, n) }
	return slices.ContainsFunc(c.Phones, lacks) || !equal(some(c.Tags), some(known.Tags))
}

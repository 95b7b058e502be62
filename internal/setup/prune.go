package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// Use is what live calls use: "flow", "trunk", "number" or "agent", and which.
type Use struct{ Kind, Name string }

// removal is something that the document does not name.
type removal struct {
	Use
	drop func(context.Context) error
}

// surplus lists what is stored and not in the document, of the kinds that the
// document has a list of, in the order in which it can be removed: what leads to
// something goes before it. Contacts are people's, not configuration.
func surplus(ctx context.Context, s Stores, d Document) (list []removal, err error) {
	if d.Numbers != nil {
		have, err := s.Routes.Numbers(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range have {
			if !slices.ContainsFunc(d.Numbers, func(n routing.Number) bool { return n.Number == h.Number }) {
				list = append(list, removal{Use{"number", string(h.Number)}, func(ctx context.Context) error { return s.Routes.DeleteNumber(ctx, h.ID) }})
			}
		}
	}
	if d.Flows != nil {
		named := map[string]bool{}
		for _, doc := range d.Flows {
			f, err := routing.Parse(doc)
			if err != nil {
				return nil, err
			}
			named[f.Name()] = true
		}
		have, err := s.Routes.Flows(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range have {
			if !named[h.Name] {
				list = append(list, removal{Use{"flow", h.Name}, func(ctx context.Context) error { return s.Routes.DeleteFlow(ctx, h.Name) }})
			}
		}
	}
	if d.Calendars != nil {
		named, err := namedCalendars(d.Calendars)
		if err != nil {
			return nil, err
		}
		have, err := s.Routes.Calendars(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range have {
			if named[h.Name] == nil {
				list = append(list, removal{Use{"calendar", h.Name}, func(ctx context.Context) error { return s.Routes.DeleteCalendar(ctx, h.Name) }})
			}
		}
	}
	if d.Queues != nil {
		have, err := s.Agents.Queues(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range have {
			if !slices.ContainsFunc(d.Queues, func(q queues.Queue) bool { return q.Name == h.Name }) {
				list = append(list, removal{Use{"queue", h.Name}, func(ctx context.Context) error { return s.Agents.DeleteQueue(ctx, h.Name) }})
			}
		}
	}
	if d.Lots != nil {
		have, err := s.Lots.Lots(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range have {
			if !slices.ContainsFunc(d.Lots, func(l parking.Lot) bool { return l.Name == h.Name }) {
				list = append(list, removal{Use{"lot", h.Name}, func(ctx context.Context) error { return s.Lots.DeleteLot(ctx, h.Name) }})
			}
		}
	}
	if d.Agents != nil {
		have, err := s.Agents.Agents(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range have {
			if !slices.ContainsFunc(d.Agents, func(a Agent) bool { return a.Name == h.Name }) {
				list = append(list, removal{Use{"agent", h.Name}, func(ctx context.Context) error { return s.Agents.DeleteAgent(ctx, h.Name) }})
			}
		}
	}
	if d.Trunks != nil {
		have, err := s.Routes.Trunks(ctx)
		if err != nil {
			return nil, err
		}
		for _, h := range have {
			if !slices.ContainsFunc(d.Trunks, func(t routing.Trunk) bool { return t.Name == h.Name }) {
				list = append(list, removal{Use{"trunk", h.Name}, func(ctx context.Context) error { return s.Routes.DeleteTrunk(ctx, h.ID) }})
			}
		}
	}
	return list, nil
}

// checkPruned finds what a flow that stays names and that would go.
func checkPruned(ctx context.Context, s Stores, d Document, going []removal) error {
	known, err := KnownTo(ctx, s, d)
	if err != nil {
		return err
	}
	gone := map[Use]bool{}
	for _, r := range going {
		gone[r.Use] = true
	}
	for kind, has := range map[string]*func(string) bool{"lot": &known.Lot, "queue": &known.Queue, "agent": &known.Agent} {
		before := *has
		*has = func(name string) bool { return !gone[Use{kind, name}] && before(name) }
	}
	shared := known.Calendar
	known.Calendar = func(name string) *routing.Calendar {
		if gone[Use{"calendar", name}] {
			return nil
		}
		return shared(name)
	}
	callable := known.Flow
	known.Flow = func(name string) *routing.Flow {
		if gone[Use{"flow", name}] {
			return nil
		}
		return callable(name)
	}
	var found routing.Findings
	for i, doc := range d.Flows {
		f, err := routing.Parse(doc)
		if err != nil {
			return err
		}
		found = append(found, at(i, sim.Check(ctx, f, known).Errors())...)
	}
	if len(found) > 0 {
		return &FlowsError{found}
	}
	return nil
}

// prune removes. What calls use now, or leads to something that stays, is kept, and
// the change says why: another apply removes it later.
func (a *applier) prune(ctx context.Context, list []removal, dry bool) error {
	used, err := a.s.InUse(ctx)
	if err != nil {
		return err
	}
	waiting, err := a.s.Waiting(ctx)
	if err != nil {
		return err
	}
	for _, r := range list {
		ch := Change{Kind: r.Kind, Name: r.Name, Action: "removed"}
		switch {
		case slices.Contains(used, r.Use):
			ch.Action, ch.Why = "kept", "calls use it now"
		case slices.Contains(waiting, r.Use):
			ch.Action, ch.Why = "kept", "callers wait in it now"
		case dry:
		default:
			err := r.drop(ctx)
			var lines *queues.InUseError
			var flow *routingpg.InUseError
			var calendar *routingpg.CalendarInUseError
			switch {
			case err == nil:
			case errors.Is(err, parking.ErrInUse), errors.As(err, &lines):
				ch.Action, ch.Why = "kept", "callers wait in it now"
			case errors.As(err, &flow), errors.As(err, &calendar):
				ch.Action, ch.Why = "kept", err.Error()
			default:
				return fmt.Errorf("remove %s %s: %w", r.Kind, r.Name, err)
			}
		}
		a.changes = append(a.changes, ch)
	}
	return nil
}

package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// checkCalendars finds what is wrong with the calendars of a document, a line for
// each fault.
func checkCalendars(docs []json.RawMessage) error {
	var errs []error
	there := map[string]int{}
	for i, doc := range docs {
		c, err := routing.ParseCalendar(doc)
		bad, faulty := errors.AsType[*routing.CalendarError](err)
		switch {
		case faulty:
			for _, f := range bad.Findings {
				errs = append(errs, fmt.Errorf("calendars[%d].%s: %s", i, f.Location, f.Message))
			}
		case err != nil:
			errs = append(errs, fmt.Errorf("calendars[%d]: %w", i, err))
		default:
			if first, twice := there[c.Name()]; twice {
				errs = append(errs, fmt.Errorf("calendars[%d].name: %q is calendars[%d] already", i, c.Name(), first))
			}
			there[c.Name()] = i
		}
	}
	return errors.Join(errs...)
}

// namedCalendars are the calendars of a document, which has been checked.
func namedCalendars(docs []json.RawMessage) (map[string]*routing.Calendar, error) {
	out := map[string]*routing.Calendar{}
	for i, doc := range docs {
		c, err := routing.ParseCalendar(doc)
		if err != nil {
			return nil, fmt.Errorf("calendars[%d]: %w", i, err)
		}
		out[c.Name()] = c
	}
	return out, nil
}

func (a *applier) calendars(ctx context.Context, d Document) error {
	if len(d.Calendars) == 0 {
		return nil
	}
	have, err := a.s.Routes.Calendars(ctx)
	if err != nil {
		return err
	}
	for i, doc := range d.Calendars {
		c, err := routing.ParseCalendar(doc)
		if err != nil {
			return fmt.Errorf("calendars[%d]: %w", i, err) // Check has said so before
		}
		_, fresh, err := a.s.Routes.SaveCalendar(ctx, c, a.now)
		if err != nil {
			return err
		}
		existed := slices.ContainsFunc(have, func(h routingpg.Calendar) bool { return h.Name == c.Name() })
		a.did("calendar", c.Name(), existed, !fresh)
	}
	return nil
}

// shared finds the calendars that flows may name: those that are stored, and in
// their place those of the documents. One that cannot be read counts as not there.
func shared(ctx context.Context, s Stores, docs []Document) (find func(string) *routing.Calendar, names []string, err error) {
	stored, err := s.Routes.Calendars(ctx)
	if err != nil {
		return nil, nil, err
	}
	all := map[string]*routing.Calendar{}
	for _, is := range stored {
		if c, err := is.Parse(); err == nil {
			all[is.Name] = c
		}
	}
	for _, d := range docs {
		for _, doc := range d.Calendars {
			if c, err := routing.ParseCalendar(doc); err == nil {
				all[c.Name()] = c
			}
		}
	}
	return func(name string) *routing.Calendar { return all[name] }, slices.Collect(maps.Keys(all)), nil
}

package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// DocumentError says what in a document does not go with the rest of it, or with
// what is stored: everything at once.
type DocumentError struct{ Faults []string }

func (e *DocumentError) Error() string { return strings.Join(e.Faults, "\n") }

// checkReferences finds what the document names that would not be there once it
// is in force, and the codes that would then mean two things.
func checkReferences(ctx context.Context, s Stores, d Document) error {
	lots, err := s.Lots.Lots(ctx)
	if err != nil {
		return err
	}
	agents, err := s.Agents.Agents(ctx)
	if err != nil {
		return err
	}
	for _, l := range d.Lots {
		lots = With(lots, l, func(h parking.Lot) bool { return h.Name == l.Name })
	}
	for _, in := range d.Agents {
		a := queues.Agent{Name: in.Name, Extension: in.Extension}
		agents = With(agents, a, func(h queues.Agent) bool { return h.Name == in.Name })
	}
	var found []string
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	trunks, err := s.Routes.Trunks(ctx)
	if err != nil {
		return err
	}
	for i, t := range d.Trunks {
		if k := slices.IndexFunc(trunks, func(h routing.Trunk) bool { return h.Name == t.Name }); k >= 0 {
			t = t.Keeping(trunks[k])
		}
		for _, f := range t.Faults() {
			wrong("trunks[%d].%s: %s", i, f.Field, f.Why)
		}
	}
	for _, t := range d.Trunks {
		trunks = With(trunks, t, func(h routing.Trunk) bool { return h.Name == t.Name })
	}
	found = append(found, SharedAccounts(trunks, agents)...)
	for i, q := range d.Queues {
		for k, m := range q.Agents {
			if !slices.ContainsFunc(agents, func(a queues.Agent) bool { return a.Name == m.Agent }) {
				wrong("queues[%d].agents[%d]: there is no agent %q", i, k, m.Agent)
			}
		}
	}
	missing, err := missingFlows(ctx, s, d)
	if err != nil {
		return err
	}
	found = append(found, missing...)
	if e, ok := errors.AsType[*NumberingError](Conflicts(lots, agents)); ok {
		found = append(found, e.Faults...)
	}
	if len(found) == 0 {
		return nil
	}
	return &DocumentError{found}
}

// missingFlows are those that numbers lead to.
func missingFlows(ctx context.Context, s Stores, d Document) (found []string, err error) {
	if len(d.Numbers) == 0 {
		return nil, nil
	}
	there := map[string]bool{}
	stored, err := s.Routes.Flows(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range stored {
		there[f.Name] = true
	}
	for i, doc := range d.Flows {
		f, err := routing.Parse(doc)
		if err != nil {
			return nil, fmt.Errorf("flows[%d]: %w", i, err) // Check has said so before
		}
		there[f.Name()] = true
	}
	for i, n := range d.Numbers {
		if !there[n.Flow] {
			found = append(found, fmt.Sprintf("numbers[%d].flow: there is no flow %q", i, n.Flow))
		}
	}
	return found, nil
}

// With is the list with v in the place of the one that it replaces, or at its end.
func With[T any](list []T, v T, replaces func(T) bool) []T {
	list = slices.Clone(list)
	if i := slices.IndexFunc(list, replaces); i >= 0 {
		list[i] = v
		return list
	}
	return append(list, v)
}

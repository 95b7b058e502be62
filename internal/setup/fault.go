package setup

import (
	"context"
	"errors"
	"fmt"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

// FlowsError says why the flows of a document cannot be published: everything
// at once, each with its place in the document ("flows[0].nodes.park.cfg.lot").
type FlowsError struct{ Findings routing.Findings }

func (e *FlowsError) Error() string {
	first := e.Findings[0]
	if len(e.Findings) == 1 {
		return first.Location + ": " + first.Message
	}
	return fmt.Sprintf("%d faults, the first at %s: %s", len(e.Findings), first.Location, first.Message)
}

// checkFlows finds what would keep a flow of the document from being published
// once the rest of the document is in force, before anything of it is.
func checkFlows(ctx context.Context, s Stores, d Document) error {
	if len(d.Flows) == 0 {
		return nil
	}
	known, err := KnownTo(ctx, s, d)
	if err != nil {
		return err
	}
	var found routing.Findings
	for i, doc := range d.Flows {
		f, err := routing.Parse(doc)
		if err != nil {
			return fmt.Errorf("flows[%d]: %w", i, err) // Check has said so before
		}
		found = append(found, at(i, sim.Check(ctx, f, known).Errors())...)
	}
	if len(found) > 0 {
		return &FlowsError{found}
	}
	return nil
}

// flowFaults is what keeps a document from being a flow, a line for each fault.
func flowFaults(i int, err error) error {
	var bad *routing.ParseError
	if !errors.As(err, &bad) {
		return fmt.Errorf("flows[%d]: %w", i, err)
	}
	var errs []error
	for _, f := range at(i, bad.Findings) {
		errs = append(errs, errors.New(f.Location+": "+f.Message))
	}
	return errors.Join(errs...)
}

// at puts findings at their place in the document.
func at(i int, fs routing.Findings) routing.Findings {
	for k := range fs {
		fs[k].Location = fmt.Sprintf("flows[%d].%s", i, fs[k].Location)
	}
	return fs
}

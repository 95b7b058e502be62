package sim

import (
	"context"
	"errors"

	"github.com/callyard/callyard/routing"
)

// Tests runs the tests that a flow carries, each as an imagined call. A flow that
// calls others, or looks at shared calendars, must have been linked.
func Tests(ctx context.Context, f *routing.Flow) []routing.TestResult {
	out := make([]routing.TestResult, 0, len(f.Tests()))
	for _, t := range f.Tests() {
		r, err := Call(ctx, Anywhere, f, t.Given, t.Events)
		res := t.Judge(f, r.Path, r.Outcome)
		switch {
		case err != nil:
			res.Faults = append(res.Faults, err.Error())
		case r.Undecided != "":
			res.Faults = append(res.Faults, r.Undecided)
		}
		res.Passed = len(res.Faults) == 0
		out = append(out, res)
	}
	return out
}

// Check is all that stands in the way of publishing a flow, or should be
// doubted: what lint finds, and the tests that fail if lint finds no error.
func Check(ctx context.Context, f *routing.Flow, known routing.Known) routing.Findings {
	found := routing.Lint(f, known)
	if len(found.Errors()) > 0 {
		return found
	}
	linked, err := routing.Link(f, known.Parts())
	var bad *routing.LinkError
	if errors.As(err, &bad) {
		return append(found, bad.Findings...)
	}
	return append(found, routing.TestFindings(Tests(ctx, linked))...)
}

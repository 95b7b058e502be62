package callctl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
)

type stateError string

func (e stateError) Error() string    { return "database says " + string(e) }
func (e stateError) SQLState() string { return string(e) }

// What the database refuses for good is not tried again: it would hold up all
// that comes after.
func TestRefusedForGood(t *testing.T) {
	for _, tt := range []struct {
		err   error
		tries int
	}{
		{fmt.Errorf("note: %w", stateError("22021")), 1},
		{stateError("23505"), 1},
		{stateError("57P01"), 2}, // the server is being shut down
		{errors.New("connection refused"), 2},
	} {
		s := &scribe{log: slog.New(slog.DiscardHandler), ctx: t.Context()}
		tries, after := 0, false
		s.must("fact", func(context.Context) error {
			if tries++; tries == 2 {
				return nil
			}
			return tt.err
		})
		s.do(func(context.Context) { after = true })
		<-s.flushed()
		if tries != tt.tries || !after {
			t.Errorf("%v: %d tries, what follows was done: %v", tt.err, tries, after)
		}
	}
}

package callctl

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/call"
)

// Facts that are noted while the database is busy are written together, and never
// out of their order with other work.
func TestFactsShareATransaction(t *testing.T) {
	s := &scribe{log: slog.New(slog.DiscardHandler), ctx: t.Context()}
	var written []string
	write := func(name string) func(context.Context, []call.Event) error {
		return func(_ context.Context, facts []call.Event) error {
			line := name
			for _, f := range facts {
				line += " " + string(f.Type)
			}
			written = append(written, line)
			return nil
		}
	}
	gate := make(chan struct{})
	s.do(func(context.Context) { <-gate })
	for _, kind := range []call.EventType{"a", "b", "c"} {
		s.note(call.Event{Type: kind}, write("note"))
	}
	s.must("park", func(context.Context) error { written = append(written, "park"); return nil })
	s.note(call.Event{Type: "d"}, write("note"))
	s.last(call.Event{Type: "end"}, write("end"))
	s.note(call.Event{Type: "late"}, write("note"))
	close(gate)
	<-s.flushed()
	if want := []string{"note a b c", "park", "end d end", "note late"}; !slices.Equal(written, want) {
		t.Errorf("written:\n%s", strings.Join(written, "\n"))
	}
}

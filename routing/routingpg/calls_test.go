package routingpg_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// calling is a flow that calls another, or none, and returns.
func calling(name, other string) []byte {
	s := `"s": {"type": "return"}`
	if other != "" {
		s = fmt.Sprintf(`"s": {"type": "subflow", "cfg": {"flow": %q}, "on": {"default": "r"}}, "r": {"type": "return"}`, other)
	}
	return fmt.Appendf(nil, `{"schema": "callflow/v1", "name": %q, "entry": "s", "nodes": {%s}}`, name, s)
}

func TestFlowsThatCallFlows(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	put := func(name, other string) error {
		_, _, err := s.PutFlow(ctx, calling(name, other), "", noon, lintAlone)
		return err
	}
	t.Run("one that is not published cannot be called", func(t *testing.T) {
		bad := is[*routingpg.LintError](t, put("a", "b"))
		if f := bad.Findings.Errors(); len(f) != 1 || f[0].Location != "nodes.s.cfg.flow" {
			t.Errorf("findings are %v", f)
		}
	})
	for _, way := range []string{"c ", "b c", "a b"} {
		name, other, _ := strings.Cut(way, " ")
		if err := put(name, other); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a circle that only shows in a flow that calls is refused", func(t *testing.T) {
		bad := is[*routingpg.LintError](t, put("c", "a"))
		if !strings.Contains(bad.Findings.String(), "c → a → b → c") {
			t.Errorf("findings are %v", bad.Findings)
		}
	})
	t.Run("so is what would make a caller's chain too deep", func(t *testing.T) {
		for _, way := range []string{"g ", "f g", "e f", "d e"} {
			name, other, _ := strings.Cut(way, " ")
			if err := put(name, other); err != nil {
				t.Fatal(err)
			}
		}
		bad := is[*routingpg.LintError](t, put("c", "d"))
		if got := bad.Findings.String(); !strings.Contains(got, "flow a, which calls this one") || !strings.Contains(got, "a → b → c → d → e → f → g") || strings.Contains(got, "flow b") {
			t.Errorf("findings are\n%s", got)
		}
		if v, err := s.LiveVersion(ctx, "c"); err != nil || v.N != 1 {
			t.Errorf("c is at %d, %v", v.N, err)
		}
	})
	t.Run("a flow that is called cannot be deleted", func(t *testing.T) {
		e := is[*routingpg.InUseError](t, s.DeleteFlow(ctx, "c"))
		if !slices.Equal(e.Callers, []string{"b"}) || !strings.Contains(e.Error(), "called by b") {
			t.Errorf("%+v", e)
		}
		for _, name := range []string{"a", "b", "c"} {
			if err := s.DeleteFlow(ctx, name); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Of two flows that are published at once and call each other, one is refused.
func TestCirclesAreNotMadeByTwo(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	for _, name := range []string{"a", "b"} {
		if _, _, err := s.PutFlow(ctx, calling(name, ""), "", noon, lintAlone); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, way := range [][2]string{{"a", "b"}, {"b", "a"}} {
		wg.Go(func() { _, _, errs[i] = s.PutFlow(ctx, calling(way[0], way[1]), "", noon, lintAlone) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("errors are %v", errs)
	}
}

// lintAlone leaves what flows call to the store.
func lintAlone(f *routing.Flow) routing.Findings { return routing.Lint(f, routing.Known{}) }

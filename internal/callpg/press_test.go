package callpg

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/callyard/callyard/internal/call"
)

// sheets is a press whose sheets are only counted.
type sheets struct {
	press
	printed [][]string
	fail    func(lines []*line) error
	took    time.Duration
}

func newSheets() *sheets {
	s := &sheets{fail: func([]*line) error { return nil }}
	s.sheet = func(_ context.Context, lines []*line) error {
		time.Sleep(s.took)
		var names []string
		for _, l := range lines {
			names = append(names, string(l.facts[0].Call))
		}
		s.printed = append(s.printed, names)
		return s.fail(lines)
	}
	return s
}

func lineOf(name string) *line { return &line{facts: []call.Event{{Call: call.ID(name)}}} }

func TestPress(t *testing.T) {
	t.Parallel()
	refused := &pgconn.PgError{Code: "22P02"}
	t.Run("what comes after a pause is written at once, what comes in a burst together", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSheets()
			begun := time.Now()
			if err := s.write(t.Context(), lineOf("first")); err != nil || time.Since(begun) != 0 {
				t.Fatalf("%v after %v", err, time.Since(begun))
			}
			done := make(chan error)
			for i := range 20 {
				go func() { done <- s.write(t.Context(), lineOf(fmt.Sprint(i))) }()
			}
			for range 20 {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			if len(s.printed) != 2 || len(s.printed[1]) != 20 {
				t.Errorf("sheets %v", s.printed)
			}
			synctest.Wait()
			if s.running {
				t.Error("the press runs with nothing to write")
			}
		})
	})
	t.Run("a wrong line harms no other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSheets()
			s.fail = func(lines []*line) error {
				if slices.ContainsFunc(lines, func(l *line) bool { return l.facts[0].Call == "wrong" }) {
					return refused
				}
				return nil
			}
			s.last = time.Now()
			got := map[string]error{}
			done := make(chan struct{})
			for _, name := range []string{"a", "wrong", "b"} {
				go func() {
					err := s.write(t.Context(), lineOf(name))
					s.mu.Lock()
					got[name] = err
					s.mu.Unlock()
					done <- struct{}{}
				}()
			}
			for range 3 {
				<-done
			}
			if got["a"] != nil || got["b"] != nil || !errors.Is(got["wrong"], refused) {
				t.Errorf("%v", got)
			}
		})
	})
	t.Run("a database that is away is asked once for all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSheets()
			s.fail = func([]*line) error { return context.DeadlineExceeded }
			s.last = time.Now()
			done := make(chan error)
			for i := range 3 {
				go func() { done <- s.write(t.Context(), lineOf(fmt.Sprint(i))) }()
			}
			for range 3 {
				if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			}
			if len(s.printed) != 1 {
				t.Errorf("sheets %v", s.printed)
			}
		})
	})
	t.Run("a line is taken back before its sheet, and awaited after", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSheets()
			s.took = time.Second
			first, second := make(chan error), make(chan error)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { first <- s.write(ctx, lineOf("begun")) }()
			synctest.Wait()
			go func() { second <- s.write(ctx, lineOf("waiting")) }()
			synctest.Wait()
			cancel()
			if err := <-second; !errors.Is(err, context.Canceled) {
				t.Errorf("waiting: %v", err)
			}
			if err := <-first; err != nil {
				t.Errorf("begun: %v", err)
			}
			synctest.Wait()
			if len(s.printed) != 1 {
				t.Errorf("sheets %v", s.printed)
			}
		})
	})
}

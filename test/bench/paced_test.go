//go:build linux

package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A hub that stalls is sent as many requests as one that does not, and each that
// waited for the stall has it in its time.
func TestStallsShow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1) // one request at a time
		stalled := false
		send := func(context.Context, request) error {
			turn <- struct{}{}
			defer func() { <-turn }()
			if !stalled {
				stalled = true
				time.Sleep(200 * time.Millisecond)
			}
			time.Sleep(time.Millisecond)
			return nil
		}
		kinds := []string{"odd", "even"}
		a, err := paced(t.Context(), 100, 5, func(i int) request { return request{kind: kinds[i%2]} }, send)
		if err != nil {
			t.Fatal(err)
		}
		// Due at 0, 10, 20, 30, 40 ms; answered at 201, 202, 203, 204, 205.
		if want := []float64{165, 174, 183, 192, 201}; !slices.EqualFunc(a.all, want, near) {
			t.Errorf("took %v, want %v", a.all, want)
		}
		if !slices.EqualFunc(a.kind["even"], []float64{174, 192}, near) || len(a.kind["odd"]) != 3 {
			t.Errorf("by kind: %v", a.kind)
		}
		if a.late.At(1) > .001 {
			t.Errorf("sent late: %v", a.late)
		}
	})
}

// Whoever comes late to their turn is told when it was, and the next ones do not move.
func TestTurnsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var turns, called []time.Duration
		err := due(t.Context(), 100, 5, func(i int, turn time.Time) {
			turns, called = append(turns, turn.Sub(begun)), append(called, time.Since(begun))
			if i == 1 {
				time.Sleep(25 * time.Millisecond)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		const ms = time.Millisecond
		if want := []time.Duration{0, 10 * ms, 20 * ms, 30 * ms, 40 * ms}; !slices.Equal(turns, want) {
			t.Errorf("turns at %v, want %v", turns, want)
		}
		if want := []time.Duration{0, 10 * ms, 35 * ms, 35 * ms, 40 * ms}; !slices.Equal(called, want) {
			t.Errorf("called at %v, want %v", called, want)
		}
	})
}

func near(a, b float64) bool { return a-b < .001 && b-a < .001 }

func TestRefusalsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send := func(_ context.Context, r request) error {
			if r.path == "1" {
				return errors.New("429 Too Many Requests")
			}
			return nil
		}
		_, err := paced(t.Context(), 100, 3, func(i int) request { return request{kind: "GET /v1/agents", path: strconv.Itoa(i)} }, send)
		if err == nil || !strings.Contains(err.Error(), "1 of 3") || !strings.Contains(err.Error(), "GET /v1/agents: 429") {
			t.Error(err)
		}
	})
}

// A hundred requests hold each kind in its share, and two changes.
func TestMix(t *testing.T) {
	next := mixed([]string{"a", "b"})
	count, changes := map[string]int{}, 0
	for i := range 100 {
		r := next(i)
		count[r.kind]++
		if r.body != "" {
			changes++
		}
		if strings.Contains(r.path, "{") {
			t.Errorf("asks for %s", r.path)
		}
	}
	for _, s := range shares {
		if got := count["GET "+s.path]; got != 2*s.of50 {
			t.Errorf("%s: %d of 100, want %d", s.path, got, 2*s.of50)
		}
	}
	if changes != 2 || count["PATCH a lot"] != 1 || count["PATCH a number"] != 1 {
		t.Errorf("%v, %d changes", count, changes)
	}
}

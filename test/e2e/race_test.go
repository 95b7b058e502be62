package e2e

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
	"github.com/callyard/callyard/parking"
)

// Fifty people want the same parked caller at the same moment, by dialling the
// slot and over the API. One gets them; each of the others is told who.
func TestFiftyRetrieversOneWinner(t *testing.T) {
	t.Parallel()
	const rounds, dialling, asking = 100, 40, 10
	h := start(t, "")
	var phones []*softphone.Phone
	for _, name := range []string{"rep1", "rep2", "rep3", "rep4"} {
		phones = append(phones, h.rep(name, softphone.Always))
	}
	trunk := h.callers()
	for round := range rounds {
		caller := h.calls(trunk, parks)
		id := h.newCall()
		slot := h.told(id, call.Parked).Slot
		number, err := strconv.Atoi(slot)
		if err != nil {
			t.Fatal(err)
		}

		var (
			mu     sync.Mutex
			wins   []string
			losses int
			wait   sync.WaitGroup
		)
		gate := make(chan struct{})
		for i := range dialling {
			wait.Go(func() {
				<-gate
				d, err := phones[i%len(phones)].Call(within(t, 20*time.Second), slot)
				if err != nil {
					t.Error(err)
					return
				}
				err = d.WaitAnswered(within(t, 20*time.Second))
				var refused *softphone.StatusError
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					wins = append(wins, "dial")
				case errors.As(err, &refused) && refused.Status == 410:
					losses++
					if text := refused.Header.Get("Warning") + refused.Header.Get("Reason"); !strings.Contains(text, "rep") {
						t.Errorf("a loser should be told who won: %v %q", err, text)
					}
				default:
					t.Errorf("dial: %v", err)
				}
			})
		}
		for i := range asking {
			wait.Go(func() {
				<-gate
				_, err := h.Hub.Retrieve(within(t, 20*time.Second), parking.Target{Lot: "sales", Slot: number}, "rep"+strconv.Itoa(i%4+1))
				var taken *parking.NotParkedError
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					wins = append(wins, "rest")
				case errors.As(err, &taken) && taken.Taken != nil:
					losses++
				default:
					t.Errorf("rest: %v", err)
				}
			})
		}
		close(gate)
		wait.Wait()
		if len(wins) != 1 || losses != dialling+asking-1 {
			t.Fatalf("round %d: won by %v, %d lost", round, wins, losses)
		}
		h.told(id, call.Connected)
		caller.Hangup()
		h.over(id, "answered")
		if got := h.parkReasons(id); len(got) != 1 || !slices.Contains([]string{"retrieved_other"}, got[0]) {
			t.Fatal(got)
		}
	}
}

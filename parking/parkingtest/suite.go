// Package parkingtest holds the behaviour that every parking.Store has, as one
// suite of tests.
package parkingtest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/parking"
)

// Probe is how the suite sees, and breaks, what lies beside a store's own
// methods.
type Probe interface {
	// Call makes a call known, CallEnded ends it without telling the store.
	Call(t testing.TB, c call.ID)
	CallEnded(t testing.TB, c call.ID, at time.Time)
	// Ledger is what was noted about a call, in order.
	Ledger(t testing.TB, c call.ID) []call.Event
	// Pending are the jobs that wait for a park, with Args of type StepDue.
	Pending(t testing.TB, park string) []job.Job
	// LoseJob makes a park's pending job vanish.
	LoseJob(t testing.TB, park string)
}

// TestStore holds a store to the suite. open makes an empty one; rounds is how
// often the race for one call is run.
func TestStore(t *testing.T, rounds int, open func(t testing.TB) (parking.Store, Probe)) {
	for _, part := range []struct {
		name  string
		tests []behaviour
	}{
		{"lots", lots}, {"slots", slots}, {"reservations", reservations}, {"claims", claims}, {"moves", moves}, {"ends", ends}, {"ladder", ladder}, {"check", check},
	} {
		t.Run(part.name, func(t *testing.T) {
			for _, b := range part.tests {
				t.Run(b.name, func(t *testing.T) {
					s, p := open(t)
					b.test(t, &yard{Store: s, probe: p, rounds: rounds})
				})
			}
		})
	}
}

type behaviour struct {
	name string
	test func(t *testing.T, y *yard)
}

// noon is when the calls of the suite are parked.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// after is so many seconds past noon.
func after(s float64) time.Time { return noon.Add(time.Duration(s * float64(time.Second))) }

// yard is a store with what tests do all the time.
type yard struct {
	parking.Store
	probe  Probe
	rounds int

	mu    sync.Mutex
	calls int
}

// lot makes a lot "sales" with so many slots from 701 on.
func (y *yard) lot(t testing.TB, slots int, change ...func(*parking.Lot)) {
	t.Helper()
	l := parking.Lot{Name: "sales", Extension: "700", First: 701, Last: 700 + slots}
	for _, f := range change {
		f(&l)
	}
	if err := y.SaveLot(t.Context(), l); err != nil {
		t.Fatalf("save the lot: %v", err)
	}
}

// caller is a park to be, of a call that is known.
func (y *yard) caller(t testing.TB) parking.Park {
	y.mu.Lock()
	y.calls++
	id := call.ID(fmt.Sprintf("call_%04d", y.calls))
	y.mu.Unlock()
	y.probe.Call(t, id)
	return parking.Park{
		Call: id, Node: "n1", Lot: "sales", Parker: "ann", Via: "refer",
		From: "+34600000001", Name: "Caller", ParkedAt: noon,
	}
}

// park puts a new call into the lot.
func (y *yard) park(t testing.TB, change ...func(*parking.Park)) parking.Park {
	t.Helper()
	p := y.caller(t)
	for _, f := range change {
		f(&p)
	}
	p, err := y.Put(t.Context(), p)
	if err != nil {
		t.Fatalf("park: %v", err)
	}
	return p
}

func (y *yard) claim(t testing.TB, p parking.Park, who string, at time.Time) parking.Park {
	t.Helper()
	c, err := y.Claim(t.Context(), parking.Target{Park: p.ID}, dials(who), at)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	return c
}

func (y *yard) end(t testing.TB, p parking.Park, epoch int, why parking.Reason, at time.Time) parking.Park {
	t.Helper()
	e, err := y.End(t.Context(), p.ID, epoch, why, dials("bob"), at)
	if err != nil {
		t.Fatalf("end: %v", err)
	}
	return e
}

// step runs the job of step n and expects step want to begin.
func (y *yard) step(t testing.TB, p parking.Park, n, want int, at time.Time) parking.Park {
	t.Helper()
	p, begun, ok, err := y.Advance(t.Context(), p.ID, n, at)
	if err != nil || !ok || begun != want {
		t.Fatalf("advance step %d at %s: began %d, %v, %v; want step %d", n, at.Format(time.TimeOnly), begun, ok, err, want)
	}
	return p
}

// pending expects one job for the park's next step, due at that time.
func (y *yard) pending(t testing.TB, p parking.Park, step int, at time.Time) {
	t.Helper()
	jobs := y.probe.Pending(t, p.ID)
	if len(jobs) == 0 || !slices.ContainsFunc(jobs, func(j job.Job) bool {
		due := j.Args.(parking.StepDue)
		return due.Step == step && j.At.Equal(at) && j.Queue == job.OfNode(string(p.Node))
	}) {
		t.Fatalf("pending jobs are %+v; want step %d at %s on node %s", jobs, step, at.Format(time.TimeOnly), p.Node)
	}
}

// told expects the call's ledger to read like this, and its seq to have no gaps.
func (y *yard) told(t testing.TB, c call.ID, want ...call.EventType) []call.Event {
	t.Helper()
	events := y.probe.Ledger(t, c)
	var got []call.EventType
	for i, e := range events {
		got = append(got, e.Type)
		if e.Seq != i+1 {
			t.Errorf("event %d of %s has seq %d", i+1, c, e.Seq)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("ledger of %s:\n got %v\nwant %v", c, got, want)
	}
	return events
}

func dials(who string) call.Actor { return call.Actor{User: who, Device: who + "-desk", Via: "dial"} }

// taken expects an error that there is nothing to take, and returns who has it.
func taken(t testing.TB, err error) *parking.Park {
	t.Helper()
	var np *parking.NotParkedError
	if !errors.As(err, &np) {
		t.Fatalf("error is %v; want NotParkedError", err)
	}
	return np.Taken
}

func same[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v; want %v", what, got, want)
	}
}

func sameTime(t testing.TB, what string, got, want time.Time) {
	t.Helper()
	if !got.Equal(want) {
		t.Errorf("%s is %s; want %s", what, got, want)
	}
}

package parkingtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// rungs: remind at 10 and every 10 s, recall at 35, enqueue at 60, the end at 90.
func rungs(p *parking.Park) {
	p.Deadline = after(90)
	p.Ladder = []parking.Step{
		{After: 10 * time.Second, Do: parking.Remind, To: "parker", Repeat: 10 * time.Second},
		{After: 35 * time.Second, Do: parking.Recall, To: "parker"},
		{After: 60 * time.Second, Do: parking.Enqueue, Queue: "sales"},
	}
}

var ladder = []behaviour{
	{"each step begins in turn and the last is terminal", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs, func(p *parking.Park) { p.Ladder[0].Repeat = 0 })
		p = y.step(t, p, 0, 0, after(10))
		y.pending(t, p, 1, after(35))
		p = y.step(t, p, 1, 1, after(35.02))
		y.pending(t, p, 2, after(60))
		p = y.step(t, p, 2, 2, after(60))
		y.pending(t, p, 3, after(90))
		p = y.step(t, p, 3, 3, after(90))
		same(t, "next", p.Next, 4)
		if !p.NextAt.After(after(90)) {
			t.Error("a live park without a next time")
		}
		y.end(t, p, 0, parking.ExpiredVoicemail, after(90))
		events := y.told(t, p.Call, call.Parked, call.ParkStep, call.ParkStep, call.ParkStep, call.ParkStep, call.ParkExpired)
		same(t, "do", events[2].Data["do"], any("recall"))
		same(t, "age", events[2].Age, 35020*time.Millisecond)
		same(t, "queue", events[3].Data["queue"], any("sales"))
		same(t, "outcome", events[4].Data["outcome"], any("expired"))
	}},
	{"a step begins once", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		for i, want := range []int{10, 20, 30} { // the reminder and its repeats
			begun := concurrently(t, y, p.ID, 0, after(float64(want)))
			same(t, fmt.Sprintf("begun, round %d", i), begun, 1)
		}
		same(t, "begun, recall", concurrently(t, y, p.ID, 1, after(35)), 1)
		same(t, "begun, late reminder", concurrently(t, y, p.ID, 0, after(36)), 0)
		y.told(t, p.Call, call.Parked, call.ParkStep, call.ParkReminded, call.ParkReminded, call.ParkStep)
	}},
	{"a reminder repeats until the next step", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		p = y.step(t, p, 0, 0, after(10))
		y.pending(t, p, 0, after(20))
		p = y.step(t, p, 0, 0, after(20.3))
		y.pending(t, p, 0, after(30))
		p = y.step(t, p, 0, 0, after(30))
		y.pending(t, p, 1, after(35))
		events := y.told(t, p.Call, call.Parked, call.ParkStep, call.ParkReminded, call.ParkReminded)
		if round := fmt.Sprint(events[3].Data["round"]); round != "2" {
			t.Errorf("round %s; want 2", round)
		}
	}},
	{"a job that comes a little early is not lost", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		p = y.step(t, p, 0, 0, after(9.99))
		p = y.step(t, p, 0, 0, after(19.99))
		y.pending(t, p, 0, after(30))
	}},
	{"overdue steps collapse to the latest", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		p = y.step(t, p, 0, 2, after(70))
		y.pending(t, p, 3, after(90))
		events := y.told(t, p.Call, call.Parked, call.ParkStepResult, call.ParkStepResult, call.ParkStep)
		for i, do := range []string{"remind", "recall"} {
			same(t, "result", events[i+1].Data["result"], any("collapsed"))
			same(t, "do", events[i+1].Data["do"], any(do))
		}
		same(t, "do", events[3].Data["do"], any("enqueue"))
	}},
	{"an overdue terminal step runs", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		p = y.step(t, p, 0, 0, after(10))
		p = y.step(t, p, 0, 3, after(500))
		y.told(t, p.Call, call.Parked, call.ParkStep, call.ParkStepResult, call.ParkStepResult, call.ParkStep)
		y.end(t, p, 0, parking.ExpiredTransfer, after(500))
	}},
	{"a step of a park that has ended does nothing", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		y.end(t, p, 0, parking.Abandoned, after(9))
		_, _, ok, err := y.Advance(t.Context(), p.ID, 0, after(10))
		if ok || err != nil {
			t.Errorf("advance after the end: %v, %v", ok, err)
		}
		y.told(t, p.Call, call.Parked, call.ParkAbandoned)
	}},
	{"escalation keeps slot and claim", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		c := y.claim(t, p, "bob", after(9))
		p = y.step(t, p, 0, 0, after(10))
		same(t, "state", p.State, parking.StateClaimed)
		same(t, "slot", p.Slot, 701)
		ended := y.end(t, p, c.Epoch, parking.RetrievedOther, after(11))
		same(t, "by", ended.ClaimedBy, dials("bob"))
	}},
	{"what came of a step is told", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		if err := y.StepResult(t.Context(), p.ID, 1, "no_answer", map[string]any{"rang": "ann"}, after(55)); err != nil {
			t.Fatal(err)
		}
		e := y.told(t, p.Call, call.Parked, call.ParkStepResult)[1]
		same(t, "result", e.Data["result"], any("no_answer"))
		same(t, "do", e.Data["do"], any("recall"))
		same(t, "rang", e.Data["rang"], any("ann"))
		same(t, "age", e.Age, 55*time.Second)
		taken(t, y.StepResult(t.Context(), "park_none", 1, "no_answer", nil, after(55)))
	}},
	{"another node takes a park over", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		c := y.claim(t, p, "bob", after(3))
		got, err := y.Adopt(t.Context(), p.ID, "n2", after(5))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "node", got.Node, "n2")
		same(t, "epoch", got.Epoch, c.Epoch)
		sameTime(t, "clock", got.ParkedAt, noon)
		same(t, "jobs", len(y.probe.Pending(t, p.ID)), 1)
		y.pending(t, got, 0, after(10))
		e := y.told(t, p.Call, call.Parked, call.ParkClaimed, call.ParkRecovered)[2]
		same(t, "from", e.Data["from"], any("n1"))
		y.end(t, p, 0, parking.AbandonedOutage, after(6))
		_, err = y.Adopt(t.Context(), p.ID, "n1", after(7))
		taken(t, err)
	}},
}

// concurrently runs a step's job many times at once and counts how often it began.
func concurrently(t *testing.T, y *yard, id string, n int, at time.Time) int {
	var (
		mu    sync.Mutex
		begun int
	)
	atOnce(8, func(int) {
		_, _, ok, err := y.Advance(t.Context(), id, n, at)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("advance: %v", err)
		}
		if ok {
			begun++
		}
	})
	return begun
}

var check = []behaviour{
	{"nothing is found where nothing is wrong", func(t *testing.T, y *yard) {
		y.lot(t, 4)
		p := y.park(t, rungs)
		y.claim(t, y.park(t), "bob", after(1))
		y.end(t, y.park(t), 0, parking.Abandoned, after(1))
		y.step(t, p, 0, 0, after(10))
		y.finds(t, after(10.5))
		y.told(t, p.Call, call.Parked, call.ParkStep)
	}},
	{"a step whose job vanished is enqueued again", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		y.probe.LoseJob(t, p.ID)
		y.finds(t, after(5), parking.Fault{Park: p.ID, What: "no_pending_step"})
		y.pending(t, p, 0, after(10))
		y.finds(t, after(6))
		y.told(t, p.Call, call.Parked)
	}},
	{"a park whose call has ended is closed", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		y.probe.CallEnded(t, p.Call, after(20))
		y.finds(t, after(21)) // its own end may be on the way
		y.finds(t, after(30), parking.Fault{Park: p.ID, What: "call_ended"})
		got, _ := y.Park(t.Context(), p.ID)
		same(t, "reason", got.Reason, parking.AbandonedOutage)
		sameTime(t, "ended", got.EndedAt, after(20))
		same(t, "jobs", len(y.probe.Pending(t, p.ID)), 0)
		e := y.told(t, p.Call, call.Parked, call.ParkAbandoned)[1]
		same(t, "age", e.Age, 20*time.Second)
		y.park(t) // the slot is free
	}},
	{"a lapsed claim is parked again", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		c := y.claim(t, p, "bob", after(2))
		y.finds(t, after(11))
		y.finds(t, after(13), parking.Fault{Park: p.ID, What: "claim_lapsed"})
		got, _ := y.Park(t.Context(), p.ID)
		same(t, "state", got.State, parking.StateParked)
		lost := y.told(t, p.Call, call.Parked, call.ParkClaimed, call.ParkClaimLost)[2]
		same(t, "loser", lost.Actor, dials("bob"))
		_, err := y.End(t.Context(), p.ID, c.Epoch, parking.RetrievedOther, dials("bob"), after(14))
		taken(t, err)
		if again := y.claim(t, p, "cem", after(15)); again.Epoch <= c.Epoch {
			t.Errorf("epoch %d after %d", again.Epoch, c.Epoch)
		}
	}},
	{"a terminal step that came to nothing runs again", func(t *testing.T, y *yard) {
		y.lot(t, 1)
		p := y.park(t, rungs)
		p = y.step(t, p, 0, 3, after(91))
		y.finds(t, after(92))
		y.finds(t, after(120), parking.Fault{Park: p.ID, What: "no_deadline"})
		y.pending(t, p, 3, after(120))
		y.step(t, p, 3, 3, after(120))
	}},
}

// finds runs Check and expects these faults (their repair is free text).
func (y *yard) finds(t testing.TB, now time.Time, want ...parking.Fault) {
	t.Helper()
	got, err := y.Check(t.Context(), now)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	if len(got) != len(want) {
		t.Fatalf("check found %+v; want %+v", got, want)
	}
	for i := range got {
		if got[i].Repair == "" || got[i].Park != want[i].Park || got[i].What != want[i].What {
			t.Errorf("check found %+v; want %+v", got[i], want[i])
		}
	}
}

package parking

import (
	"reflect"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
)

func sec(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func TestClimb(t *testing.T) {
	expired := func(s float64) Step { return Step{After: sec(s), Do: Goto, Outcome: "expired"} }
	for _, tt := range []struct {
		name  string
		steps []Step
		want  []Step
	}{
		{"none ends at the maximum", nil, []Step{expired(300)}},
		{"a missing end is added", []Step{{After: sec(60), Do: Alert}}, []Step{{After: sec(60), Do: Alert}, expired(300)}},
		{
			"steps are sorted",
			[]Step{{After: sec(90), Do: Enqueue, Queue: "q"}, {After: sec(45), Do: Remind}},
			[]Step{{After: sec(45), Do: Remind}, {After: sec(90), Do: Enqueue, Queue: "q"}, expired(300)},
		},
		{"an end of its own is kept", []Step{{After: sec(100), Do: Goto, Outcome: "vm"}}, []Step{{After: sec(100), Do: Goto, Outcome: "vm"}}},
		{"a late end is brought forward", []Step{{After: sec(900), Do: Goto, Outcome: "vm"}}, []Step{{After: sec(300), Do: Goto, Outcome: "vm"}}},
		{
			"what would follow the end is dropped",
			[]Step{{After: sec(30), Do: Goto, Outcome: "vm"}, {After: sec(60), Do: Alert}, {After: sec(70), Do: Goto}},
			[]Step{{After: sec(30), Do: Goto, Outcome: "vm"}},
		},
		{
			"an end that has a condition is none",
			[]Step{{After: sec(30), Do: Goto, Outcome: "vm", When: "lot.slot > 1"}, {After: sec(60), Do: Alert}},
			[]Step{{After: sec(30), Do: Goto, Outcome: "vm", When: "lot.slot > 1"}, {After: sec(60), Do: Alert}, expired(300)},
		},
		{"what is beyond the maximum is dropped", []Step{{After: sec(300), Do: Alert}, {After: sec(400), Do: Alert}}, []Step{expired(300)}},
		{
			"ringing is filled in",
			[]Step{{After: sec(10), Do: Recall}, {After: sec(20), Do: Offer}, {After: sec(30), Do: Offer, Ring: sec(7)}},
			[]Step{{After: sec(10), Do: Recall, Ring: sec(20)}, {After: sec(20), Do: Offer, Ring: sec(15)}, {After: sec(30), Do: Offer, Ring: sec(7)}, expired(300)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Climb(tt.steps, sec(300))
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if again := Climb(got, sec(300)); !reflect.DeepEqual(again, got) {
				t.Errorf("climbed again: %+v", again)
			}
		})
	}
}

func TestBegin(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	park := func(next int, at float64) Park {
		return Park{
			State: StateParked, ParkedAt: noon, Deadline: noon.Add(sec(300)),
			Ladder: Climb([]Step{{After: sec(45), Do: Remind, Repeat: sec(30)}, {After: sec(120), Do: Recall}}, sec(300)),
			Next:   next, NextAt: noon.Add(sec(at)),
		}
	}
	for _, tt := range []struct {
		name   string
		p      Park
		n      int
		now    float64
		ok     bool
		begin  int
		round  int
		next   int
		nextAt float64
	}{
		{"first reminder", park(0, 45), 0, 45.01, true, 0, 0, 0, 75},
		{"its repeat", park(0, 75), 0, 75, true, 0, 1, 0, 105},
		{"a second run of the repeat", park(0, 105), 0, 75, false, 0, 0, 0, 0},
		{"the last repeat before the next step", park(0, 105), 0, 105.2, true, 0, 2, 1, 120},
		{"a late repeat skips a turn", park(0, 75), 0, 95, true, 0, 1, 1, 120},
		{"not its turn", park(1, 120), 0, 120, false, 0, 0, 0, 0},
		{"a step to come", park(0, 45), 1, 45, false, 0, 0, 0, 0},
		{"an overtaken repeat", park(0, 105), 0, 130, true, 1, 0, 2, 300},
		{"the terminal one", park(2, 300), 2, 300, true, 2, 0, 3, 310},
		{"after the terminal one", park(3, 310), 2, 311, false, 0, 0, 0, 0},
		{"no such step", park(3, 310), 3, 311, false, 0, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, ok := tt.p.Begin(tt.n, noon.Add(sec(tt.now)))
			if ok != tt.ok {
				t.Fatalf("begins: %v", ok)
			}
			if !ok {
				return
			}
			if c.Begin != tt.begin || c.Round != tt.round || c.Next != tt.next || !c.NextAt.Equal(noon.Add(sec(tt.nextAt))) {
				t.Errorf("got %+v", c)
			}
			if len(c.Collapsed) != 0 {
				t.Errorf("collapsed %v", c.Collapsed)
			}
		})
	}
	t.Run("repeats are jobs of their own", func(t *testing.T) {
		p := park(0, 75)
		p.ID, p.Node = "park_1", "n7"
		j, ok := p.Pending()
		want := job.Job{Args: StepDue{Park: "park_1", Step: 0, Round: 1}, At: noon.Add(sec(75)), Queue: "node_n7", Unique: true}
		if !ok || !reflect.DeepEqual(j, want) {
			t.Errorf("got %+v", j)
		}
		p.State = StateEnded
		if _, ok := p.Pending(); ok {
			t.Error("an ended park waits for a step")
		}
	})
	t.Run("due times", func(t *testing.T) {
		p := park(0, 45)
		for n, want := range []float64{45, 120, 300, 300} {
			if got := Due(p, n); !got.Equal(noon.Add(sec(want))) {
				t.Errorf("step %d due at %s", n, got)
			}
		}
	})
}

func TestReasons(t *testing.T) {
	for node, want := range map[string]Reason{
		"voicemail": ExpiredVoicemail, "callback": ExpiredCallback, "offer_callback": ExpiredCallback,
		"transfer": ExpiredTransfer, "queue": ExpiredTransfer, "dial": ExpiredTransfer,
	} {
		if got := ExpiryReason(node); got != want || got.Retrieved() {
			t.Errorf("%s: %s", node, got)
		}
	}
	p := Park{Parker: "ann"}
	for _, tt := range []struct {
		user, via string
		want      Reason
	}{
		{"ann", "dial", RetrievedParker},
		{"bob", "dial", RetrievedOther},
		{"bob", "rest", RetrievedOther},
		{"ann", "recall", RetrievedRecall},
		{"ann", "offer", RetrievedOffer},
		{"bob", "queue", RetrievedQueue},
	} {
		if got := p.RetrievalReason(call.Actor{User: tt.user, Via: tt.via}); got != tt.want || !got.Retrieved() {
			t.Errorf("%s by %s: %s; want %s", tt.user, tt.via, got, tt.want)
		}
	}
	if got := (Park{}).RetrievalReason(call.Actor{Via: "dial"}); got != RetrievedOther {
		t.Errorf("unknown parker, unknown taker: %s", got)
	}
}

package callpg_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/pgtest"
)

func TestTalkedLast(t *testing.T) {
	b := callpg.New(pgtest.New(t), nil)
	talk := func(id call.ID, after time.Duration, o callctl.Opening, answeredBy string) {
		t.Helper()
		o.ID, o.At = id, noon.Add(after)
		begin(t, b, o)
		c := callctl.Closing{ID: id, At: o.At.Add(time.Minute), Cause: call.Normal, Outcome: "answered", AnsweredBy: answeredBy}
		if answeredBy != "" || o.Agent != "" {
			c.ConnectedAt = o.At.Add(time.Second)
		}
		if err := b.End(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	who := func(n call.Number, since time.Duration, want string) {
		t.Helper()
		got, err := b.TalkedLast(t.Context(), n, noon.Add(since))
		if err != nil || got != want {
			t.Errorf("%s since %s: %q, %v; want %q", n, since, got, err, want)
		}
	}
	in := opening("", noon)
	out := callctl.Opening{Node: "n1", Agent: "carl", From: callctl.Party{Agent: "carl"}, To: in.From.Number}
	who(in.From.Number, 0, "")
	talk("call_1", 0, in, "ann")
	talk("call_2", time.Hour, in, "bea")
	talk("call_3", 2*time.Hour, in, "") // gave up
	other := in
	other.From.Number = "+34600000009"
	talk("call_4", 3*time.Hour, other, "dora")
	who(in.From.Number, 0, "bea")
	who(in.From.Number, 90*time.Minute, "")
	talk("call_5", 4*time.Hour, out, "")
	who(in.From.Number, 0, "carl")
	who(other.From.Number, 0, "dora")
}

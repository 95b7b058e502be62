package demo

import (
	"testing"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/client"
)

func TestTell(t *testing.T) {
	ben := call.Actor{User: "ben", Via: "dial"}
	for _, c := range []struct {
		e    call.Event
		age  int64
		want string
	}{
		{call.Event{Type: call.Offered, Data: map[string]any{"from": Caller, "to": Number}}, 0, "+12025550142 calls +12025550100"},
		{call.Event{Type: call.FlowDecided, Node: "lookup", Data: map[string]any{"outcome": "one", "to": "park"}}, 0, "flow: one → park"},
		{call.Event{Type: call.FlowDecided, Node: "bye", Data: map[string]any{"outcome": "ended", "to": ""}}, 0, ""},
		{call.Event{Type: call.Parked, Slot: "701"}, 0, "parked in slot 701, music plays"},
		{call.Event{Type: call.ParkStep, Data: map[string]any{"do": "offer", "to": "team:sales"}}, 0, "ladder: offers the call to team:sales"},
		{call.Event{Type: call.ParkStep, Data: map[string]any{"do": "enqueue", "queue": "sales"}}, 0, "ladder: joins queue sales"},
		{call.Event{Type: call.ParkStepResult, Data: map[string]any{"do": "remind", "result": "no_parker"}}, 0, "ladder: remind: nobody to ask"},
		{call.Event{Type: call.OfferMissed, Actor: call.Actor{User: "ann"}, Data: map[string]any{"why": "no_answer"}}, 0, "ann did not answer: no answer"},
		{call.Event{Type: call.OfferMissed, Actor: call.Actor{User: "ann"}, Data: map[string]any{"why": "unreachable"}}, 0, "ann has no phone registered"},
		{call.Event{Type: call.ParkRetrieved, Slot: "701", Actor: ben, Data: map[string]any{"reason": "retrieved_other"}}, 3040, "ben has the call after 3.0 s in slot 701 (retrieved_other)"},
		{call.Event{Type: call.Ended, Cause: call.Normal, Data: map[string]any{"outcome": "answered", "parked_ms": 3040.0, "talked_ms": 2100.0}}, 0, "over (normal): answered, parked 3.0 s, talked 2.1 s"},
		{call.Event{Type: call.ParkRequested}, 0, ""},
		{call.Event{Type: "something.new"}, 0, ""},
	} {
		if got := Tell(client.Fact{Event: c.e, AgeMS: c.age}); got != c.want {
			t.Errorf("%s: %q, want %q", c.e.Type, got, c.want)
		}
	}
}

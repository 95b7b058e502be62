package sim_test

import (
	"slices"
	"testing"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

func TestAsking(t *testing.T) {
	doc := func(then string) *routing.Flow {
		f, err := routing.Parse([]byte(`{"schema": "callflow/v1", "name": "x", "entry": "d", "handlers": {"hangup": "log"}, "nodes": {
			"d": {"type": "dial", "cfg": {"targets": ["agent:ann"]}, "on": {"answered": "done", "default": "bye"}},
			"done": {"type": "disposition", "cfg": {"timeout_s": 60}, "on": {"set": "then", "default": "bye"}},
			"then": ` + then + `,
			"log": {"type": "notify", "cfg": {"channel": "webhook", "template": "gone"}, "on": {"next": "bye"}},
			"bye": {"type": "hangup"}}}`))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	tells := doc(`{"type": "notify", "cfg": {"channel": "webhook", "template": "said"}, "on": {"next": "bye"}}`)
	plays := doc(`{"type": "play", "cfg": {"prompt": "thanks"}, "on": {"next": "bye"}}`)
	hangup, set := routing.ImaginedEvent{AtS: 10, Hangup: true}, routing.ImaginedEvent{AtS: 40, Disposition: "won"}
	late := routing.ImaginedEvent{AtS: 25, Hangup: true}
	for _, c := range []struct {
		name   string
		flow   *routing.Flow
		events []routing.ImaginedEvent
		path   []string
		by     string
		outc   string
	}{
		{"the rep hangs up, and says", tells, []routing.ImaginedEvent{set}, []string{"d", "done", "then", "bye"}, sim.ByFlow, "answered"},
		{"the rep says nothing", tells, nil, []string{"d", "done", "bye"}, sim.ByFlow, "answered"},
		{"the caller hangs up in conversation", tells, []routing.ImaginedEvent{hangup, set}, []string{"d", "done", "then", "bye"}, sim.ByCaller, "answered"},
		{"a caller who has been let go does not hang up", tells, []routing.ImaginedEvent{late, set}, []string{"d", "done", "then", "bye"}, sim.ByFlow, "answered"},
		{"the caller hangs up while the rep chooses", plays, []routing.ImaginedEvent{late, set}, []string{"d", "done", "then"}, sim.ByCaller, "answered"},
		{"the caller waits, and is thanked", plays, []routing.ImaginedEvent{set}, []string{"d", "done", "then", "bye"}, sim.ByFlow, "answered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			given := routing.Imagined{At: ten, Agents: map[string]string{"ann": "available"}, TalkS: 20}
			r, err := sim.Call(t.Context(), sim.Anywhere, c.flow, given, c.events)
			if err != nil || r.Undecided != "" {
				t.Fatal(err, r.Undecided)
			}
			if !slices.Equal(r.Path, c.path) || r.EndedBy != c.by || r.Outcome != c.outc {
				t.Errorf("path %v, ended by %s, outcome %s\n%+v", r.Path, r.EndedBy, r.Outcome, r.Timeline)
			}
		})
	}
}

package callctl_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// asksLoad says by a prompt which way it went, and then waits in the queue.
const asksLoad = `"in": {"type": "switch", "cfg": {"cases": [
		{"when": "queue.desk.agents_free == 0 and queue.desk.agents_logged_in == 1", "to": "busy"}, {"when": "queue.desk.agents_free > 0", "to": "free"}]}, "on": {"default": "unknown"}},
	"busy": {"type": "play", "cfg": {"prompt": "busy"}, "on": {"next": "bye"}},
	"free": {"type": "play", "cfg": {"prompt": "free"}, "on": {"next": "bye"}},
	"unknown": {"type": "play", "cfg": {"prompt": "unknown"}, "on": {"next": "bye"}}`

func TestExpressionsReadQueues(t *testing.T) {
	heard := func(t *testing.T, want string, prepare func(*rig)) {
		t.Helper()
		story(t, func(r *rig) {
			r.desks()
			r.flow(asksLoad)
			prepare(r)
			p := r.calls()
			r.pass(700 * time.Millisecond)
			for _, prompt := range []string{"busy", "free", "unknown"} {
				r.is(prompt, p.hasHeard("clip:"+prompt), prompt == want)
			}
			r.db.set(func(d *database) { d.away, d.slow = false, map[string]time.Duration{} })
			r.pass(10 * time.Second)
		})
	}
	t.Run("somebody is free", func(t *testing.T) { heard(t, "free", func(*rig) {}) })
	t.Run("who is there is away", func(t *testing.T) { heard(t, "busy", func(r *rig) { r.away("bea", "lunch") }) })
	t.Run("a database that is slow keeps nobody: it is not known", func(t *testing.T) {
		heard(t, "unknown", func(r *rig) { r.db.set(func(d *database) { d.slow["agents"] = time.Minute }) })
	})
	t.Run("the decision says by what", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.flow(asksLoad)
			r.calls()
			r.pass(10 * time.Second)
			in, _ := r.book.about(r.book.lastBegun(), call.FlowDecided)[0].Data["inputs"].(map[string]any)
			r.is("inputs", []any{in["queue.desk.agents_free"], in["queue.desk.agents_logged_in"]}, []any{1.0, 1.0})
		})
	})
	t.Run("the caller hangs up while it is read", func(t *testing.T) {
		story(t, func(r *rig) {
			r.desks()
			r.flow(asksLoad)
			r.db.set(func(d *database) { d.slow["agents"] = time.Minute })
			p := r.calls()
			r.pass(200 * time.Millisecond)
			p.hangUp()
			r.pass(2 * time.Second)
			r.is("nothing was played", p.hasHeard("clip:unknown"), false)
		})
	})
}

func TestExpressionsReadTheRep(t *testing.T) {
	story(t, func(r *rig) {
		r.flow(`"in": {"type": "dial", "cfg": {"targets": ["agent:ann"]}, "on": {"answered": "who", "default": "bye"}},
			"who": {"type": "switch", "cfg": {"cases": [{"when": "rep.name == \"ann\" and rep.extension == \"2ann\" and rep.team == \"sales\" and rep.state == \"wrap_up\"", "to": "hers"}]}, "on": {"default": "bye"}},
			"hers": {"type": "play", "cfg": {"prompt": "hers"}, "on": {"next": "bye"}}`)
		r.phone.has("ann", answersAfter(time.Second))
		p := r.calls()
		r.pass(3 * time.Second)
		r.phone.calls("ann")[0].hangUp()
		r.pass(time.Second)
		r.is("who answered is known", p.hasHeard("clip:hers"), true)
		r.pass(5 * time.Second)
	})
}

func TestStepsReadQueuesAndReps(t *testing.T) {
	story(t, func(r *rig) {
		r.desks()
		r.phone.has("carl", device{does: "never"})
		r.lot(parking.Lot{Name: "sales", Extension: "700", First: 701, Last: 703, Music: "hold", MaxPark: 60 * time.Second, Ladder: []parking.Step{
			{After: 5 * time.Second, Do: parking.Alert, To: "manager", When: "rep.name == \"ann\""},
			{After: 10 * time.Second, Do: parking.Alert, To: "manager", When: "queue.desk.agents_free == 0"},
			{After: 15 * time.Second, Do: parking.Enqueue, Queue: "desk", Priority: "queue.agents_free * 7"},
			{After: 20 * time.Second, Do: parking.Alert, To: "manager", When: "queue.waiting == 1 and queue.longest_wait_s > 15 and queue.name == \"desk\""},
		}})
		p, id := r.parkedByAnn()
		r.pass(25 * time.Second)
		r.is("results", r.results(id), []string{"alert:alerted", "alert:skipped", "enqueue:joined", "alert:alerted"})
		r.is("priority", r.waiting()[0].Priority, 7)
		var inputs []any
		for _, e := range r.parks.Ledger(id) {
			if e.Type == call.ParkStepResult && e.Data["inputs"] != nil {
				inputs = append(inputs, e.Data["inputs"])
			}
		}
		r.is("what they were decided by is noted", len(inputs), 3)
		r.is("the parker", inputs[0], map[string]any{"rep.name": "ann"})
		r.is("the queue", inputs[1], map[string]any{"queue.desk.agents_free": 1.0})
		p.hangUp()
	})
}

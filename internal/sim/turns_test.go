package sim_test

import (
	"strings"
	"testing"

	"github.com/callyard/callyard/routing"
)

func TestTurns(t *testing.T) {
	dial := func(cfg string) *routing.Flow {
		return flow(t, "d", `"d": {"type": "dial", "cfg": {`+cfg+`}, "on": {"answered": "bye", "default": "bye"}}`)
	}
	t.Run("ordered: one after another, each for the whole time", func(t *testing.T) {
		r := run(t, hub(), dial(`"targets": ["agent:cy", "agent:ann", "agent:ben"], "strategy": "ordered", "ring_s": 10`),
			routing.Imagined{Agents: map[string]string{"cy": "no_answer", "ann": "rejects:2s", "ben": "available:3s"}})
		told(t, r, "0s d rings: the phone of cy", "10s d missed: cy", "10s d rings: the phone of ann", "12s d missed: ann", "12s d rings: the phone of ben", "15s")
		if r.Outcome != "answered" {
			t.Error(r.Outcome)
		}
	})
	t.Run("longest_idle: the next until the time is up, and the worst counts", func(t *testing.T) {
		r := run(t, hub(), dial(`"targets": ["team:east", "agent:cy"], "strategy": "longest_idle", "ring_s": 12`),
			routing.Imagined{Agents: map[string]string{"ann": "rejects:5s", "ben": "rejects:5s", "cy": "rejects:5s"}})
		if n := strings.Count(story(r), " rings: "); r.Outcome != "rejected" || n != 3 || r.TookMS != 12000 {
			t.Errorf("%s after %d ms, %d rung:\n%s", r.Outcome, r.TookMS, n, story(r))
		}
	})
	t.Run("sticky is nobody, and a skill those who have it", func(t *testing.T) {
		w := hub()
		w.Agents[2].Skills = []string{"es"}
		r := run(t, w, dial(`"targets": ["sticky", "skill:es"]`), routing.Imagined{Agents: map[string]string{"cy": "available"}})
		told(t, r, "nobody is taken to have talked", "the phone of cy rings")
	})
}

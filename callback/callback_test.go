package callback_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/callback"
)

func TestAfter(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	owed := callback.Callback{State: callback.Calling, Tries: 2, Until: noon.Add(time.Hour)}
	again := noon.Add(time.Minute)
	for name, c := range map[string]struct {
		tried int
		o     callback.Outcome
		state callback.State
		then  int
	}{
		"they talked":                      {0, callback.Outcome{What: callback.Connected, Counts: true, Again: again}, callback.Done, 1},
		"busy, once":                       {0, callback.Outcome{What: "busy", Counts: true, Again: again}, callback.Waiting, 1},
		"busy, for the last time":          {1, callback.Outcome{What: "busy", Counts: true, Again: again}, callback.Failed, 2},
		"nobody there to call":             {1, callback.Outcome{What: callback.NoAgents, Again: again}, callback.Waiting, 1},
		"it would be tried again too late": {0, callback.Outcome{What: callback.NoAgents, Again: noon.Add(2 * time.Hour)}, callback.Failed, 0},
	} {
		owed.Tried = c.tried
		got := owed.After(c.o, noon)
		if got.State != c.state || got.Tried != c.then || got.Result != c.o.What || (got.State == callback.Waiting) != got.Due.Equal(again) || got.State.Open() != got.EndedAt.IsZero() {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

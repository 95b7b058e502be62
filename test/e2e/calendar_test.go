package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
)

// An office that closes while a caller listens to a menu is open to that caller, and
// closed to the next one; later both are led again by what they found.
func TestACallKeepsTheCalendarItBeganWith(t *testing.T) {
	t.Parallel()
	const number = "+12025550178"
	h := start(t, `
calendars:
  - {name: office, tz: Europe/Madrid, open: {mon-sun: ["00:00", "24:00"]}}
flows:
  - schema: callflow/v1
    name: day
    entry: ask
    handlers: {hangup: bye, error: bye}
    nodes:
      ask: {type: menu, cfg: {prompt: default, options: {"1": go on}, timeout_s: 30}, on: {"1": hours, default: bye}}
      hours: {type: hours, cfg: {calendar: office}, on: {open: wait, default: bye}}
      wait: {type: park, cfg: {lot: sales}, on: {default: bye}}
      bye: {type: hangup}
numbers:
  - {number: "`+number+`", flow: day}
`)
	trunk := h.callers()
	early := h.calls(trunk, number)
	first := h.newCall()
	if got := h.told(first, call.FlowStarted).Data["calendars"]; got == nil {
		t.Error("nothing says which calendar the call looks at")
	}

	var days []string
	labels := map[string]string{}
	for n := range 3 { // yesterday too, and tomorrow: it may be midnight somewhere
		day := time.Now().AddDate(0, 0, n-1).Format(time.DateOnly)
		days, labels[day] = append(days, day), "works outing"
	}
	var is struct {
		Revision int `json:"revision"`
	}
	h.ask(http.StatusOK, http.MethodPut, "/v1/calendars/office",
		map[string]any{"tz": "Europe/Madrid", "open": map[string]any{"mon-sun": []string{"00:00", "24:00"}}, "holidays": days, "labels": labels}, &is)
	if is.Revision != 2 {
		t.Fatalf("revision %d", is.Revision)
	}

	late := h.calls(trunk, number)
	second := h.newCall()
	for _, d := range []*softphone.Dialog{early, late} {
		// The hub may hang up before the key is at its end.
		if err := d.SendDigits(within(t, 15*time.Second), "1"); err != nil && !errors.Is(err, softphone.ErrEnded) {
			t.Fatal(err)
		}
	}
	ends(t, "who called later", late)
	hears(t, "who called first", early, musicHz)
	early.Hangup()
	hours := func(id call.ID) (said string) {
		h.told(id, call.Ended)
		events, err := h.Book.Timeline(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Type == call.FlowDecided && e.Node == "hours" {
				return fmt.Sprintf("%v: %v", e.Data["outcome"], e.Data["reason"])
			}
		}
		return ""
	}
	if said := hours(first); !strings.HasPrefix(said, "open: ") {
		t.Errorf("to the first it was %s", said)
	}
	if said := hours(second); !strings.HasPrefix(said, "holiday: ") || !strings.Contains(said, "is a holiday: works outing") {
		t.Errorf("to the second it was %s", said)
	}
	if got := h.dryRun("day", map[string]any{"version": 1}); got.Tally.Same != 2 || got.Total != 2 {
		t.Errorf("the version that they ran makes of them: %+v", got)
	}
	if got := h.dryRun("day", map[string]any{"version": 1, "calendars": "now"}); got.Tally.Changed != 1 || got.Calls[0].Call != first {
		t.Errorf("with the calendar of today: %+v", got)
	}
}

package setup

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/voicemail"
)

// NumberingError says which codes that people dial mean two things.
type NumberingError struct{ Faults []string }

func (e *NumberingError) Error() string { return strings.Join(e.Faults, "\n") }

// feature are the codes of the dialling plan that are nobody's number.
var feature = map[string]string{voicemail.Code: "is the code by which reps hear their messages"}

// Conflicts finds the codes that mean two things: slots, the extensions of lots,
// and the names and extensions of agents are dialled alike, and whoever comes
// second in the dialling plan could not be reached. *NumberingError.
func Conflicts(lots []parking.Lot, agents []queues.Agent) error {
	var found []string
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for i, l := range lots {
		if what, ok := feature[l.Extension]; ok {
			wrong("lot %q: extension %s %s", l.Name, l.Extension, what)
		}
		for _, m := range lots[:i] {
			if l.First <= m.Last && m.First <= l.Last {
				wrong("lot %q: slots %d to %d overlap those of lot %q, %d to %d", l.Name, l.First, l.Last, m.Name, m.First, m.Last)
			}
			if l.Extension != "" && l.Extension == m.Extension {
				wrong("lot %q: extension %s is that of lot %q", l.Name, l.Extension, m.Name)
			}
		}
		if in, ok := slotOf(lots, l.Extension); ok {
			wrong("lot %q: extension %s is a slot of lot %q", l.Name, l.Extension, in)
		}
	}
	for i, a := range agents {
		for _, code := range []struct{ field, is string }{{"name", a.Name}, {"extension", a.Extension}} {
			if code.is == "" {
				continue
			}
			if what, ok := feature[code.is]; ok {
				wrong("agent %q: %s %s %s", a.Name, code.field, code.is, what)
			}
			if in, ok := slotOf(lots, code.is); ok {
				wrong("agent %q: %s %s is a slot of lot %q", a.Name, code.field, code.is, in)
			}
			for _, l := range lots {
				if l.Extension == code.is {
					wrong("agent %q: %s %s is the extension of lot %q", a.Name, code.field, code.is, l.Name)
				}
			}
		}
		for _, b := range agents[:i] {
			if a.Extension != "" && a.Extension == b.Extension {
				wrong("agent %q: extension %s is that of agent %q", a.Name, a.Extension, b.Name)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	return &NumberingError{found}
}

// slotOf is the lot that a dialled code is a slot of.
func slotOf(lots []parking.Lot, code string) (string, bool) {
	n, err := strconv.Atoi(code)
	if err != nil {
		return "", false
	}
	for _, l := range lots {
		if l.First <= n && n <= l.Last {
			return l.Name, true
		}
	}
	return "", false
}

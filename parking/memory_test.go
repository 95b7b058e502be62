package parking_test

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/parking/parkingtest"
)

func TestMemory(t *testing.T) {
	parkingtest.TestStore(t, 100, func(testing.TB) (parking.Store, parkingtest.Probe) {
		m := parking.NewMemory()
		return m, probe{m}
	})
}

type probe struct{ m *parking.Memory }

func (p probe) Call(testing.TB, call.ID)                        {}
func (p probe) CallEnded(_ testing.TB, c call.ID, at time.Time) { p.m.CallEnded(c, at) }
func (p probe) Ledger(_ testing.TB, c call.ID) []call.Event     { return p.m.Ledger(c) }
func (p probe) LoseJob(_ testing.TB, park string)               { p.m.LoseJob(park) }
func (p probe) Pending(_ testing.TB, park string) (waiting []job.Job) {
	for _, j := range p.m.Jobs() {
		if j.Args.(parking.StepDue).Park == park {
			waiting = append(waiting, j)
		}
	}
	return waiting
}

package sipua

import "time"

// alarm is one timer of a leg, told in the leg's lane. Setting or stopping it
// makes one that has gone off already, and waits its turn in the lane, mean
// nothing. Lane only.
type alarm struct {
	t   *time.Timer
	gen int
}

func (a *alarm) set(l *Leg, d time.Duration, f func()) {
	a.stop()
	gen := a.gen
	a.t = time.AfterFunc(d, func() {
		l.do(func() {
			if a.gen == gen {
				a.t = nil
				f()
			}
		})
	})
}

func (a *alarm) stop() {
	a.gen++
	if a.t != nil {
		a.t.Stop()
		a.t = nil
	}
}

// on says whether it is still to go off.
func (a *alarm) on() bool { return a.t != nil }

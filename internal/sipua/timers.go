package sipua

import "time"

// Timers are the times of RFC 3261, 4028 and 6665 that this package keeps itself.
// The zero value is the RFCs'.
type Timers struct {
	T1      time.Duration // 500 ms
	T2      time.Duration // 4 s
	GiveUp  time.Duration // 64·T1: no ACK, no PRACK, no answer to a CANCEL or a NOTIFY
	Refresh time.Duration // 1 min: a provisional response again (RFC 3261 §13.3.1.1)
	MinSE   time.Duration // 90 s: the shortest session interval taken (RFC 4028 §4)
	Session time.Duration // 30 min: the session interval asked for (RFC 4028 §7.1)

	Told time.Duration // 1 s: our BYE waits so long for the answer to a REFER's NOTIFY

	MinWatch time.Duration // 1 min: the shortest subscription (RFC 6665 §4.2.1.1)
}

func (t Timers) orDefault() Timers {
	if t.T1 == 0 {
		t.T1 = 500 * time.Millisecond
	}
	if t.T2 == 0 {
		t.T2 = 4 * time.Second
	}
	if t.GiveUp == 0 {
		t.GiveUp = 64 * t.T1
	}
	if t.Refresh == 0 {
		t.Refresh = time.Minute
	}
	if t.MinSE == 0 {
		t.MinSE = 90 * time.Second
	}
	if t.Session == 0 {
		t.Session = 30 * time.Minute
	}
	if t.Told == 0 {
		t.Told = time.Second
	}
	if t.MinWatch == 0 {
		t.MinWatch = time.Minute
	}
	t.Session = max(t.Session, t.MinSE)
	return t
}

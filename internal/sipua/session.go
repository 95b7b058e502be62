package sipua

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// interval reads a Session-Expires (RFC 4028 §4): its length and who refreshes.
func interval(m *sip.MessageData) (length time.Duration, refresher string) {
	sec, params, _ := strings.Cut(header(m, "Session-Expires"), ";")
	length = lasting(sec)
	for p := range strings.SplitSeq(params, ";") {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(k), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(v))
		}
	}
	return length, refresher
}

// minSE is the shortest interval that somebody on the way takes (RFC 4028 §5).
func minSE(m *sip.MessageData) time.Duration {
	sec, _, _ := strings.Cut(header(m, "Min-SE"), ";")
	return lasting(sec)
}

func lasting(s string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

func knowsTimer(m *sip.MessageData) bool {
	return slices.Contains(tokens(m, "supported"), "timer") || slices.Contains(tokens(m, "require"), "timer")
}

// tooBrief is the Min-SE of a 422 for a session interval shorter than we take,
// nil for one that is long enough. A caller that does not know session timers
// could make nothing of a 422 (RFC 4028 §9).
func (s *Server) tooBrief(m *sip.MessageData) sip.Header {
	if length, _ := interval(m); length == 0 || length >= s.timers.MinSE || !knowsTimer(m) {
		return nil
	}
	return secondsHeader("Min-SE", s.timers.MinSE)
}

func secondsHeader(name string, d time.Duration) sip.Header {
	return sip.NewHeader(name, strconv.Itoa(int(d.Seconds())))
}

// timed agrees to a session timer in our 2xx to an INVITE or UPDATE (RFC 4028
// §9, table 2). A peer that knows timers and asks for none is refreshed by us;
// of one that does not know them, only what a proxy asked for is done, by us.
func (l *Leg) timed(req *sip.Request, res *sip.Response) {
	m := &req.MessageData
	knows := knowsTimer(m)
	length, refresher := interval(m)
	longest := max(l.srv.timers.Session, minSE(m))
	switch {
	case length == 0 && !knows, length != 0 && length < l.srv.timers.MinSE:
		l.untimed()
		return
	case length == 0:
		length, refresher = longest, "uas"
	default:
		length = min(length, longest)
	}
	switch {
	case !knows:
		refresher = "uas"
	case refresher != "uas":
		refresher = "uac"
	}
	res.AppendHeader(sip.NewHeader("Session-Expires", fmt.Sprintf("%d;refresher=%s", int(length.Seconds()), refresher)))
	if refresher == "uac" {
		res.AppendHeader(sip.NewHeader("Require", "timer"))
	}
	l.run(length, refresher == "uas")
}

// ask offers a session timer in our first INVITE; who refreshes is the far
// end's choice (RFC 4028 §7.1).
func (l *Leg) ask(req *sip.Request) {
	least := max(l.srv.timers.MinSE, l.wish.minSE)
	req.AppendHeader(secondsHeader("Session-Expires", max(l.srv.timers.Session, least)))
	req.AppendHeader(secondsHeader("Min-SE", least))
}

// askAgain keeps the timer of a dialog in a request that changes something in
// it: every re-INVITE and UPDATE is a refresh (RFC 4028 §7.4).
func (l *Leg) askAgain(req *sip.Request) {
	if l.dialog.SessionS == 0 {
		return
	}
	refresher := "uas"
	if l.dialog.Refresher {
		refresher = "uac"
	}
	req.AppendHeader(sip.NewHeader("Session-Expires", fmt.Sprintf("%d;refresher=%s", l.dialog.SessionS, refresher)))
	if l.wish.minSE > 0 {
		req.AppendHeader(secondsHeader("Min-SE", l.wish.minSE))
	}
}

// timedBy takes what the peer's 2xx to a request of ours says of the timer. A
// peer that says nothing knows of none; what we refresh already we go on with
// (RFC 4028 §7.2).
func (l *Leg) timedBy(res *sip.Response) {
	length, refresher := interval(&res.MessageData)
	switch {
	case length > 0:
		l.run(length, refresher != "uas")
	case l.dialog.Refresher:
		l.run(time.Duration(l.dialog.SessionS)*time.Second, true)
	default:
		l.untimed()
	}
}

// run starts the session's clock anew. Who refreshes does so at half time, and
// whoever hears no refresh says BYE a little before the end (RFC 4028 §10).
func (l *Leg) run(length time.Duration, ours bool) {
	l.dialog.SessionS, l.dialog.Refresher = int(length.Seconds()), ours
	l.expiry.set(l, length-min(32*time.Second, length/3), func() { l.gone(408, "session timer expired") })
	l.refresh.stop()
	if ours {
		l.refresh.set(l, length/2, func() { l.want(&proposal{}) })
	}
}

// untimed: no session timer any more.
func (l *Leg) untimed() {
	l.dialog.SessionS, l.dialog.Refresher = 0, false
	l.expiry.stop()
	l.refresh.stop()
}

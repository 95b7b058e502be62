package sipua

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// session reads a Session-Expires (RFC 4028): its length and who refreshes.
func session(m *sip.MessageData) (length time.Duration, refresher string) {
	sec, params, _ := strings.Cut(header(m, "Session-Expires"), ";")
	n, err := strconv.ParseUint(strings.TrimSpace(sec), 10, 31)
	if err != nil {
		return 0, ""
	}
	for p := range strings.SplitSeq(params, ";") {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(k), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(v))
		}
	}
	return time.Duration(n) * time.Second, refresher
}

// timed agrees to a session timer in the 2xx to an INVITE or UPDATE, if the peer
// will refresh: then its silence ends the call. We refresh nothing ourselves, so
// nothing is agreed to where we would have to, and timer is not claimed in
// Supported.
func (l *Leg) timed(req *sip.Request, res *sip.Response) {
	length, refresher := session(&req.MessageData)
	if length < l.srv.timers.MinSE || refresher == "uas" || !slices.Contains(tokens(&req.MessageData, "supported"), "timer") {
		return
	}
	res.AppendHeader(sip.NewHeader("Session-Expires", fmt.Sprintf("%d;refresher=uac", int(length.Seconds()))))
	res.AppendHeader(sip.NewHeader("Require", "timer"))
	l.stopSession()
	// RFC 4028 §10: BYE a little before the session runs out.
	var t *time.Timer
	t = time.AfterFunc(length-min(32*time.Second, length/3), func() {
		l.do(func() {
			if l.session == t && l.state == confirmed {
				l.bye(call.MediaTimeout, "session timer expired")
				l.end(callctl.LegEnded{Leg: l, Cause: call.MediaTimeout, Status: 408, Remote: true})
			}
		})
	})
	l.session = t
}

func (l *Leg) stopSession() {
	if l.session != nil {
		l.session.Stop()
		l.session = nil
	}
}

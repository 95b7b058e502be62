package sipua

import (
	"fmt"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
)

// status is what stands for a cause on the wire.
type status struct {
	code  int // final response to an INVITE
	q850  int // RFC 3326 cause in a Reason header, 0 for none
	words string
}

// statuses is the one table between causes and SIP.
var statuses = map[call.Cause]status{
	call.Normal:        {480, 16, "Normal call clearing"},
	call.Cancelled:     {487, 0, ""},
	call.Busy:          {486, 17, "User busy"},
	call.NoAnswer:      {480, 19, "No answer"},
	call.Rejected:      {603, 21, "Call rejected"},
	call.Unavailable:   {480, 20, "Unavailable"},
	call.NotFound:      {404, 1, "Unallocated number"},
	call.Forbidden:     {403, 21, "Call rejected"},
	call.Gone:          {410, 22, "Gone"},
	call.NotAcceptable: {488, 88, "Incompatible"},
	call.Elsewhere:     {486, 26, "Call completed elsewhere"},
	call.MediaTimeout:  {480, 31, "Media timeout"},
	call.Overloaded:    {503, 42, "Congestion"},
	call.Shutdown:      {503, 41, "Shutting down"},
	call.Failed:        {500, 41, "Temporary failure"},
}

func statusOf(c call.Cause) status {
	if s, ok := statuses[c]; ok {
		return s
	}
	return statuses[call.Failed]
}

// causeOf reads a final response to an INVITE of ours. rang says that the phone
// had rung: a 480 is then nobody picking up, not nobody being there.
func causeOf(code int, rang bool) call.Cause {
	switch code {
	case 404, 484, 604:
		return call.NotFound
	case 410:
		return call.Gone
	case 408:
		if rang {
			return call.NoAnswer
		}
		return call.Unavailable
	case 480:
		if rang {
			return call.NoAnswer
		}
		return call.Unavailable
	case 486, 600:
		return call.Busy
	case 487:
		return call.NoAnswer // our Expires ran out there; our own CANCEL is told as its cause
	case 401, 403, 407, 603:
		return call.Rejected
	case 406, 415, 488, 606:
		return call.NotAcceptable
	case 503:
		return call.Overloaded
	}
	switch {
	case code >= 300 && code < 400, code >= 400 && code < 500:
		return call.Unavailable
	case code >= 600:
		return call.Rejected
	}
	return call.Failed
}

// reasonHeader tells a peer why (RFC 3326): on CANCEL that somebody else was
// quicker, so that the phone shows no missed call; else the Q.850 cause with the
// note as its text.
func reasonHeader(c call.Cause, note string) sip.Header {
	if c == call.Elsewhere {
		return sip.NewHeader("Reason", `SIP;cause=200;text="Call completed elsewhere"`)
	}
	st := statusOf(c)
	words := plain(note)
	if words == "" {
		words = st.words
	}
	if st.q850 == 0 {
		return nil
	}
	return sip.NewHeader("Reason", fmt.Sprintf(`Q.850;cause=%d;text="%s"`, st.q850, words))
}

package parking

import (
	"errors"

	"github.com/callyard/callyard/internal/call"
)

// ErrInUse: a lot or a slot holds a call and cannot be removed.
var ErrInUse = errors.New("a call is parked there")

// ExpiryReason is the reason of a park whose terminal step sends the call on to
// a node of that type (or to what a lot's OnExpired names).
func ExpiryReason(nextNodeType string) Reason {
	switch nextNodeType {
	case "voicemail":
		return ExpiredVoicemail
	case "callback", "offer_callback":
		return ExpiredCallback
	default:
		return ExpiredTransfer
	}
}

// Retrieved reports whether a person talked to the caller.
func (r Reason) Retrieved() bool {
	switch r {
	case RetrievedParker, RetrievedOther, RetrievedRecall, RetrievedOffer, RetrievedQueue:
		return true
	case Abandoned, AbandonedOutage, ExpiredVoicemail, ExpiredCallback, ExpiredTransfer, Moved, Failed:
	}
	return false
}

// RetrievalReason is the reason of a park that an actor took: by what way, and
// whether it was the parker's own.
func (p Park) RetrievalReason(by call.Actor) Reason {
	switch by.Via {
	case "recall":
		return RetrievedRecall
	case "offer":
		return RetrievedOffer
	case "queue":
		return RetrievedQueue
	}
	if p.Parker != "" && by.User == p.Parker {
		return RetrievedParker
	}
	return RetrievedOther
}

// Fact is the kind of event that tells of the reason.
func (r Reason) Fact() call.EventType {
	switch r {
	case Abandoned, AbandonedOutage:
		return call.ParkAbandoned
	case ExpiredVoicemail, ExpiredCallback, ExpiredTransfer:
		return call.ParkExpired
	case Moved:
		return call.ParkMoved
	case Failed:
		return call.ParkFailed
	case RetrievedParker, RetrievedOther, RetrievedRecall, RetrievedOffer, RetrievedQueue:
		return call.ParkRetrieved
	}
	return call.ParkFailed
}

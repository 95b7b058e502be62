package routing

import "errors"

// ErrTrial: a trunk's test call is under way; one at a time is made.
var ErrTrial = errors.New("a test call of this trunk is under way")

// Trial is what came of a test call through a trunk.
type Trial struct {
	Trunk   string      `json:"trunk"`
	OK      bool        `json:"ok"`      // answered, and audio came back
	Verdict string      `json:"verdict"` // in words
	Cure    string      `json:"cure"`    // what to do about it; "" if nothing
	Steps   []TrialStep `json:"steps"`   // in the order of time
}

// TrialStep is one thing that happened in a test call.
type TrialStep struct {
	AtMS    int64  `json:"at_ms"` // since the beginning
	What    string `json:"what"`  // "begun", "resolved", "options", "dialled", "ringing", "answered", "audio", "ended", "failed"
	Gateway string `json:"gateway"`
	Status  int    `json:"status"` // of SIP; 0: none
	Codec   string `json:"codec"`
	SRTP    string `json:"srtp"` // the suite, or "off"; "" before the answer
	Packets uint64 `json:"packets"`
	Text    string `json:"text"`
	Cure    string `json:"cure"`
}

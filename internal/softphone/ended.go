package softphone

// EndReason is how a call came to its end. The far end did it when Ended.Remote.
type EndReason string

// The end reasons.
const (
	Bye       EndReason = "bye"
	Cancelled EndReason = "cancelled" // given up before the answer
	Rejected  EndReason = "rejected"  // a final answer other than 2xx
	TimedOut  EndReason = "timed out" // no answer, or no ACK to ours
	Closed    EndReason = "closed"    // the phone vanished
)

// Ended is the end of a call.
type Ended struct {
	Why    EndReason
	Remote bool
	Status int    // final status of the INVITE, when not 2xx
	Reason string // its reason phrase
	Text   string // text of the Reason header, else of the Warning header
	Header Header // of the message that ended it
}

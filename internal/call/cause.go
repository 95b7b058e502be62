package call

// Cause says why a leg or a call ended. The SIP status that stands for each is
// chosen where SIP is spoken, in one table.
type Cause string

// The causes.
const (
	Normal        Cause = "normal"              // a party hung up
	Cancelled     Cause = "cancelled"           // the caller gave up while it rang
	Busy          Cause = "busy"                // 486
	NoAnswer      Cause = "no_answer"           // 408, 480 after ringing, or our own timer
	Rejected      Cause = "rejected"            // 603, or 403 from a phone
	Unavailable   Cause = "unavailable"         // 480: no device, agent away
	NotFound      Cause = "not_found"           // 404: nobody has this number
	Forbidden     Cause = "forbidden"           // 403
	Gone          Cause = "gone"                // 410: the parked call was taken or has left
	NotAcceptable Cause = "not_acceptable"      // 488: no codec in common
	Elsewhere     Cause = "completed_elsewhere" // somebody else was quicker
	MediaTimeout  Cause = "media_timeout"       // the far end fell silent
	Overloaded    Cause = "overloaded"          // 503 with Retry-After
	Shutdown      Cause = "shutdown"            // this node is stopping
	Failed        Cause = "failed"              // 500: our fault
)

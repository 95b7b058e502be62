// Package parking keeps calls in the slots of lots: who waits where, since when,
// who may take them, who took them, and which step of the escalation ladder is
// due next. It decides and records; carrying out a step on live phones is the
// business of whoever runs the call.
package parking

import "time"

// Lot is a set of slots, with the rules for calls parked in them.
type Lot struct {
	ID        string        `json:"id"`        // "lot_…"
	Name      string        `json:"name"`      // "sales": how flows and people call it
	Extension string        `json:"extension"` // a REFER to it, or the feature code, parks in the next free slot
	First     int           `json:"first"`     // first and last slot number: the codes that retrieve
	Last      int           `json:"last"`
	Music     string        `json:"music"`
	MaxPark   time.Duration `json:"-"`          // the hard maximum; 300 s unless set, never off
	Claim     time.Duration `json:"-"`          // how long a soft claim lasts; 10 s
	CoolDown  time.Duration `json:"-"`          // a slot just freed is not handed out while others are free; 30 s
	Bounce    time.Duration `json:"-"`          // a recalled parker who hangs up within it puts the call back; 5 s
	Reserve   time.Duration `json:"-"`          // how long a slot is held for who has called the lot to park there; 5 s
	Ladder    []Step        `json:"ladder"`     // for calls parked by people; a flow's park node brings its own
	OnExpired string        `json:"on_expired"` // for calls parked by people: "voicemail:<box>", "queue:<name>" or "hangup"
}

// Step is one rung of the escalation ladder. Times are counted from the start
// of parking.
type Step struct {
	After     time.Duration `json:"-"`
	Do        Do            `json:"do"`
	To        string        `json:"to,omitempty"`       // remind, recall: "parker", "owner"; offer: "team:x", "agent:x", "owner"; alert: "manager"
	Repeat    time.Duration `json:"-"`                  // remind: again until the next step; 0 once
	Ring      time.Duration `json:"-"`                  // recall 20 s, offer 15 s
	Strategy  string        `json:"strategy,omitempty"` // offer: "ring_all" (default), "longest_idle"
	Queue     string        `json:"queue,omitempty"`
	Leaves    bool          `json:"-"`                    // enqueue: the call leaves its slot for the queue; "stay_parked": false
	Tier      *int          `json:"tier,omitempty"`       // enqueue, widen: agents of this tier and those before it may be offered the call
	Skills    []string      `json:"skills,omitzero"`      // enqueue, widen: who have all of these
	Priority  string        `json:"priority,omitempty"`   // enqueue: a number or an expression, read by whoever joins the queue
	When      string        `json:"when,omitempty"`       // an expression; false skips the step
	OnUnknown string        `json:"on_unknown,omitempty"` // of a condition that cannot be known: "run" (default) or "skip"
	Channel   string        `json:"channel,omitempty"`    // alert: "webhook" (default), "email", "chat", "chat:sales"
	Outcome   string        `json:"outcome,omitempty"`    // goto: the outcome of the flow's node; ends the park
}

// Do is what a step does.
type Do string

// The rungs. Goto is the terminal one.
const (
	Remind   Do = "remind"
	Recall   Do = "recall"
	Offer    Do = "offer"
	Enqueue  Do = "enqueue"
	Widen    Do = "widen" // more agents of the queue that the call waits in may be offered it
	Announce Do = "announce"
	Alert    Do = "alert"
	// OfferCallback tells the caller that a key gets them called back; pressing it
	// ends the park.
	OfferCallback Do = "offer_callback"
	Goto          Do = "goto"
)

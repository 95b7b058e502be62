package call

import "time"

// Event is one line of the ledger: a fact about a call, written in the
// transaction that made it true, by the one writer of that kind of fact.
// Seq is gap-free per call and given by the store.
type Event struct {
	ID      int64          `json:"id"`  // the ledger's own order, for cursors
	Seq     int            `json:"seq"` // 1, 2, 3 … within the call
	At      time.Time      `json:"at"`
	Call    ID             `json:"call"`
	Type    EventType      `json:"type"`
	Leg     LegID          `json:"leg,omitempty"`
	Park    string         `json:"park,omitempty"`
	Lot     string         `json:"lot,omitempty"`
	Slot    string         `json:"slot,omitempty"`
	Queue   string         `json:"queue,omitempty"`
	Actor   Actor          `json:"actor,omitzero"`
	Age     time.Duration  `json:"-"` // since the call was parked or queued; stored and shown as age_ms
	Flow    string         `json:"flow,omitempty"`
	Version int            `json:"version,omitempty"`
	Node    string         `json:"node,omitempty"` // of the flow
	Cause   Cause          `json:"cause,omitempty"`
	Data    map[string]any `json:"data,omitempty"`
}

// Actor is who did it: an agent (User), from which device, by what way
// ("dial", "rest", "refer", "feature", "recall", "offer", "queue", "flow").
type Actor struct {
	User   string `json:"user,omitempty"`
	Device string `json:"device,omitempty"`
	Via    string `json:"via,omitempty"`
}

// EventType is the kind of fact.
type EventType string

// The facts of the ledger. Those of parking are written by the parking store,
// those of queues by the queue store, the rest by the live call.
const (
	Offered      EventType = "call.offered"
	Ringing      EventType = "call.ringing"
	AnsweredBy   EventType = "call.answered"  // by the system or a person, see Actor
	Whispered    EventType = "call.whispered" // to who has answered, before they are connected
	Connected    EventType = "call.connected"
	Parted       EventType = "call.parted"      // a conversation ended while the caller stayed
	Transferred  EventType = "call.transferred" // Data: {to, from_call or into_call}
	Held         EventType = "call.held"
	Resumed      EventType = "call.resumed"
	Refused      EventType = "call.refused"
	Ended        EventType = "call.ended"
	FlowStarted  EventType = "flow.started"
	FlowDecided  EventType = "flow.decided" // Data: {type, outcome, to, rule, reason, inputs, rejected, subflow, subflow_version}
	FlowFailed   EventType = "flow.failed"
	Chosen       EventType = "dial.chosen" // Data: {chosen, numbers, rejected: [{who, why}], more_rejected, strategy, step}
	Dialled      EventType = "dial.started"
	DialResult   EventType = "dial.result"
	CRMLookedUp  EventType = "crm.looked_up"
	Notified     EventType = "notify.queued"
	NotifySent   EventType = "notify.sent"   // Data: {channel, template}
	NotifyFailed EventType = "notify.failed" // Data: {channel, template, why}; it is not tried again
	NotSpoken    EventType = "speech.failed"
	Recorded     EventType = "recording.stored" // Data: {file, began_at, length_ms, paused}
	RecordingSet EventType = "recording.set"    // somebody switched it: Data: {do}
	NotRecorded  EventType = "recording.failed"
	Consented    EventType = "recording.announced"
	VoicemailNew EventType = "voicemail.left"

	DispositionAsked EventType = "call.disposition_asked" // Data: {ask, timeout_ms}
	Disposed         EventType = "call.disposed"          // Data: {code, label, category, note, before}; also after the end

	CallbackScheduled EventType = "callback.scheduled" // Data of all four: {callback, call, …}, call being the one in which it was asked for
	CallbackBegun     EventType = "callback.begun"     // the first of an attempt's own call
	CallbackResult    EventType = "callback.result"    // of both calls: {result, state, tried, tries, due_at, as}
	CallbackCancelled EventType = "callback.cancelled" // {why}

	ParkReserved          EventType = "park.reserved"           // a slot is held for who called the lot
	ParkReservationLapsed EventType = "park.reservation_lapsed" // Data: {why}: nobody was parked there

	ParkRequested  EventType = "park.requested"
	ParkRefused    EventType = "park.refused"
	Parked         EventType = "park.parked"
	ParkReminded   EventType = "park.reminded"
	ParkStep       EventType = "park.step_started"
	ParkStepResult EventType = "park.step_result"
	ParkClaimed    EventType = "park.claimed"
	ParkClaimLost  EventType = "park.claim_lost"
	ParkReleased   EventType = "park.released"
	ParkRetrieved  EventType = "park.retrieved"
	ParkAbandoned  EventType = "park.abandoned"
	ParkExpired    EventType = "park.expired"
	ParkMoved      EventType = "park.moved" // Data: {reason, to: {park, lot, slot}}; a park.parked of the new park follows
	ParkFailed     EventType = "park.failed"
	ParkRecovered  EventType = "park.recovered"
	ParkNoted      EventType = "park.noted" // Data: {note}

	QueueJoined   EventType = "queue.joined"    // Data: {priority, from}: from is the queue that the call was moved from
	QueueLeft     EventType = "queue.left"      // Data: {outcome, to}: to is the queue that the call was moved to
	QueueReorder  EventType = "queue.reordered" // Data: {priority, first}
	OfferMade     EventType = "offer.made"
	OfferAnswered EventType = "offer.answered"
	OfferMissed   EventType = "offer.missed"   // Data: {why: no_answer|busy|rejected|unreachable}
	OfferWithdrew EventType = "offer.withdrew" // somebody else was quicker, or the caller left
)

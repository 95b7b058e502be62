package webhooks

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Delivery is one message on its way to one webhook.
type Delivery struct {
	ID      string // "whd_…"
	Webhook string
	// Message is the webhook-id header: the same at every attempt, and for every
	// webhook that is sent the same fact.
	Message string
	Event   call.EventType
	Call    call.ID // "" for a test
	Body    []byte  // as it is sent, byte for byte the same every time
	State   State
	// Tries counts the attempts since it was made, or sent again.
	Tries     int
	Attempts  []Attempt // all, the oldest first
	CreatedAt time.Time
	NextAt    time.Time // of the next attempt; zero when there is none to come
}

// State is how far a delivery has come.
type State string

// The states. Dead ones wait for a person, who may send them again.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	Dead      State = "dead"
)

// Attempt is one try to deliver, and what came of it.
type Attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status,omitempty"` // of HTTP; 0: no answer
	TookMS int64     `json:"took_ms"`
	Error  string    `json:"error,omitempty"` // "" when it was accepted
}

// Filter narrows a list of deliveries; zero fields match everything.
type Filter struct {
	Webhook string
	State   State
	Event   call.EventType
	Before  string // only ids below it: the last of the page before
	Limit   int    // 50 unless set
}

// Deliver is the job of sending a delivery.
type Deliver struct {
	Delivery string `json:"delivery"`
}

// Kind names the job.
func (Deliver) Kind() string { return "webhook_deliver" }

// TestEvent is the type of the message that Webhook's test sends.
const TestEvent call.EventType = "webhook.test"

// pauses are those between attempts, after which a delivery is dead: the
// schedule that Standard Webhooks gives as an example.
var pauses = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
}

// Pause is how long to wait after so many failed attempts; false: no longer.
func Pause(tries int) (time.Duration, bool) {
	if tries < 1 || tries > len(pauses) {
		return 0, false
	}
	return pauses[tries-1], true
}

// fact is the data of a message: an event as the REST API shows it.
type fact struct {
	call.Event
	Age int64 `json:"age_ms,omitempty"`
}

// MessageOf is the body of a fact's message, and its webhook-id.
func MessageOf(e call.Event) (id string, body []byte, err error) {
	body, err = envelope(e.Type, e.At, fact{e, e.Age.Milliseconds()})
	return fmt.Sprintf("evt_%d", e.ID), body, err
}

// TestMessage is the body of a test's message, and its webhook-id.
func TestMessage(webhook string, now time.Time) (id string, body []byte, err error) {
	body, err = envelope(TestEvent, now, map[string]string{"webhook": webhook, "text": "This is a test: it tells of no call."})
	return call.NewID("test", now), body, err
}

// envelope is the shape that Standard Webhooks gives to bodies.
func envelope(t call.EventType, at time.Time, data any) ([]byte, error) {
	b, err := json.Marshal(struct {
		Type      call.EventType `json:"type"`
		Timestamp time.Time      `json:"timestamp"`
		Data      any            `json:"data"`
	}{t, at.UTC(), data})
	if err != nil {
		return nil, fmt.Errorf("message of %s: %w", t, err)
	}
	return b, nil
}

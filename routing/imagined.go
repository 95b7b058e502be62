package routing

import (
	"encoding/json"
	"regexp"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Imagined is a call that only takes place in the mind: who calls, whom the
// hub would find, and how they behave. internal/sim runs it.
type Imagined struct {
	From         call.Number         `json:"from,omitempty"`
	To           call.Number         `json:"to,omitempty"`
	Name         string              `json:"name,omitempty"`
	At           time.Time           `json:"at"`
	CRM          map[string]any      `json:"crm,omitempty"`            // the caller's record; null: unknown
	CRMOutcome   string              `json:"crm_outcome,omitempty"`    // "one", "none", "many", "error"; "" goes by crm
	CRMLatencyMS float64             `json:"crm_latency_ms,omitempty"` // until the CRM answers
	Agents       map[string]string   `json:"agents,omitempty"`         // "ann", "team:sales", "queue:sales", "number:+34…" → Manners
	Nodes        map[string]Foretold `json:"nodes,omitempty"`          // by node: what it comes to
	Vars         map[string]any      `json:"vars,omitempty"`
	TalkS        float64             `json:"talk_s,omitempty"`    // conversations last so long; then the rep hangs up
	MessageS     float64             `json:"message_s,omitempty"` // so does what the caller leaves on a voicemail
}

// Foretold is what a node comes to whenever it is reached: a web service's
// answer, a lot that is full.
type Foretold struct {
	Outcome string         `json:"outcome"`
	AfterMS float64        `json:"after_ms,omitempty"`
	Vars    map[string]any `json:"vars,omitempty"`   // what it brings: {"vars": {"score": 7}}
	Answer  any            `json:"answer,omitempty"` // of an http node: the JSON that the other system answers
	Assumed bool           `json:"-"`                // nobody has said so
}

// ImaginedEvent is one thing that happens in an imagined call. One that does
// not fit what the call waits for at the time is passed over.
type ImaginedEvent struct {
	AtS         float64        `json:"at_s"`                   // seconds since the call began
	RetrievedBy string         `json:"retrieved_by,omitempty"` // somebody takes the parked call
	AnsweredBy  string         `json:"answered_by,omitempty"`  // somebody answers what rings, or the queue
	Digits      string         `json:"digits,omitempty"`       // the caller presses keys
	Hangup      bool           `json:"hangup,omitempty"`       // the caller hangs up
	Outcome     string         `json:"outcome,omitempty"`      // what is waited for comes to this
	Disposition string         `json:"disposition,omitempty"`  // the rep says what came of the call
	Agent       string         `json:"agent,omitempty"`        // somebody is from now on…
	Becomes     string         `json:"becomes,omitempty"`      // …of these Manners
	CRM         map[string]any `json:"crm,omitempty"`          // the record says this from now on
}

// manners is how agents can be written to behave.
var manners = regexp.MustCompile(`^((available|rejects)(:\d+(\.\d+)?s)?|busy|no_answer|unreachable|away|offline)$`)

// Manners says in which words the behaviour of an agent can be put.
const Manners = "available, available:4s (answers after ringing so long), no_answer, rejects, rejects:3s, busy, unreachable, away or offline"

// Mannered reports whether s is one of Manners.
func Mannered(s string) bool { return manners.MatchString(s) }

func imaginedSchema() *Schema {
	return object(fields{
		"from": text(""), "to": text(""), "name": text(""), "at": name(DateTime, "RFC 3339"),
		"crm":            {},
		"crm_outcome":    {Type: "string", Enum: []string{"", "one", "none", "many", "error"}},
		"crm_latency_ms": amount("number", "until the CRM answers", nil, 0, 60000),
		"agents":         mapOf("", text(Manners)),
		"nodes": mapOf("", object(fields{
			"outcome":  text("what the node comes to"),
			"after_ms": amount("number", "so long after it was reached", nil, 0, 86400000),
			"vars":     {Type: "object", Each: &Schema{}},
			"answer":   {},
		}, "outcome")),
		"vars":      {Type: "object", Each: &Schema{}},
		"talk_s":    seconds("how long conversations last", nil, 0, 86400),
		"message_s": seconds("how long a message is left", nil, 0, 3600),
	}, "at")
}

func imaginedEventSchema() *Schema {
	return object(fields{
		"at_s":         seconds("since the call began", nil, 0, 86400),
		"retrieved_by": text(""), "answered_by": text(""), "digits": text(""), "outcome": text(""),
		"hangup": {Type: "boolean"}, "disposition": text("the rep says what came of the call"),
		"agent": text("somebody of agents"), "becomes": text(Manners),
		"crm": {Type: "object", Each: &Schema{}},
	}, "at_s")
}

// reread turns a checked tree into a struct.
func reread(tree, into any) error {
	b, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

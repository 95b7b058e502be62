// Package analytics turns what happened into numbers: a fold over the ledger
// that defines each figure. docs/metrics.md says every formula in words.
package analytics

import "time"

// Definition is the version of the formulas. It grows when a figure changes its
// meaning, and is stored with every report.
const Definition = 1

// Window is from, up to but not including to. What began in it belongs to it,
// however much later it ended.
type Window struct {
	From time.Time
	To   time.Time
}

func (w Window) has(t time.Time) bool { return !t.Before(w.From) && t.Before(w.To) }

// By is what attempts are grouped by.
type By string

// The groupings. An attempt that has none, such as a retriever when nobody
// retrieved it, is in the group "".
const (
	ByNone        By = "none"
	ByLot         By = "lot"
	ByFlow        By = "flow"
	ByAgent       By = "agent" // the retriever
	ByParker      By = "parker"
	ByHour        By = "hour"         // "2026-03-02T09:00:00+01:00", of the beginning
	ByWeekdayHour By = "weekday_hour" // "1 Mon 09"
)

// Options of a report; the zero value is the usual one.
type Options struct {
	GroupBy By             // ByNone unless set
	Zone    *time.Location // of hours; UTC unless set
	Target  time.Duration  // service level: answered within it; 20 s
	Short   time.Duration  // an abandon within it is a short one; 5 s
	// Now is the moment of the report. Calls that still wait have waited until
	// then, which the Kaplan–Meier median takes into account; zero leaves them out of it.
	Now time.Time
}

// Report is the park-to-answer report with the calls of the same window.
type Report struct {
	Definition int       `json:"definition"`
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
	GroupBy    By        `json:"group_by"`
	Parks      Parks     `json:"parks"`
	Groups     []Group   `json:"groups"` // in the order of their keys; empty with ByNone
	Calls      Calls     `json:"calls"`
}

// Group is the part of the attempts that share a key.
type Group struct {
	Key string `json:"key"`
	Parks
}

// Parks are the figures of park attempts: stays in a slot.
type Parks struct {
	Attempts int `json:"attempts"`
	Calls    int `json:"calls"` // a call parked twice is two attempts of one call

	// Park-to-answer: of the retrieved attempts, from parking to being connected.
	Answer Times `json:"park_to_answer"`
	// Median estimates the median wait for an answer of all attempts, those that
	// were not answered included as having waited at least as long as they did
	// (Kaplan–Meier). Only when more than 5 % of the ended attempts were
	// abandoned, and if half of them would have been answered at all.
	Median *int64 `json:"km_median_ms"`

	// Outcomes count each reason once per ended attempt: with Waiting they sum to
	// Attempts.
	Outcomes map[string]int `json:"outcomes"`
	Waiting  int            `json:"waiting"`

	// Dispositions count the calls of these attempts by what came of them, the
	// newest word of each: by code. Calls of which nobody has said anything are not
	// among them.
	Dispositions map[string]int `json:"dispositions"`

	Steps []Step `json:"steps"` // of the escalation ladder
}

// Times are percentiles by nearest rank: values that occurred. They are null
// when there are none, and uncertain (Few) when there are fewer than 20.
type Times struct {
	N    int    `json:"n"`
	P50  *int64 `json:"p50_ms"`
	P90  *int64 `json:"p90_ms"`
	P95  *int64 `json:"p95_ms"`
	Mean *int64 `json:"mean_ms"`
	Few  bool   `json:"few"`
}

// Step is what escalating did: how often step k of the ladder began, and how
// many calls were retrieved after it had.
type Step struct {
	Step      int      `json:"step"` // 1 is the first
	Do        string   `json:"do"`   // of the ladder; "mixed" when ladders differ
	Fired     int      `json:"fired"`
	FiredRate *float64 `json:"fired_rate"` // of the attempts
	Saved     int      `json:"saved"`
	SavedRate *float64 `json:"saved_rate"` // of the fired
}

// Calls are the figures of inbound calls, by whether a person talked to the caller.
type Calls struct {
	Offered   int `json:"offered"`
	Answered  int `json:"answered"`
	Abandoned int `json:"abandoned"` // short ones included
	Short     int `json:"short_abandoned"`
	Other     int `json:"other"` // ended otherwise: voicemail, refused, expired, failed
	Waiting   int `json:"waiting"`

	AbandonedIn map[string]int `json:"abandoned_in"` // flow, queue, parked, ringing: they sum to Abandoned
	AbandonRate *float64       `json:"abandon_rate"`

	ServiceLevel ServiceLevel `json:"service_level"`
	FromStart    Times        `json:"answer_from_start"` // ASA from the start of the call
	FromWaiting  Times        `json:"answer_from_wait"`  // ASA from the first queue or slot
}

// ServiceLevel is the share of calls answered in time, in the four common ways
// of treating those who gave up.
type ServiceLevel struct {
	Target       int64    `json:"target_ms"`
	Met          int      `json:"met"`
	Rate         *float64 `json:"rate"`                // met ÷ (answered + abandoned − short)
	AllAbandons  *float64 `json:"rate_all_abandons"`   // met ÷ (answered + abandoned)
	AnsweredOnly *float64 `json:"rate_answered_only"`  // met ÷ answered
	EarlyCount   *float64 `json:"rate_early_abandons"` // (met + abandoned in time) ÷ (answered + abandoned)
}

// Reasons are why a park ends, in the order in which they are shown.
var Reasons = []string{
	"retrieved_parker", "retrieved_other", "retrieved_recall", "retrieved_offer", "retrieved_queue",
	"abandoned", "abandoned_in_outage", "expired_voicemail", "expired_callback", "expired_transfer", "moved", "failed",
}

// Stages are where callers give up.
var Stages = []string{"flow", "queue", "parked", "ringing"}

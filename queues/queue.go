package queues

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Defaults of a queue: what WithDefaults fills in.
const (
	DefaultRing    = 15 * time.Second
	DefaultRetry   = 5 * time.Second
	DefaultWrapUp  = 30 * time.Second
	DefaultMaxWait = 300 * time.Second
	DefaultTarget  = 20 * time.Second
)

// mostCounted bounds counts and places, so that they fit stores.
const mostCounted = 1_000_000

var nameShape = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// WithDefaults fills in what is zero. There is always a maximum wait.
func (q Queue) WithDefaults() Queue {
	q.Strategy = cmp.Or(q.Strategy, LongestIdle)
	q.Ring = cmp.Or(q.Ring, DefaultRing)
	q.Retry = cmp.Or(q.Retry, DefaultRetry)
	q.WrapUp = cmp.Or(q.WrapUp, DefaultWrapUp)
	q.MaxWait = cmp.Or(q.MaxWait, DefaultMaxWait)
	q.Target = cmp.Or(q.Target, DefaultTarget)
	return q
}

// Validate says everything that is wrong with a queue, defaults filled in.
func (q Queue) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !nameShape.MatchString(q.Name) {
		wrong("name %q: lower-case letters, digits, dots and dashes only", q.Name)
	}
	if _, ok := Strategies[q.Strategy]; !ok {
		wrong("strategy %q: one of %s", q.Strategy, strings.Join(slices.Sorted(maps.Keys(Strategies)), ", "))
	}
	for _, d := range []struct {
		name  string
		is    time.Duration
		least time.Duration
		most  time.Duration
	}{
		{"ring_s", q.Ring, time.Millisecond, 5 * time.Minute},
		{"retry_s", q.Retry, time.Millisecond, 5 * time.Minute},
		{"wrap_up_s", q.WrapUp, -time.Hour, time.Hour},
		{"max_wait_s", q.MaxWait, time.Millisecond, 4 * time.Hour},
		{"target_s", q.Target, time.Millisecond, time.Hour},
	} {
		if d.is < d.least || d.is > d.most {
			wrong("%s %s: between %s and %s", d.name, d.is, d.least, d.most)
		}
	}
	if q.MaxLen < 0 || q.MaxLen > mostCounted {
		wrong("max_len %d: between 0 and %d", q.MaxLen, mostCounted)
	}
	seen := map[string]bool{}
	for _, a := range q.Agents {
		switch {
		case a.Agent == "":
			wrong("agents: one has no name")
		case seen[a.Agent]:
			wrong("agents: %s is assigned twice", a.Agent)
		case a.Tier < 0:
			wrong("agents: tier %d of %s is below zero", a.Tier, a.Agent)
		case max(a.Tier, a.Order, -a.Order) > mostCounted:
			wrong("agents: tier or order of %s is beyond %d", a.Agent, mostCounted)
		}
		seen[a.Agent] = true
	}
	if len(errs) > 0 {
		return fmt.Errorf("queue %s: %w", q.Name, errors.Join(errs...))
	}
	return nil
}

type (
	queueFields Queue
	queueJSON   struct {
		queueFields
		RingS    float64 `json:"ring_s"`
		RetryS   float64 `json:"retry_s"`
		WrapUpS  float64 `json:"wrap_up_s"`
		MaxWaitS float64 `json:"max_wait_s"`
		TargetS  float64 `json:"target_s"`
	}
)

// MarshalJSON writes durations in seconds.
func (q Queue) MarshalJSON() ([]byte, error) {
	return json.Marshal(queueJSON{
		queueFields: queueFields(q),
		RingS:       q.Ring.Seconds(), RetryS: q.Retry.Seconds(), WrapUpS: q.WrapUp.Seconds(),
		MaxWaitS: q.MaxWait.Seconds(), TargetS: q.Target.Seconds(),
	})
}

// UnmarshalJSON reads durations in seconds; what is not given stays as it is, and
// a key that nobody knows is an error, also where the reader forgot to ask.
func (q *Queue) UnmarshalJSON(b []byte) error {
	doc := queueJSON{
		queueFields: queueFields(*q),
		RingS:       q.Ring.Seconds(), RetryS: q.Retry.Seconds(), WrapUpS: q.WrapUp.Seconds(),
		MaxWaitS: q.MaxWait.Seconds(), TargetS: q.Target.Seconds(),
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // a Decoder does not hand it on to UnmarshalJSON
	if err := d.Decode(&doc); err != nil {
		return fmt.Errorf("queue %q: %w", doc.Name, err)
	}
	*q = Queue(doc.queueFields)
	q.Ring, q.Retry, q.WrapUp = seconds(doc.RingS), seconds(doc.RetryS), seconds(doc.WrapUpS)
	q.MaxWait, q.Target = seconds(doc.MaxWaitS), seconds(doc.TargetS)
	return nil
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}

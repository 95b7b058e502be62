package parking

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// In JSON durations are numbers of seconds, and the field's name says so. What
// is absent is left as it was, so that reading into Defaults or into a stored
// lot changes only what is given. A key that nobody knows is an error: a
// misspelt one would be a rule that silently does not hold.

type (
	lotFields  Lot // without the methods
	stepFields Step
)

// MarshalJSON writes durations as seconds.
func (l Lot) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		lotFields
		MaxPark  float64 `json:"max_park_s"`
		Claim    float64 `json:"claim_s"`
		CoolDown float64 `json:"cool_down_s"`
		Bounce   float64 `json:"bounce_s"`
		Reserve  float64 `json:"reserve_s"`
	}{lotFields(l), seconds(l.MaxPark), seconds(l.Claim), seconds(l.CoolDown), seconds(l.Bounce), seconds(l.Reserve)})
}

// UnmarshalJSON reads durations as seconds, and no unknown keys. A cool-down or
// bounce of 0 is Off.
func (l *Lot) UnmarshalJSON(b []byte) error {
	was := l.Ladder
	l.Ladder = nil // a ladder is replaced whole; its array may be shared
	in := struct {
		*lotFields
		MaxPark  *float64 `json:"max_park_s"`
		Claim    *float64 `json:"claim_s"`
		CoolDown *float64 `json:"cool_down_s"`
		Bounce   *float64 `json:"bounce_s"`
		Reserve  *float64 `json:"reserve_s"`
	}{lotFields: (*lotFields)(l)}
	if err := strict(b, &in); err != nil {
		return fmt.Errorf("lot %q: %w", l.Name, err)
	}
	if l.Ladder == nil {
		l.Ladder = was
	}
	read(&l.MaxPark, in.MaxPark)
	read(&l.Claim, in.Claim)
	read(&l.CoolDown, in.CoolDown)
	read(&l.Bounce, in.Bounce)
	read(&l.Reserve, in.Reserve)
	if in.CoolDown != nil && *in.CoolDown == 0 {
		l.CoolDown = Off
	}
	if in.Bounce != nil && *in.Bounce == 0 {
		l.Bounce = Off
	}
	return nil
}

// MarshalJSON writes durations as seconds.
func (s Step) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		After float64 `json:"after_s"`
		stepFields
		Repeat float64 `json:"repeat_s,omitempty"`
		Ring   float64 `json:"ring_s,omitempty"`
		Stay   *bool   `json:"stay_parked,omitempty"`
	}{seconds(s.After), stepFields(s), seconds(s.Repeat), seconds(s.Ring), s.stays()})
}

// UnmarshalJSON reads durations as seconds, and no unknown keys.
func (s *Step) UnmarshalJSON(b []byte) error {
	in := struct {
		*stepFields
		After  *float64 `json:"after_s"`
		Repeat *float64 `json:"repeat_s"`
		Ring   *float64 `json:"ring_s"`
		Stay   *bool    `json:"stay_parked"`
	}{stepFields: (*stepFields)(s)}
	if err := strict(b, &in); err != nil {
		return fmt.Errorf("step of a ladder: %w", err)
	}
	read(&s.After, in.After)
	read(&s.Repeat, in.Repeat)
	read(&s.Ring, in.Ring)
	if in.Stay != nil {
		s.Leaves = !*in.Stay
	}
	return nil
}

// stays is written only where it says that the call does not.
func (s Step) stays() *bool {
	if !s.Leaves {
		return nil
	}
	return new(bool)
}

// strict is the option that json.Decoder does not hand on to UnmarshalJSON.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func seconds(d time.Duration) float64 { return max(0, d).Seconds() }

func read(d *time.Duration, s *float64) {
	if s != nil {
		*d = time.Duration(math.Round(*s * float64(time.Second)))
	}
}

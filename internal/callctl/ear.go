package callctl

import (
	"errors"
	"time"
)

// ear is what the caller hears. Somebody who has not been answered to the end
// has no audio yet, and hears nothing.
func (c *Call) ear() Media {
	if c.caller != nil {
		if m := c.caller.Media(); m != nil {
			return m
		}
	}
	return deaf{}
}

// beside has a leg that is about to be answered take the codec of the leg it will
// be joined with, where it can.
func beside(l, other Leg) {
	if b, ok := l.(interface{ Beside(Leg) }); ok {
		b.Beside(other)
	}
}

// deaf is the audio of a leg that has none.
type deaf struct{}

func (deaf) Music(string)                         {}
func (deaf) Play(_ []Clip, done func(whole bool)) { go done(false) }
func (deaf) Silence()                             {}
func (deaf) Join(Media)                           {}
func (deaf) Quality() Quality                     { return Quality{} }
func (deaf) RecordWith(Media, string, time.Duration) (Recording, error) {
	return nil, errors.New("nothing is heard on a leg without audio")
}

func (deaf) Record(string, time.Duration) (func() (time.Duration, error), error) {
	return nil, errors.New("nothing is heard on a leg without audio")
}

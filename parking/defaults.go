package parking

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Off switches a duration off whose zero value means the default: a lot's
// CoolDown or Bounce. In JSON it is 0.
const Off time.Duration = -1

// Defaults are what a lot has unless it says otherwise: the parker is reminded,
// then called back, and at the hard maximum (see Climb) the call goes to where
// OnExpired says, or to the voicemail box named like the lot.
var Defaults = Lot{
	MaxPark:  300 * time.Second,
	Claim:    10 * time.Second,
	CoolDown: 30 * time.Second,
	Bounce:   5 * time.Second,
	Reserve:  5 * time.Second,
	Ladder: []Step{
		{After: 45 * time.Second, Do: Remind, To: "parker", Repeat: 30 * time.Second},
		{After: 60 * time.Second, Do: Recall, To: "parker", Ring: recallRings},
	},
}

// WithDefaults fills in what is not set and makes the ladder whole. A ladder
// that is empty but not nil keeps only its end at the hard maximum, which
// nothing switches off.
func (l Lot) WithDefaults() Lot {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&l.MaxPark, Defaults.MaxPark)
	set(&l.Claim, Defaults.Claim)
	set(&l.CoolDown, Defaults.CoolDown)
	set(&l.Bounce, Defaults.Bounce)
	set(&l.Reserve, Defaults.Reserve)
	if l.Ladder == nil {
		l.Ladder = Defaults.Ladder
	}
	l.Ladder = Climb(l.Ladder, l.MaxPark)
	if l.OnExpired == "" {
		l.OnExpired = "voicemail:" + l.Name
	}
	return l
}

// Validate names every field of a complete lot (see WithDefaults) that is out of
// its range. It is for those who take lots from people; stores do not ask.
func (l Lot) Validate() error {
	v := faults{lot: l.Name}
	v.must(l.Name != "", "name", "is missing")
	v.must(!strings.ContainsAny(l.Name, " \t\n/:"), "name", "has a space, a slash or a colon")
	v.must(l.First >= 1, "first", "%d is not a slot number", l.First)
	v.must(l.Last >= l.First, "last", "%d is before the first slot, %d", l.Last, l.First)
	v.must(l.Last-l.First < maxSlots, "last", "%d slots are more than %d", l.Last-l.First+1, maxSlots)
	v.must(l.Last <= highestSlot, "last", "%d is above %d", l.Last, highestSlot)
	v.must(!l.isSlot(l.Extension), "extension", "%s is one of the lot's own slots", l.Extension)
	v.within("max_park_s", l.MaxPark, 10*time.Second, 9999*time.Second)
	v.within("claim_s", l.Claim, 3*time.Second, 30*time.Second)
	v.within("cool_down_s", max(0, l.CoolDown), 0, 300*time.Second)
	v.within("bounce_s", max(0, l.Bounce), 0, 15*time.Second)
	v.within("reserve_s", l.Reserve, 2*time.Second, 15*time.Second)
	kind, arg, _ := strings.Cut(l.OnExpired, ":")
	v.must(l.OnExpired == "hangup" || (kind == "voicemail" || kind == "queue") && arg != "",
		"on_expired", `%q is none of "voicemail:<box>", "queue:<name>", "hangup"`, l.OnExpired)
	v.ladder(l.Ladder, l.MaxPark)
	return errors.Join(v.found...)
}

// maxSlots bounds a lot: a thousand callers on hold are a queue, not a lot.
const maxSlots = 1000

// highestTier bounds the tiers that steps speak of.
const highestTier = 99

// highestSlot bounds what has to be dialled, and fits stores.
const highestSlot = 99_999_999

func (l Lot) isSlot(code string) bool {
	for n := l.First; n <= l.Last && n < l.First+maxSlots; n++ {
		if code == fmt.Sprint(n) {
			return true
		}
	}
	return false
}

type faults struct {
	lot   string
	found []error
}

func (v *faults) must(ok bool, field, format string, args ...any) {
	if !ok {
		v.found = append(v.found, fmt.Errorf("lot %q: %s: %s", v.lot, field, fmt.Sprintf(format, args...)))
	}
}

func (v *faults) within(field string, d, lo, hi time.Duration) {
	v.must(d >= lo && d <= hi, field, "%g is not within %g and %g seconds", d.Seconds(), lo.Seconds(), hi.Seconds())
}

func (v *faults) ladder(steps []Step, limit time.Duration) {
	v.must(len(steps) > 0 && steps[len(steps)-1].Do == Goto, "ladder", "the last step does not end the park (goto)")
	v.must(len(steps) == 0 || steps[len(steps)-1].When == "", "ladder", "the last step has a condition: the ladder has no end")
	narrow := false
	for i, s := range steps {
		at := func(field string) string { return fmt.Sprintf("ladder[%d].%s", i, field) }
		last := i == len(steps)-1
		v.must(i == 0 || s.After >= steps[i-1].After, at("after_s"), "%g comes before the step above, %g", s.After.Seconds(), steps[max(0, i-1)].After.Seconds())
		v.must(s.After <= limit, at("after_s"), "%g is beyond max_park_s, %g", s.After.Seconds(), limit.Seconds())
		v.oneOf(at("on_unknown"), s.OnUnknown, "", "run", "skip")
		switch s.Do {
		case Remind:
			v.within(at("after_s"), s.After, 5*time.Second, 600*time.Second)
			v.oneOf(at("to"), s.To, "parker", "owner")
			if s.Repeat != 0 {
				v.within(at("repeat_s"), s.Repeat, 10*time.Second, 600*time.Second)
			}
		case Recall:
			v.escalation(at, s)
			v.oneOf(at("to"), s.To, "parker", "owner")
			v.within(at("ring_s"), s.Ring, 5*time.Second, 60*time.Second)
		case Offer:
			v.escalation(at, s)
			kind, arg, _ := strings.Cut(s.To, ":")
			v.must(s.To == "owner" || s.To == "sticky" || (kind == "team" || kind == "agent" || kind == "skill") && arg != "", at("to"), `%q is none of "team:<name>", "skill:<name>", "agent:<name>", "owner", "sticky"`, s.To)
			v.within(at("ring_s"), s.Ring, 5*time.Second, 60*time.Second)
			v.oneOf(at("strategy"), s.Strategy, "", "ring_all", "longest_idle", "ordered")
		case Enqueue:
			v.escalation(at, s)
			v.must(s.Queue != "", at("queue"), "is missing")
			v.must(s.Tier == nil || *s.Tier >= 0 && *s.Tier <= highestTier, at("tier"), "is not within 0 and %d", highestTier)
			narrow = s.Tier != nil || len(s.Skills) > 0
		case Widen:
			v.escalation(at, s)
			v.must(narrow, at("do"), "everybody who serves the queue may be offered the call already: give the enqueue step before it a tier or skills")
			v.must(s.Tier != nil || s.Skills != nil, at("tier"), "is missing, and so are skills: nobody is let in")
			v.must(s.Tier == nil || *s.Tier >= 0 && *s.Tier <= highestTier, at("tier"), "is not within 0 and %d", highestTier)
		case Announce:
			v.escalation(at, s)
		case Alert:
			v.escalation(at, s)
			kind, room, named := strings.Cut(s.Channel, ":")
			v.must(!named || kind == "chat" && room != "", at("channel"), `%q is none of "webhook", "email", "chat", "chat:<name>"`, s.Channel)
			v.oneOf(at("channel"), kind, "", "webhook", "email", "chat")
		case OfferCallback:
			v.escalation(at, s)
			v.must(s.To != "", at("to"), "names no prompt by which the caller is told")
		case Goto:
			v.must(last, at("do"), "goto ends the park, but steps follow")
			v.must(s.Outcome != "", at("outcome"), "is missing")
		default:
			v.must(false, at("do"), "%q is not a step", s.Do)
		}
		v.must(s.Channel == "" || s.Do == Alert, at("channel"), "only alerts have a channel")
		v.must(s.Repeat == 0 || s.Do == Remind, at("repeat_s"), "only reminders repeat")
		v.must(!s.Leaves || s.Do == Enqueue, at("stay_parked"), "only who joins a queue leaves a slot")
		v.must(s.Tier == nil && s.Skills == nil || s.Do == Enqueue || s.Do == Widen, at("tier"), "only steps about a queue have a tier or skills")
	}
}

func (v *faults) escalation(at func(string) string, s Step) {
	v.within(at("after_s"), s.After, 5*time.Second, 1800*time.Second)
}

func (v *faults) oneOf(field, got string, allowed ...string) {
	v.must(slices.Contains(allowed, got), field, "%q is none of %q", got, allowed)
}

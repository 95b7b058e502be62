package demo

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/client"
)

// Tell says an event in words; "" for one that adds nothing to the others.
func Tell(f client.Fact) string {
	who := cmp.Or(f.Actor.User, "somebody")
	in := "slot " + f.Slot
	switch f.Type {
	case call.Offered:
		return fmt.Sprintf("%s calls %s", text(f, "from"), text(f, "to"))
	case call.FlowStarted:
		return fmt.Sprintf("flow %s, version %d, begins", f.Flow, f.Version)
	case call.FlowDecided:
		if text(f, "to") == "" {
			return ""
		}
		return fmt.Sprintf("flow: %s → %s", cmp.Or(text(f, "outcome"), f.Node), text(f, "to"))
	case call.FlowFailed:
		return "flow failed: " + text(f, "error")
	case call.AnsweredBy:
		return "picked up by the flow"
	case call.CRMLookedUp:
		if o := text(f, "outcome"); o != "one" && o != "many" {
			return "CRM: caller not known (" + o + ")"
		}
		return "CRM: the caller is known"
	case call.Parked:
		return "parked in " + in + ", music plays"
	case call.ParkRefused:
		return "not parked: " + cmp.Or(text(f, "reason"), text(f, "why"))
	case call.ParkReminded, call.ParkStep:
		return "ladder: " + step(f)
	case call.ParkStepResult:
		return "ladder: " + text(f, "do") + ": " + result(text(f, "result"))
	case call.Dialled:
		return fmt.Sprintf("%s's phone is rung (%s)", who, f.Actor.Via)
	case call.ParkClaimed:
		return fmt.Sprintf("%s reaches for %s (%s)", who, in, f.Actor.Via)
	case call.ParkClaimLost, call.ParkReleased:
		return fmt.Sprintf("%s lets go of %s: %s", who, in, text(f, "why"))
	case call.ParkRetrieved:
		return fmt.Sprintf("%s has the call after %s in %s (%s)", who, age(f), in, text(f, "reason"))
	case call.ParkAbandoned:
		return fmt.Sprintf("the caller gave up after %s in %s", age(f), in)
	case call.ParkExpired:
		return fmt.Sprintf("time is up in %s: %s", in, strings.ReplaceAll(text(f, "reason"), "_", " "))
	case call.ParkMoved:
		return fmt.Sprintf("%s moves the call out of %s", cmp.Or(who, "somebody"), in)
	case call.Whispered:
		return who + " is told who calls"
	case call.ParkNoted:
		return fmt.Sprintf("%s notes: %s", cmp.Or(who, "somebody"), text(f, "note"))
	case call.ParkFailed:
		return "the park failed"
	case call.QueueJoined:
		return "waits in queue " + f.Queue + " as well, still parked"
	case call.QueueLeft:
		return "leaves queue " + f.Queue + ": " + text(f, "outcome")
	case call.QueueReorder:
		return fmt.Sprintf("%s changes the caller's place in queue %s", cmp.Or(who, "somebody"), f.Queue)
	case call.OfferMissed:
		return who + " " + missed(text(f, "why"))
	case call.Connected:
		return fmt.Sprintf("%s and the caller talk", who)
	case call.Parted:
		return fmt.Sprintf("%s hung up, talked %s", who, length(f, "talked_ms"))
	case call.VoicemailNew:
		return fmt.Sprintf("message of %s in box %s", length(f, "length_ms"), text(f, "box"))
	case call.Transferred:
		return who + " put the two through to each other"
	case call.ParkReserved:
		return fmt.Sprintf("%s asks for %s", who, in)
	case call.ParkReservationLapsed:
		return in + " is free again: nobody was sent there"
	case call.Recorded:
		return fmt.Sprintf("conversation recorded, %s", length(f, "length_ms"))
	case call.Consented:
		return "the caller was told of the recording"
	case call.RecordingSet:
		return fmt.Sprintf("recording: %s, by %s", text(f, "do"), who)
	case call.NotRecorded:
		return "not recorded: " + text(f, "error")
	case call.NotSpoken:
		return "a text was not spoken: " + text(f, "error")
	case call.NotifyFailed:
		return fmt.Sprintf("not told by %s: %s", text(f, "channel"), text(f, "why"))
	case call.Disposed:
		return fmt.Sprintf("%s says what came of it: %s", who, cmp.Or(text(f, "label"), text(f, "code")))
	case call.CallbackScheduled:
		return "the caller is promised a call"
	case call.CallbackBegun:
		return "a caller is called back"
	case call.CallbackResult:
		return "callback: " + strings.ReplaceAll(text(f, "result"), "_", " ")
	case call.CallbackCancelled:
		return "callback cancelled: " + strings.ReplaceAll(text(f, "why"), "_", " ")
	case call.Refused:
		return "refused: " + string(f.Cause)
	case call.Ended:
		return fmt.Sprintf("over (%s): %s, parked %s, talked %s", f.Cause, text(f, "outcome"), length(f, "parked_ms"), length(f, "talked_ms"))
	case call.ParkRequested, call.ParkRecovered, call.Ringing, call.Held, call.Resumed, call.DialResult,
		call.Chosen, call.Notified, call.NotifySent, call.DispositionAsked, call.OfferMade, call.OfferAnswered, call.OfferWithdrew:
	}
	return ""
}

// result is what came of a rung.
func result(s string) string {
	switch s {
	case "no_parker", "nobody":
		return "nobody to ask"
	case "unavailable":
		return "no phone answered"
	}
	return strings.ReplaceAll(s, "_", " ")
}

// missed is why an agent did not get an offered call.
func missed(why string) string {
	switch why {
	case "unreachable":
		return "has no phone registered"
	case "withdrawn":
		return "is not needed any more"
	}
	return "did not answer: " + strings.ReplaceAll(why, "_", " ")
}

// step is a rung of the ladder in words.
func step(f client.Fact) string {
	do, to := text(f, "do"), cmp.Or(text(f, "to"), text(f, "queue"))
	switch do {
	case "goto":
		return "ends the park: " + text(f, "outcome")
	case "remind":
		return "reminds " + to
	case "recall":
		return "calls " + to + " back"
	case "offer":
		return "offers the call to " + to
	case "enqueue":
		return "joins queue " + to
	}
	return strings.TrimSpace(do + " " + to)
}

func text(f client.Fact, key string) string {
	if v, ok := f.Data[key]; ok && v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// length is a number of milliseconds in the data: "2.1 s".
func length(f client.Fact, key string) string {
	ms, _ := f.Data[key].(float64)
	return seconds(time.Duration(ms) * time.Millisecond)
}

func age(f client.Fact) string { return seconds(time.Duration(f.AgeMS) * time.Millisecond) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// Package sim walks imagined calls through flows on a virtual clock: with the
// production engine of package routing and the rules and stores of packages
// parking and queues. Only the people are played. It does no I/O, and the same
// call always comes out the same.
package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/callyard/callyard/routing"
)

// Result is what became of an imagined call.
type Result struct {
	Flow      string             `json:"flow"`
	Version   int                `json:"version"`
	Path      []string           `json:"path"`    // the nodes in order, without those of the hang-up handler
	Outcome   string             `json:"outcome"` // of the last node that waited for somebody; "hangup" if the caller went first
	EndedBy   string             `json:"ended_by"`
	TookMS    int64              `json:"took_ms"`
	Timeline  []Moment           `json:"timeline"`
	Hears     []Heard            `json:"hears"` // what the caller hears
	Decisions []routing.Decision `json:"decisions"`
	Notes     []string           `json:"notes"` // what was taken for granted

	Run       routing.Run `json:"-"`
	Undecided string      `json:"-"` // why the call could not be imagined to its end
}

// Who ended a call.
const (
	ByFlow   = "flow"
	ByCaller = "caller"
	ByNobody = "nobody" // it was not imagined to its end
)

// Moment is one thing that happens in a call.
type Moment struct {
	AtMS int64  `json:"at_ms"` // since the call began
	Node string `json:"node,omitempty"`
	What string `json:"what"`           // "decided", "rings", "step_started" …
	Who  string `json:"who,omitempty"`  // an agent or a number
	Step *int   `json:"step,omitempty"` // of the ladder, from 0
	Text string `json:"text"`           // in words
}

// Heard is what the caller hears for a while.
type Heard struct {
	FromMS int64  `json:"from_ms"`
	ToMS   int64  `json:"to_ms"`
	Kind   string `json:"kind"`           // "silence", "ringback", "prompt", "text", "music", "beep", "conversation"
	What   string `json:"what,omitempty"` // the prompt, the text, the music, who talks
}

// Bounds of an imagined call.
const (
	maxMoments = 20_000
	maxLength  = 24 * time.Hour
)

// Call walks an imagined call through a flow. It always ends. Agents who are
// not mentioned are away. The error is routing.ErrBroken.
func Call(ctx context.Context, w World, f *routing.Flow, given routing.Imagined, events []routing.ImaginedEvent) (Result, error) {
	im := &imagination{given: given, world: w}
	c := newStage(ctx, w, f, im, given.At)
	if c.fault != nil {
		return Result{}, c.fault
	}
	caller := routing.Caller{Call: imaginedID, From: given.From, Name: given.Name, To: given.To, At: given.At}
	c.from, c.name = given.From, given.Name
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b routing.ImaginedEvent) int {
		switch {
		case a.AtS < b.AtS:
			return -1
		case a.AtS > b.AtS:
			return 1
		}
		return 0
	})
	for _, e := range events {
		c.clock.at(given.At.Add(seconds(e.AtS)), false, func() { c.happen(im, e) })
	}
	run, cmds, err := routing.StartWith(f, caller, given.At, map[string]any{"vars": given.Vars})
	if err != nil {
		return Result{}, err
	}
	c.walked(run, cmds)
	c.play()
	return c.result(), nil
}

// imaginedID is the name of every imagined call.
const imaginedID = "call_imagined"

var errCRM = errors.New("the CRM does not answer")

// PathOf are the nodes of a run in order, without those of the hang-up handler.
func PathOf(run routing.Run) []string {
	path := []string{}
	hungUpAt := ""
	for _, d := range run.Path {
		if hungUpAt != "" && d.Node != hungUpAt {
			continue // of the handler
		}
		if len(path) == 0 || path[len(path)-1] != d.Node {
			path = append(path, d.Node)
		}
		hungUpAt = ""
		if d.Outcome == routing.HangupOutcome {
			hungUpAt = d.Node // a disposition goes on from there
		}
	}
	return path
}

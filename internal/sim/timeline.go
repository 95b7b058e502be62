package sim

import (
	"fmt"

	"github.com/callyard/callyard/routing"
)

func (c *stage) ms() int64 { return c.clock.now.Sub(c.began).Milliseconds() }

// tell adds to the timeline.
func (c *stage) tell(what, who, format string, args ...any) {
	c.moments = append(c.moments, Moment{AtMS: c.ms(), Node: c.run.At, What: what, Who: who, Text: fmt.Sprintf(format, args...)})
}

func (c *stage) tellStep(n int, what, format string, args ...any) {
	c.tell(what, "", format, args...)
	c.moments[len(c.moments)-1].Step = &n
}

// hear says what the caller hears from now on.
func (c *stage) hear(kind, what string) {
	if n := len(c.heard); n > 0 {
		last := &c.heard[n-1]
		if last.Kind == kind && last.What == what && last.ToMS < 0 {
			return
		}
		if last.ToMS < 0 {
			if last.ToMS = c.ms(); last.ToMS == last.FromMS {
				c.heard = c.heard[:n-1]
			}
		}
	}
	if kind != "" {
		c.heard = append(c.heard, Heard{FromMS: c.ms(), ToMS: -1, Kind: kind, What: what})
	}
}

// says lets the caller hear a prompt or a text.
func (c *stage) says(prompt, text, otherwise string) {
	switch {
	case prompt != "":
		c.hear("prompt", prompt)
		c.tell("plays", "", "the caller hears %s", prompt)
	case text != "":
		c.hear("text", text)
		c.tell("plays", "", "the caller hears “%s”", text)
	case otherwise != "":
		c.hear("prompt", otherwise)
		c.tell("plays", "", "the caller hears %s", otherwise)
	}
}

func (c *stage) result() Result {
	c.hear("", "")
	r := Result{
		Flow: c.run.Flow, Version: c.run.Version, Path: PathOf(c.run), Outcome: c.outcome, EndedBy: c.endedBy,
		TookMS: c.ms(), Timeline: c.moments, Hears: c.heard, Decisions: c.run.Path, Notes: c.notes,
		Run: c.run, Undecided: c.undecided,
	}
	if r.EndedBy == "" {
		r.EndedBy = ByFlow
	}
	if c.undecided != "" {
		r.EndedBy = ByNobody
	}
	if r.Hears == nil {
		r.Hears = []Heard{}
	}
	if r.Notes == nil {
		r.Notes = []string{}
	}
	if r.Decisions == nil {
		r.Decisions = []routing.Decision{}
	}
	return r
}

package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// World is what calls meet: the lots, queues and agents there are.
type World struct {
	Lots   []parking.Lot
	Queues []queues.Queue
	Agents []queues.Agent

	// Open: whatever a flow names is there, even if it is not listed. A lot has
	// slots enough, a queue is staffed by reps who are all in conversation, an agent
	// is away, unless the call says otherwise.
	Open bool

	// Prompt is the length of a stored prompt; nil: prompts take no time.
	Prompt func(name string) time.Duration
	// Speech is how many letters of a text are spoken in a second; 0: texts take no time.
	Speech float64
}

// Anywhere is the world of a flow's own tests: nothing outside the document
// decides whether they pass.
var Anywhere = World{Open: true}

// How long is heard what nobody has measured.
const (
	Spoken  = 15.0            // letters of a text in a second
	BuiltIn = 3 * time.Second // a prompt that ships
)

func (w World) lot(name string) (parking.Lot, bool) {
	for _, l := range w.Lots {
		if l.Name == name {
			return l.WithDefaults(), true
		}
	}
	if !w.Open || name == "" {
		return parking.Lot{}, false
	}
	return parking.Lot{Name: name, First: 701, Last: 799}.WithDefaults(), true
}

func (w World) queue(name string) (queues.Queue, bool) {
	for _, q := range w.Queues {
		if q.Name == name {
			return q.WithDefaults(), true
		}
	}
	if !w.Open || name == "" {
		return queues.Queue{}, false
	}
	return queues.Queue{Name: name, Agents: []queues.Assignment{{Agent: "queue:" + name}}}.WithDefaults(), true
}

func (w World) agent(name string) (queues.Agent, bool) {
	for _, a := range w.Agents {
		if a.Name == name || a.Extension != "" && a.Extension == name {
			return a, true
		}
	}
	return queues.Agent{Name: name}, w.Open && name != ""
}

// team lists the agents of a team, or of all who serve a queue of that name.
func (w World) team(name string) []string {
	var out []string
	for _, a := range w.Agents {
		if slices.Contains(a.Teams, name) {
			out = append(out, a.Name)
		}
	}
	if len(out) == 0 {
		for _, q := range w.Queues {
			if q.Name == name {
				for _, as := range q.Agents {
					out = append(out, as.Agent)
				}
			}
		}
	}
	if len(out) == 0 && w.Open {
		return []string{"team:" + name}
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}

// skill lists the agents who have a skill.
func (w World) skill(name string) []string {
	var out []string
	for _, a := range w.Agents {
		if slices.Contains(a.Skills, name) {
			out = append(out, a.Name)
		}
	}
	if len(out) == 0 && w.Open {
		return []string{"skill:" + name}
	}
	slices.Sort(out)
	return out
}

func (w World) says(prompt, text string) time.Duration {
	switch {
	case prompt != "" && w.Prompt != nil:
		return w.Prompt(prompt)
	case prompt == "" && w.Speech > 0:
		return time.Duration(float64(len([]rune(text))) / w.Speech * float64(time.Second)).Round(100 * time.Millisecond)
	}
	return 0
}

package setup

import (
	"context"
	"maps"
	"slices"

	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// KnownTo is what a flow may name: what is stored now, and what the documents
// are about to add to it.
func KnownTo(ctx context.Context, s Stores, docs ...Document) (routing.Known, error) {
	lots, err := s.Lots.Lots(ctx)
	if err != nil {
		return routing.Known{}, err
	}
	qs, err := s.Agents.Queues(ctx)
	if err != nil {
		return routing.Known{}, err
	}
	agents, err := s.Agents.Agents(ctx)
	if err != nil {
		return routing.Known{}, err
	}
	codes, err := s.Dispositions.Codes(ctx)
	if err != nil {
		return routing.Known{}, err
	}
	calendar, calendars, err := shared(ctx, s, docs)
	if err != nil {
		return routing.Known{}, err
	}
	for _, d := range docs {
		if len(d.Dispositions) > 0 {
			codes = d.Dispositions
		}
		lots, qs = append(lots, d.Lots...), append(qs, d.Queues...)
		for _, a := range d.Agents {
			agents = append(agents, queues.Agent{Name: a.Name, Teams: a.Teams, Skills: a.Skills})
		}
	}
	names := directory{}
	for _, l := range lots {
		names.add("lot", l.Name)
	}
	for _, q := range qs {
		names.add("queue", q.Name)
		names.add("team", q.Name)
	}
	for _, ag := range agents {
		names.add("agent", ag.Name)
		names.add("team", ag.Teams...)
		names.add("skill", ag.Skills...)
	}
	for _, c := range codes {
		names.add("disposition", c.Code)
	}
	names.add("calendar", calendars...)
	return routing.Known{
		Lot: names.has("lot"), Queue: names.has("queue"), Agent: names.has("agent"), Team: names.has("team"), Skill: names.has("skill"),
		Prompt: s.Prompt, Channel: s.Channel, Disposition: names.has("disposition"), Flow: callable(ctx, s, docs), Calendar: calendar,
		Names: func(kind string) []string {
			switch {
			case kind == "prompt" && s.Prompts != nil:
				return s.Prompts()
			case kind == "flow":
				return published(ctx, s, docs)
			}
			return slices.Collect(maps.Keys(names[kind]))
		},
	}, nil
}

// Known is what flows may name of the document alone: its flows and calendars. What
// lots, queues and people there are is not asked, since a hub may have others.
func (d Document) Known() routing.Known {
	flows := map[string]*routing.Flow{}
	for _, doc := range d.Flows {
		if f, err := routing.Parse(doc); err == nil {
			flows[f.Name()] = f
		}
	}
	calendars, _ := namedCalendars(d.Calendars) // Check has said so before
	return routing.Known{
		Flow:     func(name string) *routing.Flow { return flows[name] },
		Calendar: func(name string) *routing.Calendar { return calendars[name] },
		Names: func(kind string) []string {
			switch kind {
			case "flow":
				return slices.Collect(maps.Keys(flows))
			case "calendar":
				return slices.Collect(maps.Keys(calendars))
			}
			return nil
		},
	}
}

// directory is the names of what there is, by its kind.
type directory map[string]map[string]bool

func (d directory) add(kind string, names ...string) {
	if d[kind] == nil {
		d[kind] = map[string]bool{}
	}
	for _, n := range names {
		d[kind][n] = true
	}
}

func (d directory) has(kind string) func(string) bool {
	return func(name string) bool { return d[kind][name] }
}

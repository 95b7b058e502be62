package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// Calendars is the calendars that flows share.
type Calendars interface {
	Calendar(ctx context.Context, name string) (routingpg.Calendar, error)
	Calendars(ctx context.Context) ([]routingpg.Calendar, error)
	SaveCalendar(ctx context.Context, c *routing.Calendar, now time.Time) (saved routingpg.Calendar, fresh bool, err error)
	DeleteCalendar(ctx context.Context, name string) error
	CalendarRevision(ctx context.Context, name string, n int) (routingpg.Calendar, error)
	CalendarRevisions(ctx context.Context, name string) ([]routingpg.Calendar, error)
	LookingAt(ctx context.Context, calendar string) ([]string, error)
}

// Calendar says when a business is open. Flows name it in their hours and callback
// nodes; a flow's own calendar of the same name goes before it.
type Calendar struct {
	Name        string              `json:"name" readOnly:"true"`
	Revision    int                 `json:"revision" readOnly:"true" doc:"Grows with every change. Calls keep the one they began with"`
	Updated     time.Time           `json:"updated" readOnly:"true"`
	Description string              `json:"description,omitempty" maxLength:"500"`
	TZ          string              `json:"tz" maxLength:"100" doc:"IANA zone: Europe/Madrid"`
	Open        map[string][]string `json:"open" doc:"By days (mon-fri, sat,sun): opening and closing times in turn"`
	Holidays    []string            `json:"holidays,omitempty" maxItems:"2000" doc:"Dates: 2026-12-25"`
	Overrides   map[string][]string `json:"overrides,omitempty" doc:"By date: its own hours, which win over a holiday and the week; [] is closed"`
	Labels      map[string]string   `json:"labels,omitempty" doc:"By date: what a holiday, or a date with its own hours, is called"`
}

// CalendarRevision is a calendar as it was saved. It never changes.
type CalendarRevision struct {
	Revision int       `json:"revision"`
	SavedAt  time.Time `json:"saved_at"`
}

// Looking is a flow that looks at a calendar.
type Looking struct {
	Flow string `json:"flow"`
}

// Opening is what a calendar says of a time.
type Opening struct {
	At     time.Time `json:"at" doc:"By the calendar's clock"`
	TZ     string    `json:"tz"`
	State  DayState  `json:"state" enum:"open,closed,holiday"`
	Label  string    `json:"label" doc:"What the date is called, if it is called something"`
	Rule   string    `json:"rule" doc:"The key of the calendar that decides: open.mon-fri"`
	Reason string    `json:"reason" doc:"The same in words"`
	Next   *Change   `json:"next,omitempty" doc:"When that changes; absent: not within a year"`

	Periods []OpenPeriod `json:"periods,omitempty" doc:"What it is when, from the time on, if there is a to"`
}

// DayState is what a calendar can say.
type DayState string

// Change is when a calendar says something else.
type Change struct {
	At    time.Time `json:"at"`
	State DayState  `json:"state" enum:"open,closed,holiday"`
	Label string    `json:"label"`
}

// OpenPeriod is a time in which a calendar says the same.
type OpenPeriod struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	State DayState  `json:"state" enum:"open,closed,holiday"`
	Label string    `json:"label"`
}

// Asked is the time that a calendar is asked for.
type Asked struct {
	At   time.Time `query:"at" doc:"A moment; now if there is none"`
	From time.Time `query:"from" doc:"The same as at"`
	To   time.Time `query:"to" doc:"The end of the periods, at most 400 days on"`
}

// longestAsked bounds the periods of one answer.
const longestAsked = 400 * 24 * time.Hour

func (a *api) calendars() {
	route(a, op{method: "GET", path: "/v1/calendars", scope: "read", role: "rep", id: "list_calendars", summary: "List the calendars that flows share"},
		func(ctx context.Context, in *Paging) (*body[Page[Calendar]], error) {
			list, err := a.Calendars.Calendars(ctx)
			if err != nil {
				return nil, err
			}
			all, err := each(list, calendarOf)
			if err != nil {
				return nil, err
			}
			return page(all, func(c Calendar) string { return c.Name }, *in)
		})
	route(a, op{method: "GET", path: "/v1/calendars/{name}", scope: "read", role: "rep", id: "read_calendar", summary: "Read a calendar"},
		func(ctx context.Context, in *Named) (*body[Calendar], error) {
			return shownCalendar(a.Calendars.Calendar(ctx, in.Name))
		})
	route(a, op{method: "PUT", path: "/v1/calendars/{name}", scope: "write", role: "admin", merges: true, id: "save_calendar", summary: "Make or replace a calendar, for the calls that begin from then on"},
		func(ctx context.Context, in *struct {
			Named
			Body Calendar
		},
		) (*body[Calendar], error) {
			c, err := readCalendar(in.Name, in.Body)
			if err != nil {
				return nil, err
			}
			saved, fresh, err := a.Calendars.SaveCalendar(ctx, c, a.Now())
			if err != nil {
				return nil, err
			}
			if fresh {
				if err := a.Changed(ctx); err != nil {
					return nil, err
				}
			}
			return shownCalendar(saved, nil)
		})
	route(a, op{method: "DELETE", path: "/v1/calendars/{name}", scope: "write", role: "admin", id: "delete_calendar", summary: "Delete a calendar that no flow looks at"},
		func(ctx context.Context, in *Named) (*nothing, error) {
			return a.changed(ctx, a.Calendars.DeleteCalendar(ctx, in.Name))
		})
	route(a, op{method: "GET", path: "/v1/calendars/{name}/flows", scope: "read", role: "manager", id: "list_calendar_flows", summary: "List the flows that look at a calendar: by their draft, or by a version that calls run"},
		func(ctx context.Context, in *struct {
			Named
			Paging
		},
		) (*body[Page[Looking]], error) {
			if _, err := a.Calendars.Calendar(ctx, in.Name); err != nil {
				return nil, err
			}
			list, err := a.Calendars.LookingAt(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(flow string) (Looking, error) { return Looking{flow}, nil })
			return page(all, func(l Looking) string { return l.Flow }, in.Paging)
		})
	route(a, op{method: "GET", path: "/v1/calendars/{name}/revisions", scope: "read", role: "manager", id: "list_calendar_revisions", summary: "List what a calendar was, the newest first, also of one that was deleted"},
		func(ctx context.Context, in *struct {
			Named
			Paging
		},
		) (*body[Page[CalendarRevision]], error) {
			list, err := a.Calendars.CalendarRevisions(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(c routingpg.Calendar) (CalendarRevision, error) {
				return CalendarRevision{Revision: c.Revision, SavedAt: c.SavedAt}, nil
			})
			return page(all, func(r CalendarRevision) string { return descending(int64(r.Revision)) }, in.Paging)
		})
	route(a, op{method: "GET", path: "/v1/calendars/{name}/revisions/{revision}", scope: "read", role: "manager", id: "read_calendar_revision", summary: "Read a calendar as the calls found it that looked at this revision"},
		func(ctx context.Context, in *struct {
			Named
			Revision int `path:"revision" minimum:"1"`
		},
		) (*body[Calendar], error) {
			return shownCalendar(a.Calendars.CalendarRevision(ctx, in.Name, in.Revision))
		})
	route(a, op{method: "GET", path: "/v1/calendars/{name}/opening", scope: "read", role: "rep", id: "read_opening", summary: "Ask a calendar whether it is open, why, and when that changes"},
		func(ctx context.Context, in *struct {
			Named
			Asked
		},
		) (*body[Opening], error) {
			is, err := a.Calendars.Calendar(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			c, err := is.Parse()
			if err != nil {
				return nil, err
			}
			at, err := in.begin(a.Now())
			if err != nil {
				return nil, err
			}
			return &body[Opening]{openingOf(c, at, in.To)}, nil
		})
}

// begin is the moment that is asked for.
func (in Asked) begin(now time.Time) (time.Time, error) {
	at := now.Truncate(time.Second)
	switch {
	case !in.At.IsZero() && !in.From.IsZero():
		return at, wrong("query.from", "there is an at as well: give one of them")
	case !in.At.IsZero():
		at = in.At
	case !in.From.IsZero():
		at = in.From
	}
	switch {
	case at.Year() < 1970 || at.Year() > 2200:
		return at, wrong("query.at", "%s is no time that calendars are made for", at.Format(time.RFC3339))
	case in.To.IsZero():
	case !in.To.After(at):
		return at, wrong("query.to", "is not after %s", at.Format(time.RFC3339))
	case in.To.Sub(at) > longestAsked:
		return at, wrong("query.to", "is more than 400 days after %s", at.Format(time.RFC3339))
	}
	return at, nil
}

func openingOf(c *routing.Calendar, at, to time.Time) Opening {
	is := c.At(at)
	o := Opening{At: is.At, TZ: c.Zone().String(), State: DayState(is.State), Label: is.Label, Rule: is.Rule, Reason: is.Reason}
	if next, ok := c.Next(at); ok {
		o.Next = &Change{At: next.At, State: DayState(next.State), Label: next.Label}
	}
	if !to.IsZero() {
		for _, p := range c.Periods(at, to) {
			o.Periods = append(o.Periods, OpenPeriod{From: p.From, To: p.To, State: DayState(p.State), Label: p.Label})
		}
	}
	return o
}

// readCalendar checks a calendar as those of flows are.
func readCalendar(name string, in Calendar) (*routing.Calendar, error) {
	doc, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal(doc, &tree); err != nil {
		return nil, err
	}
	delete(tree, "revision") // what was read can be written
	delete(tree, "updated")
	tree["name"] = name
	if doc, err = json.Marshal(tree); err != nil {
		return nil, err
	}
	return routing.ParseCalendar(doc)
}

func calendarOf(c routingpg.Calendar) (Calendar, error) {
	out, err := as[Calendar](c.Doc)
	out.Revision, out.Updated = c.Revision, c.SavedAt
	return out, err
}

func shownCalendar(c routingpg.Calendar, err error) (*body[Calendar], error) {
	if err != nil {
		return nil, err
	}
	out, err := calendarOf(c)
	return &body[Calendar]{out}, err
}

// calendarProblem is the part of the table of errors that is about calendars.
func calendarProblem(err error) *Problem {
	if e, ok := errors.AsType[*routingpg.CalendarInUseError](err); ok {
		return &Problem{Status: http.StatusConflict, Code: "calendar_in_use", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*routing.CalendarError](err); ok {
		p := wrong("body", "")
		p.Errors = nil
		for _, f := range e.Findings {
			location := "body." + f.Location
			if f.Location == "name" {
				location = "path.name"
			}
			p.Errors = append(p.Errors, Fault{Message: f.Message, Location: location})
		}
		return p
	}
	return nil
}

package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// calendar is one as the hub shows it, without what is only read.
type calendar struct {
	Description string              `json:"description,omitempty"`
	TZ          string              `json:"tz"`
	Open        map[string][]string `json:"open"`
	Holidays    []string            `json:"holidays,omitempty"`
	Overrides   map[string][]string `json:"overrides,omitempty"`
	Labels      map[string]string   `json:"labels,omitempty"`
}

// opening is what a calendar says of a time.
type opening struct {
	At      time.Time        `json:"at"`
	TZ      string           `json:"tz"`
	State   string           `json:"state"`
	Label   string           `json:"label"`
	Rule    string           `json:"rule"`
	Reason  string           `json:"reason"`
	Next    *calendarChange  `json:"next,omitempty"`
	Periods []calendarPeriod `json:"periods,omitempty"`
}

type calendarChange struct {
	At    time.Time `json:"at"`
	State string    `json:"state"`
	Label string    `json:"label"`
}

type calendarPeriod struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	State string    `json:"state"`
	Label string    `json:"label"`
}

func (c *command) calendar() *cobra.Command {
	return c.group(
		&cobra.Command{
			Use: "calendar", Short: "Keep the calendars that flows share, and ask them what is open when",
			Example: `  callyard calendar set office --tz Europe/Madrid --open mon-fri=09:00-14:00,16:00-19:00
  callyard calendar set office --holiday 2026-12-25=Christmas --override 2026-12-24=09:00-12:00
  callyard calendar opening office --from 2026-12-21 --to 2026-12-28`,
		},
		c.list(calendars, column{"CALENDAR", "name"}, column{"REVISION", "revision"}, column{"ZONE", "tz"}, column{"OPEN", "open"}, column{"DESCRIPTION", "description"}),
		c.calendarShow(), c.calendarFlows(), c.calendarSet(), c.calendarDelete(), c.calendarOpening(),
	)
}

func (c *command) calendarShow() *cobra.Command {
	var revision int
	cmd := c.asking(&cobra.Command{
		Use: "show NAME", Short: "Show a calendar, as it is or as calls found it", Args: exactly("NAME"),
		Example: `  callyard calendar show office
  callyard calendar show office --revision 7 -o json`,
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		at := calendars.at(args[0])
		if revision != 0 {
			at = fmt.Sprintf("%s/revisions/%d", at, revision)
		}
		var doc json.RawMessage
		if err := hub.Get(ctx, at, &doc); err != nil {
			return calendars.missed(ctx, hub, args[0], err)
		}
		return c.printDocument(doc)
	})
	cmd.Flags().IntVar(&revision, "revision", 0, "the `number` that a decision shows (default: as it is now)")
	cmd.ValidArgsFunction = calendars.complete
	return cmd
}

func (c *command) calendarFlows() *cobra.Command {
	cmd := c.asking(&cobra.Command{
		Use: "flows NAME", Short: "List the flows that look at a calendar", Args: exactly("NAME"), Example: "  callyard calendar flows office -o json",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		all, err := kind{path: calendars.at(args[0]) + "/flows"}.all(ctx, hub)
		if err != nil {
			return calendars.missed(ctx, hub, args[0], err)
		}
		return c.print(map[string]any{"data": all}, table(all, []column{{"FLOW", "flow"}}))
	})
	cmd.ValidArgsFunction = calendars.complete
	return cmd
}

// edit is what a command line changes in a calendar.
type edit struct {
	file, tz, description           string
	open, holidays, overrides, drop []string
	labels                          []string
}

func (c *command) calendarSet() *cobra.Command {
	var e edit
	cmd := c.asking(&cobra.Command{
		Use: "set NAME", Short: "Make a calendar, or change parts of it; with -f, replace it", Args: exactly("NAME"),
		Long: `Make a calendar, or change parts of it. Hours are written as 09:00-14:00,16:00-19:00,
or as closed. A date is a holiday, on which nothing is open, or has hours of its
own (an override); either may have a name, which decisions about calls show.
Calls that are under way keep the calendar as they found it.`,
		Example: `  callyard calendar set office -f office.yaml
  callyard calendar set office --tz Europe/Madrid --open mon-fri=09:00-19:00 --open sat=10:00-14:00
  callyard calendar set office --holiday 2026-12-25=Christmas --override 2026-12-24=09:00-12:00
  callyard calendar set office --drop 2026-12-24`,
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		var is calendar
		header := http.Header{}
		head, err := hub.Do(ctx, client.Request{Path: calendars.at(args[0])}, &is)
		switch {
		case err == nil:
			header = ifMatch(head.Get("ETag"))
		case !notFound(err):
			return fmt.Errorf("calendar %s: %w", args[0], err)
		}
		if e.file != "" {
			if is, err = calendarFile(e.file, args[0]); err != nil {
				return err
			}
		}
		if err := e.apply(&is); err != nil {
			return err
		}
		var done json.RawMessage
		if _, err := hub.Do(ctx, client.Request{Method: http.MethodPut, Path: calendars.at(args[0]), Header: header, Body: is}, &done); err != nil {
			return fmt.Errorf("calendar %s: %w", args[0], err)
		}
		return c.printDocument(done)
	})
	f := cmd.Flags()
	f.StringVarP(&e.file, "file", "f", "", "`file` with the whole calendar, YAML or JSON")
	f.StringVar(&e.tz, "tz", "", "its IANA `zone`, such as Europe/Madrid")
	f.StringVar(&e.description, "description", "", "what it is for")
	f.StringArrayVar(&e.open, "open", nil, "hours of the week: `mon-fri=09:00-19:00`; mon-fri= takes them away")
	f.StringArrayVar(&e.holidays, "holiday", nil, "a holiday: `2026-12-25=Christmas`, or the date alone")
	f.StringArrayVar(&e.overrides, "override", nil, "hours of a date: `2026-12-24=09:00-12:00`, or =closed")
	f.StringArrayVar(&e.labels, "label", nil, "what such a date is called: `2026-12-24=Christmas Eve`")
	f.StringArrayVar(&e.drop, "drop", nil, "a `date` that is like any other again")
	cmd.ValidArgsFunction = calendars.complete
	return cmd
}

// calendarFile reads a calendar, which may say its name, and what is only read.
func calendarFile(file, name string) (is calendar, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return is, err
	}
	doc, err := yamlJSON(file, b)
	if err != nil {
		return is, err
	}
	var in struct {
		calendar
		Name     string `json:"name"`
		Revision int    `json:"revision"`
		Updated  string `json:"updated"`
	}
	d := json.NewDecoder(strings.NewReader(string(doc)))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return is, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	if in.Name != "" && in.Name != name {
		return is, fmt.Errorf("%s is calendar %q, not %q", filepath.Base(file), in.Name, name)
	}
	return in.calendar, nil
}

func (e edit) apply(is *calendar) error {
	is.TZ, is.Description = cmp.Or(e.tz, is.TZ), cmp.Or(e.description, is.Description)
	if is.TZ == "" {
		return errors.New("the calendar has no time zone yet: give one with --tz")
	}
	for _, m := range []*map[string][]string{&is.Open, &is.Overrides} {
		if *m == nil {
			*m = map[string][]string{}
		}
	}
	if is.Labels == nil {
		is.Labels = map[string]string{}
	}
	for _, date := range e.drop {
		is.Holidays = slices.DeleteFunc(is.Holidays, func(h string) bool { return h == date })
		delete(is.Overrides, date)
		delete(is.Labels, date)
	}
	for flag, list := range map[string][]string{"--open": e.open, "--override": e.overrides} {
		for _, s := range list {
			key, hours, ok := strings.Cut(s, "=")
			spans, err := clockSpans(hours)
			if !ok || err != nil {
				return fmt.Errorf("%s %s: write hours as mon-fri=09:00-14:00,16:00-19:00", flag, s)
			}
			switch {
			case flag == "--override":
				is.Overrides[key] = spans
			case hours == "":
				delete(is.Open, key)
			default:
				is.Open[key] = spans
			}
		}
	}
	for _, s := range e.holidays {
		date, label, named := strings.Cut(s, "=")
		if !slices.Contains(is.Holidays, date) {
			is.Holidays = append(is.Holidays, date)
		}
		if named {
			is.Labels[date] = label
		}
	}
	slices.Sort(is.Holidays)
	for _, s := range e.labels {
		date, label, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("--label %s: write it as 2026-12-24=Christmas Eve", s)
		}
		is.Labels[date] = label
	}
	maps.DeleteFunc(is.Labels, func(_, label string) bool { return label == "" })
	return nil
}

// clockSpans reads 09:00-14:00,16:00-19:00 as a calendar has it.
func clockSpans(s string) ([]string, error) {
	list := []string{}
	if s == "" || s == "closed" {
		return list, nil
	}
	for one := range strings.SplitSeq(s, ",") {
		from, to, ok := strings.Cut(strings.TrimSpace(one), "-")
		if !ok {
			return nil, fmt.Errorf("%q are no hours", one)
		}
		list = append(list, from, to)
	}
	return list, nil
}

func (c *command) calendarDelete() *cobra.Command {
	cmd := c.asking(&cobra.Command{
		Use: "delete NAME", Short: "Delete a calendar that no flow looks at", Args: exactly("NAME"), Example: "  callyard calendar delete office",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		if _, err := hub.Do(ctx, client.Request{Method: http.MethodDelete, Path: calendars.at(args[0])}, nil); err != nil {
			return calendars.missed(ctx, hub, args[0], err)
		}
		if !c.json() {
			c.printf("calendar %s is deleted\n", args[0])
		}
		return nil
	})
	cmd.ValidArgsFunction = calendars.complete
	return cmd
}

func (c *command) calendarOpening() *cobra.Command {
	var at, from, to string
	cmd := c.asking(&cobra.Command{
		Use: "opening NAME", Short: "Say whether a calendar is open, why, and when that changes", Args: exactly("NAME"),
		Example: `  callyard calendar opening office
  callyard calendar opening office --at 2026-12-25T10:00:00+01:00
  callyard calendar opening office --from 2026-12-21 --to 2026-12-28 -o json`,
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		v := url.Values{}
		for key, is := range map[string]string{"at": at, "from": from, "to": to} {
			if is == "" {
				continue
			}
			t, err := dayOrTime(is)
			if err != nil {
				return fmt.Errorf("--%s %w", key, err)
			}
			v.Set(key, t.Format(time.RFC3339))
		}
		var o opening
		if err := hub.Get(ctx, strings.TrimSuffix(calendars.at(args[0])+"/opening?"+v.Encode(), "?"), &o); err != nil {
			return calendars.missed(ctx, hub, args[0], err)
		}
		return c.print(o, func(w io.Writer) { o.show(w, args[0]) })
	})
	f := cmd.Flags()
	f.StringVar(&at, "at", "", "a `time`, or the beginning of a day (default: now)")
	f.StringVar(&from, "from", "", "the beginning of what is shown, a `day` or a time")
	f.StringVar(&to, "to", "", "show what it is when, up to this `day` or time")
	cmd.ValidArgsFunction = calendars.complete
	return cmd
}

// wallClock is how the calendar's clock is read by people.
const wallClock = "Mon 2006-01-02 15:04 MST"

func (o opening) show(w io.Writer, name string) {
	named := func(state, label string) string {
		if state == "holiday" {
			state = "on holiday"
		}
		if label != "" {
			return state + ": " + label
		}
		return state
	}
	// The zone's own letters are in its database, which JSON does not carry.
	zone, err := time.LoadLocation(o.TZ)
	if err != nil {
		zone = time.UTC
	}
	_, _ = fmt.Fprintf(w, "%s: %s is %s (%s)\n", o.At.In(zone).Format(wallClock), name, named(o.State, o.Label), o.Rule)
	if o.Next == nil {
		_, _ = fmt.Fprintf(w, "and stays so for a year\n")
	} else {
		_, _ = fmt.Fprintf(w, "until %s, then %s\n", o.Next.At.In(zone).Format(wallClock), named(o.Next.State, o.Next.Label))
	}
	if len(o.Periods) == 0 {
		return
	}
	_, _ = fmt.Fprintf(w, "\nFROM\tTO\tSTATE\tNAME\n")
	for _, p := range o.Periods {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.From.In(zone).Format(wallClock), p.To.In(zone).Format(wallClock), p.State, orDash(p.Label))
	}
}

package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// Exported is a set-up file as JSON: applied to the hub it comes from, it changes
// nothing. What is secret is left out, so are flows that were never published,
// and numbers that lead nowhere.
type Exported struct {
	Trunks       []json.RawMessage `json:"trunks"`
	Agents       []json.RawMessage `json:"agents"`
	Lots         []json.RawMessage `json:"lots"`
	Queues       []json.RawMessage `json:"queues"`
	Contacts     []json.RawMessage `json:"contacts,omitempty"`
	Dispositions []json.RawMessage `json:"dispositions,omitempty"`
	Calendars    []json.RawMessage `json:"calendars"`
	Flows        []json.RawMessage `json:"flows"`
	Numbers      []json.RawMessage `json:"numbers"`
}

// Export reads what is in force; the address book only if it is asked for.
func Export(ctx context.Context, s Stores, contacts bool) (x Exported, err error) {
	trunks, err := s.Routes.Trunks(ctx)
	if err != nil {
		return x, err
	}
	agents, err := s.Agents.Agents(ctx)
	if err != nil {
		return x, err
	}
	lots, err := s.Lots.Lots(ctx)
	if err != nil {
		return x, err
	}
	lines, err := s.Agents.Queues(ctx)
	if err != nil {
		return x, err
	}
	codes, err := s.Dispositions.Codes(ctx)
	if err != nil {
		return x, err
	}
	numbers, err := s.Routes.Numbers(ctx)
	if err != nil {
		return x, err
	}
	people := make([]Agent, len(agents))
	for i, a := range agents {
		people[i] = Agent{Name: a.Name, Display: a.Display, Extension: a.Extension, Teams: a.Teams, Skills: a.Skills, SRTP: a.SRTP}
	}
	var errs []error
	x.Trunks, errs = lean(trunks, errs)
	x.Agents, errs = lean(people, errs)
	x.Lots, errs = lean(lots, errs)
	x.Queues, errs = lean(lines, errs)
	x.Dispositions, errs = lean(codes, errs)
	x.Numbers, errs = lean(slices.DeleteFunc(numbers, func(n routing.Number) bool { return n.Flow == "" }), errs)
	if contacts {
		all, err := everybody(ctx, s.Contacts)
		errs = append(errs, err)
		x.Contacts, errs = lean(all, errs)
	}
	calendars, err := s.Routes.Calendars(ctx)
	errs = append(errs, err)
	x.Calendars = make([]json.RawMessage, len(calendars))
	for i, c := range calendars {
		x.Calendars[i] = c.Doc
	}
	flows, err := s.Routes.Flows(ctx)
	errs = append(errs, err)
	x.Flows = []json.RawMessage{}
	for _, f := range flows {
		v, err := s.Routes.LiveVersion(ctx, f.Name)
		switch {
		case errors.As(err, new(*routingpg.NotFoundError)):
		case err != nil:
			return x, err
		default:
			x.Flows = append(x.Flows, v.Doc)
		}
	}
	return x, errors.Join(errs...)
}

// everybody reads the address book page by page.
func everybody(ctx context.Context, s Contacts) (all []crm.Contact, err error) {
	f := crm.ContactFilter{Limit: 500}
	for {
		page, err := s.Contacts(ctx, f)
		all = append(all, page...)
		if err != nil || len(page) < f.Limit {
			return all, err
		}
		f.After = page[len(page)-1].ID
	}
}

// personal are the keys that are the hub's own, or nobody's to see.
var personal = []string{"id", "updated", "password", "status"}

// lean is values as JSON without those keys and what says nothing.
func lean[T any](list []T, errs []error) ([]json.RawMessage, []error) {
	out := make([]json.RawMessage, 0, len(list))
	for _, v := range list {
		b, err := json.Marshal(v)
		if err == nil {
			b, err = without(b, personal)
		}
		if err != nil {
			errs = append(errs, err)
		}
		out = append(out, b)
	}
	return out, errs
}

// without is an object that lacks some keys, and texts that are empty. The others
// stay in their order.
func without(object []byte, keys []string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteByte('{')
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if slices.Contains(keys, key) || string(value) == `""` || string(value) == "null" {
			continue
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%q:%s", key, value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

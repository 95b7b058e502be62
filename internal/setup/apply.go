package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// Lots, Agents, Routes, Contacts and Dispositions are what a set-up is written to.
type (
	Lots interface {
		Lots(ctx context.Context) ([]parking.Lot, error)
		SaveLot(ctx context.Context, l parking.Lot) error
		DeleteLot(ctx context.Context, name string) error
	}
	Agents interface {
		Queues(ctx context.Context) ([]queues.Queue, error)
		SaveQueue(ctx context.Context, q queues.Queue) error
		DeleteQueue(ctx context.Context, name string) error
		Agents(ctx context.Context) ([]queues.Agent, error)
		SaveAgent(ctx context.Context, a queues.Agent) error
		DeleteAgent(ctx context.Context, name string) error
	}
	Routes interface {
		Trunks(ctx context.Context) ([]routing.Trunk, error)
		SaveTrunk(ctx context.Context, t routing.Trunk) error
		DeleteTrunk(ctx context.Context, id string) error
		Numbers(ctx context.Context) ([]routing.Number, error)
		SaveNumber(ctx context.Context, n routing.Number) error
		DeleteNumber(ctx context.Context, id string) error
		Flows(ctx context.Context) ([]routingpg.Flow, error)
		Calendars(ctx context.Context) ([]routingpg.Calendar, error)
		SaveCalendar(ctx context.Context, c *routing.Calendar, now time.Time) (saved routingpg.Calendar, fresh bool, err error)
		DeleteCalendar(ctx context.Context, name string) error
		LiveVersion(ctx context.Context, flow string) (routingpg.Version, error)
		DeleteFlow(ctx context.Context, name string) error
		// PutFlow saves the document as the draft and publishes it, unless it is
		// what is live already; fresh tells which.
		PutFlow(ctx context.Context, doc []byte, message string, now time.Time, check func(*routing.Flow) routing.Findings) (f *routing.Flow, fresh bool, err error)
	}
	Dispositions interface {
		Codes(ctx context.Context) (disposition.List, error)
		SaveCodes(ctx context.Context, l disposition.List) error
	}
	Contacts interface {
		SaveByPhone(ctx context.Context, c crm.Contact, now time.Time) (changed, created bool, err error)
		ByNumber(ctx context.Context, n call.Number) ([]crm.Contact, error)
		Contacts(ctx context.Context, f crm.ContactFilter) ([]crm.Contact, error)
	}
)

// Stores is where a set-up is written to.
type Stores struct {
	Lots     Lots
	Agents   Agents
	Routes   Routes
	Contacts Contacts
	Realm    string // SIP passwords are digested with it
	Prompt   func(name string) bool
	Prompts  func() []string        // their names, to say what may have been meant; nil: nobody knows
	Channel  func(name string) bool // of notifications; nil: any will do

	Dispositions Dispositions

	// InUse is what live calls use, Waiting the lots and queues in which callers
	// wait. Both are needed to prune only.
	InUse, Waiting func(ctx context.Context) ([]Use, error)
}

// Options change what Apply does.
type Options struct {
	DryRun bool // nothing is written; the changes are those that would be
	Prune  bool // what the document does not name is removed
}

// Change is one thing that was brought in line.
type Change struct {
	Kind   string `json:"kind"` // "lot", "flow" …
	Name   string `json:"name"`
	Action string `json:"action" enum:"created,changed,unchanged,removed,kept"`
	Why    string `json:"why,omitempty"` // it is kept
}

// Apply writes what the document says. All of it is checked first: a document
// with a fault changes nothing, and every fault is named; what it lacks or says
// twice in a *DocumentError, and the faults of its flows in a *FlowsError. It can be applied again, and goes on after an
// interruption.
func Apply(ctx context.Context, s Stores, d Document, o Options, now time.Time) ([]Change, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	if err := checkReferences(ctx, s, d); err != nil {
		return nil, err
	}
	if err := checkFlows(ctx, s, d); err != nil {
		return nil, err
	}
	var going []removal
	if o.Prune {
		var err error
		if going, err = surplus(ctx, s, d); err != nil {
			return nil, err
		}
		if err := checkPruned(ctx, s, d, going); err != nil {
			return nil, err
		}
	}
	a := applier{s: s, now: now}
	if o.DryRun {
		a.s = s.dry()
	}
	for _, step := range []func(context.Context, Document) error{a.trunks, a.agents, a.lots, a.queues, a.contacts, a.dispositions, a.calendars, a.flows, a.numbers} {
		if err := step(ctx, d); err != nil {
			return a.changes, err
		}
	}
	if len(going) > 0 {
		return a.changes, a.prune(ctx, going, o.DryRun)
	}
	return a.changes, nil
}

// Check finds what is wrong with the document by itself: Apply does it first.
func (d Document) Check() error {
	var errs []error
	for i, l := range d.Lots {
		if l.Name == "" {
			errs = append(errs, fmt.Errorf("lots[%d]: has no name", i))
			continue
		}
		errs = append(errs, l.WithDefaults().Validate())
	}
	for i, q := range d.Queues {
		if q.Name == "" {
			errs = append(errs, fmt.Errorf("queues[%d]: has no name", i))
			continue
		}
		errs = append(errs, q.WithDefaults().Validate())
	}
	for i, a := range d.Agents {
		if a.Name == "" {
			errs = append(errs, fmt.Errorf("agents[%d]: has no name", i))
		}
		if !slices.Contains([]string{"", "off", "optional", "required"}, a.SRTP) {
			errs = append(errs, fmt.Errorf("agents[%d].srtp: %q is none of off, optional and required", i, a.SRTP))
		}
	}
	for i, n := range d.Numbers {
		if n.Number == "" || n.Flow == "" {
			errs = append(errs, fmt.Errorf("numbers[%d]: needs a number and a flow", i))
		}
	}
	errs = append(errs, d.Dispositions.Validate(), checkCalendars(d.Calendars))
	for i, f := range d.Flows {
		if _, err := routing.Parse(f); err != nil {
			errs = append(errs, flowFaults(i, err))
		}
	}
	return errors.Join(errs...)
}

type applier struct {
	s       Stores
	now     time.Time
	changes []Change
}

func (a *applier) did(kind, name string, existed, same bool) {
	action := "created"
	if existed {
		action = "changed"
	}
	if same {
		action = "unchanged"
	}
	a.changes = append(a.changes, Change{Kind: kind, Name: name, Action: action})
}

// put saves want unless it is what is stored already.
func put[T any](a *applier, kind, name string, have []T, is func(T) bool, want T, save func(T) error) error {
	i := slices.IndexFunc(have, is)
	same := i >= 0 && equal(have[i], want)
	if !same {
		if err := save(want); err != nil {
			return fmt.Errorf("%s %s: %w", kind, name, err)
		}
	}
	a.did(kind, name, i >= 0, same)
	return nil
}

// equal compares what would be shown.
func equal(a, b any) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

func (a *applier) lots(ctx context.Context, d Document) error {
	have, err := a.s.Lots.Lots(ctx)
	if err != nil {
		return err
	}
	for _, l := range d.Lots {
		l = l.WithDefaults()
		is := func(h parking.Lot) bool { return h.Name == l.Name }
		if i := slices.IndexFunc(have, is); i >= 0 {
			l.ID = have[i].ID
		}
		if err := put(a, "lot", l.Name, have, is, l, func(l parking.Lot) error { return a.s.Lots.SaveLot(ctx, l) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) queues(ctx context.Context, d Document) error {
	have, err := a.s.Agents.Queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range d.Queues {
		q = q.WithDefaults()
		is := func(h queues.Queue) bool { return h.Name == q.Name }
		if i := slices.IndexFunc(have, is); i >= 0 {
			q.ID = have[i].ID
		}
		if err := put(a, "queue", q.Name, have, is, q, func(q queues.Queue) error { return a.s.Agents.SaveQueue(ctx, q) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) agents(ctx context.Context, d Document) error {
	have, err := a.s.Agents.Agents(ctx)
	if err != nil {
		return err
	}
	for _, in := range d.Agents {
		i := slices.IndexFunc(have, func(h queues.Agent) bool { return h.Name == in.Name })
		want := queues.Agent{Status: in.Status}
		if want.Status == "" {
			want.Status = queues.Available
		}
		if i >= 0 {
			want = have[i]
		}
		want.Name, want.Display, want.Extension, want.SRTP = in.Name, in.Display, in.Extension, in.SRTP
		want.Teams, want.Skills = some(in.Teams), some(in.Skills)
		if in.Password != "" {
			want.HA1 = queues.NewHA1(in.Name, a.s.Realm, in.Password)
		}
		same := i >= 0 && equal(have[i], want) && have[i].HA1 == want.HA1
		if !same {
			if err := a.s.Agents.SaveAgent(ctx, want); err != nil {
				return fmt.Errorf("agent %s: %w", in.Name, err)
			}
		}
		a.did("agent", in.Name, i >= 0, same)
	}
	return nil
}

func some(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (a *applier) trunks(ctx context.Context, d Document) error {
	have, err := a.s.Routes.Trunks(ctx)
	if err != nil {
		return err
	}
	for _, t := range d.Trunks {
		t = t.WithDefaults()
		is := func(h routing.Trunk) bool { return h.Name == t.Name }
		if i := slices.IndexFunc(have, is); i >= 0 {
			t.ID = have[i].ID
			t = t.Keeping(have[i])
		}
		if err := put(a, "trunk", t.Name, have, is, t, func(t routing.Trunk) error { return a.s.Routes.SaveTrunk(ctx, t) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) numbers(ctx context.Context, d Document) error {
	have, err := a.s.Routes.Numbers(ctx)
	if err != nil {
		return err
	}
	for _, n := range d.Numbers {
		is := func(h routing.Number) bool { return h.Number == n.Number }
		if i := slices.IndexFunc(have, is); i >= 0 {
			n.ID = have[i].ID
		}
		if err := put(a, "number", string(n.Number), have, is, n, func(n routing.Number) error { return a.s.Routes.SaveNumber(ctx, n) }); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) contacts(ctx context.Context, d Document) error {
	for _, c := range d.Contacts {
		changed, created, err := a.s.Contacts.SaveByPhone(ctx, c, a.now)
		if err != nil {
			return fmt.Errorf("contact %s: %w", c.Name, err)
		}
		a.did("contact", c.Name, !created, !changed && !created)
	}
	return nil
}

func (a *applier) dispositions(ctx context.Context, d Document) error {
	if len(d.Dispositions) == 0 {
		return nil
	}
	have, err := a.s.Dispositions.Codes(ctx)
	if err != nil {
		return err
	}
	want := d.Dispositions.WithDefaults()
	same := equal(have, want)
	if !same {
		if err := a.s.Dispositions.SaveCodes(ctx, want); err != nil {
			return err
		}
	}
	a.did("dispositions", "all", true, same)
	return nil
}

func (a *applier) flows(ctx context.Context, d Document) error {
	if len(d.Flows) == 0 {
		return nil
	}
	known, err := KnownTo(ctx, a.s, d)
	if err != nil {
		return err
	}
	for _, doc := range calledFirst(d.Flows) {
		f, fresh, err := a.s.Routes.PutFlow(ctx, doc, "applied from a set-up file", a.now, func(f *routing.Flow) routing.Findings { return sim.Check(ctx, f, known) })
		if err != nil {
			return err
		}
		a.did("flow", f.Name(), f.Version() > 1, !fresh)
	}
	return nil
}

package callctl_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// rig is a whole node without sockets or database, on virtual time. Its jobs run
// like River's: within a twentieth of a second, and each of them twice.
type rig struct {
	t     *testing.T
	hub   *callctl.Hub
	db    *database
	parks *lots
	lines *lines
	queue *queues.Service
	book  *book
	mail  *mailroom
	said  *saids
	owed  *promises
	phone *exchange
	audio sync.Mutex
	disk  time.Duration // how long a recording takes to be closed; set before the first call
	tapes string        // the folder of recordings

	mu        sync.Mutex
	crm       map[call.Number]crm.Record
	crmBomb   bool
	crmAway   error
	sticky    func(ctx context.Context, n call.Number, since time.Time) (string, error) // the same
	ask       func(ctx context.Context, id string, q routing.HTTP) (int, []byte, error) // set before the first call
	numbers   map[call.Number]string
	flows     map[string]*routing.Flow
	tried     map[string]callctl.Canary // beside them
	published []*routing.Flow           // versions of main
	jobs      []job.Job
	inbound   []*phone
	faults    []string // what the checkers found
	errors    []string // logged
	told      []string // templates of notifications
	mayFind   []string // faults that a story brings about itself
	mayLog    []string // errors that a story brings about itself
	legs      int
	quit      chan struct{}
	pumped    chan struct{}
}

const (
	caller  = "+34600000001"
	line    = "+34910000000"
	outside = "+34920000000"
)

// story runs f in a bubble of virtual time; then all must be as if nobody had called.
func story(t *testing.T, f func(r *rig), with ...func(*callctl.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, with...)
		done := false
		defer func() {
			if !done { // a fatal failure: leave the bubble in order, so that it is seen
				r.shutDown()
			}
		}()
		f(r)
		r.rest()
		r.shutDown()
		done = true
		r.settled()
		r.replayed()
	})
}

func (r *rig) shutDown() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.hub.Stop(ctx); err != nil {
		r.t.Error(err)
	}
	close(r.quit)
	<-r.pumped
}

func newRig(t *testing.T, with ...func(*callctl.Config)) *rig {
	t.Helper()
	r := &rig{
		t: t, db: &database{slow: map[string]time.Duration{}, after: map[string]func(){}},
		crm: map[call.Number]crm.Record{}, numbers: map[call.Number]string{}, flows: map[string]*routing.Flow{},
		quit: make(chan struct{}), pumped: make(chan struct{}),
	}
	r.tapes = t.TempDir()
	r.parks = &lots{parking.NewMemory(), r.db}
	mem := queues.NewMemory()
	r.mail = &mailroom{}
	r.book = &book{r: r, endings: map[call.ID]int{}}
	r.said, r.owed = newSaids(r), &promises{r: r, all: map[string]*callback.Callback{}}
	mem.Enqueue = r.later
	mem.Note = r.book.took
	r.lines = &lines{mem, r.db}
	r.queue = queues.NewService(mem)
	r.phone = &exchange{r: r, devices: map[string][]device{}, texts: map[string][]string{}}
	cfg := callctl.Config{
		Node: "n1", Plan: r.plan, Book: r.book, Parking: r.parks, Lines: r.lines, Directory: r, Dialer: r.phone,
		Dispositions: r.said, Callbacks: r.owed, Notify: r.notify,
		Flow: func(context.Context, routing.Run) (*routing.Flow, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.flows["main"], nil
		},
		Voicemail: t.TempDir(), Recordings: r.tapes, WrapUp: 10 * time.Second, Messages: r.mail, Ask: r.asks, Sticky: r.talkedLast, Log: slog.New(&errorLog{r: r}),
	}
	for _, f := range with {
		f(&cfg)
	}
	r.hub = callctl.New(cfg)
	r.lot(parking.Lot{Name: "sales", Extension: "700", First: 701, Last: 703, Music: "hold"})
	for _, a := range []string{"ann", "bea", "carl"} {
		r.agent(a)
	}
	go r.pump()
	return r
}

// later is a job to be done.
func (r *rig) later(j job.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs = append(r.jobs, j)
}

func (r *rig) notify(_ context.Context, n callctl.Notification) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, n.Template)
	return nil
}

// notices are what was told to others, in order.
func (r *rig) notices() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.told)
}

func (r *rig) agent(name string) {
	r.t.Helper()
	if err := r.lines.SaveAgent(r.t.Context(), queues.Agent{Name: name, Extension: "2" + name, Teams: []string{"sales"}}); err != nil {
		r.t.Fatal(err)
	}
	err := r.lines.SaveDevice(r.t.Context(), queues.Device{Agent: name, Contact: "sip:" + name, Expires: time.Now().Add(24 * time.Hour)})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) lot(l parking.Lot) {
	r.t.Helper()
	if err := r.parks.SaveLot(r.t.Context(), l); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) serve(q queues.Queue, agents ...string) {
	r.t.Helper()
	for _, a := range agents {
		q.Agents = append(q.Agents, queues.Assignment{Agent: a})
	}
	if err := r.lines.SaveQueue(r.t.Context(), q); err != nil {
		r.t.Fatal(err)
	}
}

// flow makes calls to the rig's number run these nodes, from "in" on.
func (r *rig) flow(nodes string) { r.flowWith("", nodes) }

// flowWith is flow with more in the document: "calendars": {…},.
func (r *rig) flowWith(more, nodes string) {
	r.t.Helper()
	f, err := routing.Parse([]byte(`{"schema": "callflow/v1", "name": "main", "entry": "in", ` + more + `"nodes": {` + nodes + `, "bye": {"type": "hangup"}}}`))
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.published = append(r.published, f.WithVersion(1+len(r.published)))
	r.flows["main"], r.numbers[line] = r.published[len(r.published)-1], "main"
}

func (r *rig) plan() *callctl.Plan {
	p := &callctl.Plan{
		Numbers: map[call.Number]string{}, Flows: map[string]*routing.Flow{}, Agents: map[string]queues.Agent{},
		Queues: map[string]queues.Queue{}, Trunks: []routing.Trunk{{Name: "carrier", Host: "127.0.0.1"}},
	}
	ctx := context.Background()
	p.Lots, _ = r.parks.Lots(ctx)
	agents, _ := r.lines.Agents(ctx)
	for _, a := range agents {
		p.Agents[a.Name] = a
	}
	qs, _ := r.lines.Queues(ctx)
	for _, q := range qs {
		p.Queues[q.Name] = q
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.Copy(p.Numbers, r.numbers)
	maps.Copy(p.Flows, r.flows)
	p.Canaries = maps.Clone(r.tried)
	return p
}

func (r *rig) talkedLast(ctx context.Context, n call.Number, since time.Time) (string, error) {
	if r.sticky == nil {
		return "", nil
	}
	return r.sticky(ctx, n, since)
}

func (r *rig) away(agent, reason string) {
	r.t.Helper()
	if err := r.lines.SetStatus(r.t.Context(), agent, queues.Away, reason, time.Now()); err != nil {
		r.t.Fatal(err)
	}
}

// asks is the world outside.
func (r *rig) asks(ctx context.Context, id string, q routing.HTTP) (int, []byte, error) {
	return r.ask(ctx, id, q)
}

// Find implements Directory.
func (r *rig) Find(_ context.Context, c crm.Caller) (crm.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.crmBomb {
		panic("directory")
	}
	if r.crmAway != nil {
		return crm.Result{}, r.crmAway
	}
	if rec, ok := r.crm[c.Number]; ok {
		return crm.Result{Outcome: crm.One, Best: rec}, nil
	}
	return crm.Result{Outcome: crm.None}, nil
}

func (r *rig) newPhone(name string, inbound bool) *phone {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.legs++
	p := &phone{
		r: r, id: call.LegID(fmt.Sprintf("leg_%d", r.legs)), name: name, inbound: inbound,
		tape: &tape{r: r, owner: name}, ack: 20 * time.Millisecond, bye: 5 * time.Millisecond,
	}
	if inbound {
		r.inbound = append(r.inbound, p)
	}
	return p
}

// calls is a caller from outside who dials the rig's number.
func (r *rig) calls() *phone { return r.callsWith(func(*phone) {}) }

func (r *rig) callsWith(how func(*phone)) *phone {
	p := r.newPhone("caller", true)
	p.remote = callctl.Party{Number: caller}
	how(p)
	r.hub.Incoming(callctl.Incoming{Leg: p, Trunk: "carrier", From: p.remote, To: line, At: time.Now()})
	return p
}

// dials is a rep's phone that sends an INVITE.
func (r *rig) dials(agent, to string) *phone { return r.dialsWith(agent, to, func(*phone) {}) }

func (r *rig) dialsWith(agent, to string, how func(*phone)) *phone {
	p := r.newPhone(agent, true)
	p.remote = callctl.Party{Agent: agent, Device: agent + "-desk"}
	how(p)
	r.hub.Incoming(callctl.Incoming{Leg: p, Agent: agent, From: p.remote, To: to, At: time.Now()})
	return p
}

// pass lets virtual time go by.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// pump runs the jobs that are due, and the checkers every five seconds.
func (r *rig) pump() {
	defer close(r.pumped)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-r.quit:
			return
		case now := <-tick.C:
			if r.db.isAway() {
				continue
			}
			r.runParks(now)
			r.runQueues(now)
			if n%100 == 0 {
				r.check(now)
			}
		}
	}
}

func (r *rig) runParks(now time.Time) {
	ctx := context.Background()
	for _, j := range r.parks.Jobs() {
		if j.At.After(now) {
			continue
		}
		for range 2 {
			if err := r.hub.StepDue(ctx, j.Args.(parking.StepDue)); err != nil {
				r.t.Errorf("step: %v", err)
			}
		}
	}
}

func (r *rig) runQueues(now time.Time) {
	ctx := context.Background()
	r.mu.Lock()
	var due []job.Job
	r.jobs = slices.DeleteFunc(r.jobs, func(j job.Job) bool {
		if j.At.After(now) {
			return false
		}
		due = append(due, j)
		return true
	})
	r.mu.Unlock()
	for _, j := range due {
		var err error
		switch a := j.Args.(type) {
		case queues.Distribute:
			_, err = r.queue.Distribute(ctx, a.Queue, now)
		case queues.Ring:
			err = r.hub.RingOffer(ctx, a)
			if err == nil {
				err = r.hub.RingOffer(ctx, a)
			}
		case queues.WrapUpOver:
			err = r.queue.EndWrapUp(ctx, a, now)
		case queues.ForgiveAgent:
			err = r.queue.Forgive(ctx, a, now)
		case callback.Due:
			for range 2 {
				err = errors.Join(err, r.hub.CallbackDue(ctx, a))
			}
		case disposition.Due:
			for range 2 {
				err = errors.Join(err, r.hub.DispositionDue(ctx, a))
			}
		case disposition.Settled:
			if err = r.hub.DispositionSettled(ctx, a); err != nil { // the call is being closed
				j.At, err = now.Add(time.Second), nil
				r.later(j)
			}
		}
		if err != nil {
			r.t.Errorf("%T: %v", j.Args, err)
		}
	}
}

func (r *rig) check(now time.Time) {
	ctx := context.Background()
	faults, _ := r.parks.Check(ctx, now)
	mended, _ := r.lines.Check(ctx, now)
	ended, _ := r.hub.Reconcile(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range faults {
		r.faults = append(r.faults, f.What+" "+f.Park)
	}
	r.faults = append(r.faults, mended...)
	if ended > 0 {
		r.faults = append(r.faults, fmt.Sprintf("reconciled %d", ended))
	}
}

// errorLog keeps what is logged as an error.
type errorLog struct{ r *rig }

func (l *errorLog) Enabled(_ context.Context, at slog.Level) bool { return at >= slog.LevelError }
func (l *errorLog) WithAttrs([]slog.Attr) slog.Handler            { return l }
func (l *errorLog) WithGroup(string) slog.Handler                 { return l }
func (l *errorLog) Handle(_ context.Context, rec slog.Record) error {
	text := rec.Message
	rec.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	l.r.errors = append(l.r.errors, text)
	return nil
}

// rest waits until wrap-ups are over, and checks that nothing is left of any call.
func (r *rig) rest() {
	r.t.Helper()
	r.pass(45 * time.Second)
	if live := r.hub.Live(); len(live) > 0 {
		r.t.Errorf("calls still live: %+v", live)
	}
}

// settled checks the invariants once all is over.
func (r *rig) settled() {
	r.t.Helper()
	synctest.Wait()
	ctx := context.Background()
	if left, _ := r.parks.Live(ctx, parking.Filter{}); len(left) > 0 {
		r.t.Errorf("parks still live: %+v", left)
	}
	if jobs := r.parks.Jobs(); len(jobs) > 0 {
		r.t.Errorf("steps still pending: %+v", jobs)
	}
	if left, _ := r.lines.Waiting(ctx, ""); len(left) > 0 {
		r.t.Errorf("entries still waiting: %+v", left)
	}
	agents, _ := r.lines.Agents(ctx)
	for _, a := range agents {
		if a.State != queues.Idle && a.State != queues.WrapUp {
			r.t.Errorf("agent %s is still %s", a.Name, a.State)
		}
	}
	r.phone.mu.Lock()
	phones := append(slices.Clone(r.inbound), r.phone.rung...)
	r.phone.mu.Unlock()
	for _, p := range phones {
		if p.ends != 1 {
			r.t.Errorf("leg %s of %s ended %d times", p.id, p.name, p.ends)
		}
		for _, ref := range p.refers {
			if len(ref.results) != 1 {
				r.t.Errorf("REFER of %s to %s was told %v", p.name, ref.to, ref.results)
			}
		}
	}
	for _, o := range r.book.begun {
		if n := r.book.endings[o.ID]; n != 1 {
			r.t.Errorf("call %s was ended %d times", o.ID, n)
		}
		if n := r.count(o.ID, call.Ended); n != 1 {
			r.t.Errorf("call %s has %d call.ended", o.ID, n)
		}
	}
	r.eachParkEndsOnce()
	if left := callctl.LegsOf(r.hub); left > 0 {
		r.t.Errorf("%d legs still belong to a call", left)
	}
	unexpected := func(found, allowed []string, what string) {
		for _, f := range found {
			if !slices.ContainsFunc(allowed, func(a string) bool { return strings.Contains(f, a) }) {
				r.t.Errorf("%s: %s", what, f)
			}
		}
	}
	unexpected(r.faults, r.mayFind, "the checker found")
	unexpected(r.errors, r.mayLog, "logged")
}

func (r *rig) eachParkEndsOnce() {
	r.t.Helper()
	began, ended := map[string]int{}, map[string]int{}
	for _, e := range r.parks.Ledger("") {
		switch e.Type {
		case call.Parked:
			began[e.Park]++
		case call.ParkRetrieved, call.ParkAbandoned, call.ParkExpired, call.ParkMoved, call.ParkFailed:
			ended[e.Park]++
		}
	}
	for id, n := range began {
		if n != 1 || ended[id] != 1 {
			r.t.Errorf("park %s began %d times and ended %d times", id, n, ended[id])
		}
	}
}

// ledger is all facts about a call, of all writers.
func (r *rig) ledger(id call.ID) []call.Event {
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	out := r.parks.Ledger(id)
	for _, e := range r.book.facts {
		if e.Call == id {
			out = append(out, e)
		}
	}
	return out
}

func (r *rig) count(id call.ID, kind call.EventType) (n int) {
	for _, e := range r.ledger(id) {
		if e.Type == kind {
			n++
		}
	}
	return n
}

// reason is how the call's parks ended, in order.
func (r *rig) reasons(id call.ID) []string {
	var out []string
	for _, e := range r.parks.Ledger(id) {
		if why, ok := e.Data["reason"].(string); ok && e.Type != call.ParkRefused {
			out = append(out, why)
		}
	}
	return out
}

// results is what came of the ladder's steps.
func (r *rig) results(id call.ID) []string {
	var out []string
	for _, e := range r.parks.Ledger(id) {
		if e.Type == call.ParkStepResult {
			out = append(out, fmt.Sprintf("%v:%v", e.Data["do"], e.Data["result"]))
		}
	}
	return out
}

// park is the only live park.
func (r *rig) park() parking.Park {
	r.t.Helper()
	live, _ := r.parks.Live(context.Background(), parking.Filter{})
	if len(live) != 1 {
		r.t.Fatalf("%d parks are live", len(live))
	}
	return live[0]
}

func (r *rig) parked() int {
	live, _ := r.parks.Live(context.Background(), parking.Filter{})
	return len(live)
}

func (r *rig) state(agent string) queues.State {
	r.t.Helper()
	a, err := r.lines.Agent(context.Background(), agent)
	if err != nil {
		r.t.Fatal(err)
	}
	return a.State
}

// Expectations.

func (r *rig) is(what string, got, want any) {
	r.t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func (r *rig) hear(p *phone, want string) {
	r.t.Helper()
	if got := p.hears(); got != want {
		r.t.Errorf("%s hears %q, want %q", p.name, got, want)
	}
}

func (r *rig) talking(a, b *phone) {
	r.t.Helper()
	r.hear(a, "talk:"+b.name)
	r.hear(b, "talk:"+a.name)
}

func (r *rig) outcome(id call.ID, want string) {
	r.t.Helper()
	c, ok := r.book.closing(id)
	if !ok {
		r.t.Errorf("call %s is not closed", id)
		return
	}
	r.is("outcome", c.Outcome, want)
}

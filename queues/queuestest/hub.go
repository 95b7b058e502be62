// Package queuestest holds one suite of behaviour that every queues.Store passes.
package queuestest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/queues"
)

// Hub is a store under test and what lies around it.
type Hub struct {
	Store queues.Store
	Call  func(t *testing.T, c call.ID, node call.NodeID)     // makes a live call known
	End   func(t *testing.T, c call.ID, at time.Time)         // the call is over
	Jobs  func(t *testing.T) []Job                            // all that were ever enqueued, in order
	Facts func(t *testing.T, c call.ID) (ledger []call.Event) // in order
}

// Job is an enqueued job as it is stored.
type Job struct {
	Kind  string
	Args  json.RawMessage
	Queue string
	At    time.Time // of no meaning for those to be done at once
}

// TestStore runs the suite. open makes an empty hub for each test.
func TestStore(t *testing.T, open func(t *testing.T) Hub) {
	for _, group := range []struct {
		name string
		test func(t *testing.T, open func(t *testing.T) Hub)
	}{
		{"settings", testSettings},
		{"devices", testDevices},
		{"joining", testJoining},
		{"amending", testAmending},
		{"deciding", testDeciding},
		{"answering", testAnswering},
		{"missing", testMissing},
		{"agents", testAgents},
		{"moments", testMoments},
		{"reserving", testReserving},
		{"checking", testChecking},
	} {
		t.Run(group.name, func(t *testing.T) { group.test(t, open) })
	}
}

// room is a hub with one time of day and short ways to say things.
type room struct {
	*testing.T
	Hub
	now   time.Time
	calls int
	seen  int // jobs looked at
}

// enter opens a hub with the queue "sales", its agents available with one phone
// each. The time is near the real one, for stores that count phones by a clock.
func enter(t *testing.T, open func(t *testing.T) Hub, agents ...string) *room {
	t.Helper()
	t.Parallel()
	r := &room{T: t, Hub: open(t), now: time.Now().UTC().Truncate(time.Second)}
	for _, a := range agents {
		r.agent(a)
	}
	r.queue("sales", agents...)
	return r
}

func (r *room) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *room) pass(d time.Duration) { r.now = r.now.Add(d) }

func (r *room) agent(name string) {
	r.Helper()
	r.ok(r.Store.SaveAgent(r.Context(), queues.Agent{Name: name, Status: queues.Available, IdleSince: r.now.Add(-time.Hour)}))
	r.phone(name)
}

func (r *room) phone(agent string) {
	r.Helper()
	r.ok(r.Store.SaveDevice(r.Context(), queues.Device{
		Agent: agent, Contact: "sip:" + agent + "@127.0.0.1:5070", Transport: "udp", CallID: "reg-" + agent, CSeq: 1, Expires: r.now.Add(time.Hour),
	}))
}

func (r *room) queue(name string, agents ...string) {
	r.Helper()
	q := queues.Queue{Name: name}
	for i, a := range agents {
		q.Agents = append(q.Agents, queues.Assignment{Agent: a, Order: i})
	}
	r.ok(r.Store.SaveQueue(r.Context(), q))
}

func (r *room) change(name string, f func(*queues.Queue)) {
	r.Helper()
	q, err := r.Store.Queue(r.Context(), name)
	r.ok(err)
	f(&q)
	r.ok(r.Store.SaveQueue(r.Context(), q))
}

// caller makes a live call on node n1.
func (r *room) caller() call.ID {
	r.Helper()
	r.calls++
	c := call.ID(fmt.Sprintf("call_%03d", r.calls))
	r.Call(r.T, c, "n1")
	return c
}

// join puts a new call in line.
func (r *room) join(queue string) call.ID {
	r.Helper()
	c := r.caller()
	r.ok(r.Store.Join(r.Context(), queues.Entry{Call: c, Node: "n1", Queue: queue, From: "+34600000001"}, r.now))
	return c
}

func (r *room) decide(queue string) []queues.Offer {
	r.Helper()
	offers, err := queues.NewService(r.Store).Distribute(r.Context(), queue, r.now)
	r.ok(err)
	return offers
}

// offer puts a call in line and has it offered.
func (r *room) offer(queue string) queues.Offer {
	r.Helper()
	r.join(queue)
	offers := r.decide(queue)
	if len(offers) != 1 {
		r.Fatalf("got offers %v, want one", offers)
	}
	return offers[0]
}

func (r *room) line(queue string) []call.ID {
	r.Helper()
	waiting, err := r.Store.Waiting(r.Context(), queue)
	r.ok(err)
	ids := []call.ID{}
	for _, e := range waiting {
		ids = append(ids, e.Call)
	}
	return ids
}

func (r *room) entry(c call.ID) queues.Entry {
	r.Helper()
	waiting, err := r.Store.Waiting(r.Context(), "")
	r.ok(err)
	i := slices.IndexFunc(waiting, func(e queues.Entry) bool { return e.Call == c })
	if i < 0 {
		r.Fatalf("%s does not wait", c)
	}
	return waiting[i]
}

func (r *room) who(agent string) queues.Agent {
	r.Helper()
	a, err := r.Store.Agent(r.Context(), agent)
	r.ok(err)
	return a
}

func (r *room) state(agent string, want queues.State) {
	r.Helper()
	if a := r.who(agent); a.State != want {
		r.Errorf("%s is %s, want %s", agent, a.State, want)
	}
}

// jobs returns what was enqueued of a kind since the last time anything was asked for.
func jobs[A job.Args](r *room) (args []A, stored []Job) {
	r.Helper()
	all := r.Jobs(r.T)
	fresh := all[r.seen:]
	r.seen = len(all)
	var kind A
	for _, j := range fresh {
		if j.Kind == kind.Kind() {
			var a A
			r.ok(json.Unmarshal(j.Args, &a))
			args, stored = append(args, a), append(stored, j)
		}
	}
	return args, stored
}

func (r *room) forget() { r.Helper(); r.seen = len(r.Jobs(r.T)) }

// facts are the types of a call's ledger.
func (r *room) facts(c call.ID, want ...call.EventType) []call.Event {
	r.Helper()
	ledger := r.Facts(r.T, c)
	var got []call.EventType
	for _, e := range ledger {
		got = append(got, e.Type)
	}
	if !slices.Equal(got, want) {
		r.Errorf("ledger of %s: %v, want %v", c, got, want)
	}
	return ledger
}

func (r *room) tooLate(err error) {
	r.Helper()
	var late *queues.TooLateError
	if !errors.As(err, &late) {
		r.Errorf("got %v, want *TooLateError", err)
	}
}

func (r *room) unknown(err error) {
	r.Helper()
	var unknown *queues.UnknownError
	if !errors.As(err, &unknown) {
		r.Errorf("got %v, want *UnknownError", err)
	}
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

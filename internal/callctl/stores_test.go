package callctl_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// database is what all stores of a rig share: it can be away, or slow.
type database struct {
	mu    sync.Mutex
	away  bool
	hangs bool
	slow  map[string]time.Duration // by operation
	after map[string]func()        // runs once the operation is done, before its caller hears of it
}

var errDown = errors.New("connection refused")

// enter is called before every operation.
func (d *database) enter(ctx context.Context, op string) error {
	d.mu.Lock()
	away, hangs, slow := d.away, d.hangs, d.slow[op]
	d.mu.Unlock()
	if slow > 0 {
		t := time.NewTimer(slow)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if away && hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if away {
		return errDown
	}
	return ctx.Err()
}

func (d *database) leave(op string) {
	d.mu.Lock()
	f := d.after[op]
	d.mu.Unlock()
	if f != nil {
		f()
	}
}

func (d *database) set(f func(*database)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

func (d *database) isAway() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.away
}

// lots is the parking store behind a database that may be away.
type lots struct {
	*parking.Memory
	db *database
}

func (s *lots) Put(ctx context.Context, p parking.Park) (parking.Park, error) {
	if err := s.db.enter(ctx, "put"); err != nil {
		return parking.Park{}, err
	}
	got, err := s.Memory.Put(ctx, p)
	s.db.leave("put")
	if ctx.Err() != nil { // written, but too late for us to hear of it
		return parking.Park{}, ctx.Err()
	}
	return got, err
}

func (s *lots) Reserve(ctx context.Context, r parking.Reservation) (parking.Reservation, error) {
	if err := s.db.enter(ctx, "book"); err != nil {
		return parking.Reservation{}, err
	}
	got, err := s.Memory.Reserve(ctx, r)
	if ctx.Err() != nil { // written, but too late for us to hear of it
		return parking.Reservation{}, ctx.Err()
	}
	return got, err
}

func (s *lots) Unreserve(ctx context.Context, id, why string, at time.Time) error {
	if err := s.db.enter(ctx, "unbook"); err != nil {
		return err
	}
	return s.Memory.Unreserve(ctx, id, why, at)
}

func (s *lots) Claim(ctx context.Context, t parking.Target, by call.Actor, now time.Time) (parking.Park, error) {
	if err := s.db.enter(ctx, "claim"); err != nil {
		return parking.Park{}, err
	}
	defer s.db.leave("claim")
	return s.Memory.Claim(ctx, t, by, now)
}

func (s *lots) Extend(ctx context.Context, id string, epoch int, until time.Time) error {
	if err := s.db.enter(ctx, "extend"); err != nil {
		return err
	}
	return s.Memory.Extend(ctx, id, epoch, until)
}

func (s *lots) Release(ctx context.Context, id string, epoch int, why string, at time.Time) (parking.Park, error) {
	if err := s.db.enter(ctx, "release"); err != nil {
		return parking.Park{}, err
	}
	return s.Memory.Release(ctx, id, epoch, why, at)
}

func (s *lots) End(ctx context.Context, id string, epoch int, why parking.Reason, by call.Actor, at time.Time) (parking.Park, error) {
	if err := s.db.enter(ctx, "end"); err != nil {
		return parking.Park{}, err
	}
	return s.Memory.End(ctx, id, epoch, why, by, at)
}

func (s *lots) Move(ctx context.Context, m parking.Move) (parking.Park, error) {
	if err := s.db.enter(ctx, "move"); err != nil {
		return parking.Park{}, err
	}
	got, err := s.Memory.Move(ctx, m)
	s.db.leave("move")
	if ctx.Err() != nil { // written, but too late for us to hear of it
		return parking.Park{}, ctx.Err()
	}
	return got, err
}

func (s *lots) Advance(ctx context.Context, id string, n int, now time.Time) (parking.Park, int, bool, error) {
	if err := s.db.enter(ctx, "advance"); err != nil {
		return parking.Park{}, 0, false, err
	}
	return s.Memory.Advance(ctx, id, n, now)
}

func (s *lots) StepResult(ctx context.Context, id string, n int, result string, data map[string]any, at time.Time) error {
	if err := s.db.enter(ctx, "step result"); err != nil {
		return err
	}
	return s.Memory.StepResult(ctx, id, n, result, data, at)
}

// lines is the queue store behind a database that may be away.
type lines struct {
	*queues.Memory
	db *database
}

func (s *lines) Join(ctx context.Context, e queues.Entry, now time.Time) error {
	if err := s.db.enter(ctx, "join"); err != nil {
		return err
	}
	err := s.Memory.Join(ctx, e, now)
	s.db.leave("join")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (s *lines) Leave(ctx context.Context, c call.ID, queue, outcome string, by call.Actor, now time.Time) error {
	if err := s.db.enter(ctx, "leave"); err != nil {
		return err
	}
	return s.Memory.Leave(ctx, c, queue, outcome, by, now)
}

func (s *lines) Reserve(ctx context.Context, o queues.Offer, whoever bool) (queues.Offer, error) {
	if err := s.db.enter(ctx, "reserve"); err != nil {
		return queues.Offer{}, err
	}
	return s.Memory.Reserve(ctx, o, whoever)
}

func (s *lines) Answer(ctx context.Context, offer, agent string, now time.Time) error {
	if err := s.db.enter(ctx, "answer"); err != nil {
		return err
	}
	return s.Memory.Answer(ctx, offer, agent, now)
}

func (s *lines) Miss(ctx context.Context, offer, agent, why string, now time.Time) error {
	if err := s.db.enter(ctx, "miss"); err != nil {
		return err
	}
	return s.Memory.Miss(ctx, offer, agent, why, now)
}

func (s *lines) Talk(ctx context.Context, agent string, c call.ID, now time.Time) error {
	if err := s.db.enter(ctx, "talk"); err != nil {
		return err
	}
	return s.Memory.Talk(ctx, agent, c, now)
}

func (s *lines) Free(ctx context.Context, agent string, c call.ID, wrapUp time.Duration, now time.Time) error {
	if err := s.db.enter(ctx, "free"); err != nil {
		return err
	}
	return s.Memory.Free(ctx, agent, c, wrapUp, now)
}

// book is the ledger of the calls themselves.
type book struct {
	r *rig

	mu      sync.Mutex
	begun   []callctl.Opening
	closed  []callctl.Closing
	facts   []call.Event
	endings map[call.ID]int // how often End was taken
}

func (b *book) Begin(ctx context.Context, o callctl.Opening, facts ...call.Event) error {
	if err := b.r.db.enter(ctx, "begin"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = append(b.begun, o)
	b.facts = append(b.facts, facts...)
	return nil
}

func (b *book) Note(ctx context.Context, facts ...call.Event) error {
	if err := b.r.db.enter(ctx, "note"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.facts = append(b.facts, facts...)
	return nil
}

func (b *book) End(ctx context.Context, c callctl.Closing, facts ...call.Event) error {
	if err := b.r.db.enter(ctx, "end call"); err != nil {
		return err
	}
	b.mu.Lock()
	b.closed = append(b.closed, c)
	b.facts = append(b.facts, facts...)
	b.endings[c.ID]++
	b.mu.Unlock() // the stores write to this book
	b.r.parks.CallEnded(c.ID, c.At)
	b.r.lines.CallEnded(c.ID, c.At)
	return nil
}

func (b *book) took(e call.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.facts = append(b.facts, e)
}

func (b *book) lastBegun() call.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.begun) == 0 {
		return ""
	}
	return b.begun[len(b.begun)-1].ID
}

// about is the facts of a kind about a call.
func (b *book) about(id call.ID, kind call.EventType) (facts []call.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.facts {
		if e.Call == id && e.Type == kind {
			facts = append(facts, e)
		}
	}
	return facts
}

func (b *book) closing(id call.ID) (callctl.Closing, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.closed {
		if c.ID == id {
			return c, true
		}
	}
	return callctl.Closing{}, false
}

func (s *lines) Switch(ctx context.Context, c call.ID, from, to string, by call.Actor, now time.Time) (queues.Entry, error) {
	if err := s.db.enter(ctx, "switch"); err != nil {
		return queues.Entry{}, err
	}
	got, err := s.Memory.Switch(ctx, c, from, to, by, now)
	s.db.leave("switch")
	if ctx.Err() != nil { // written, but too late for us to hear of it
		return queues.Entry{}, ctx.Err()
	}
	return got, err
}

func (s *lines) Agents(ctx context.Context) ([]queues.Agent, error) {
	s.db.mu.Lock()
	slow := s.db.slow["agents"]
	s.db.mu.Unlock()
	if slow > 0 { // else as before: whoever runs the rig asks too
		if err := s.db.enter(ctx, "agents"); err != nil {
			return nil, err
		}
	}
	return s.Memory.Agents(ctx)
}

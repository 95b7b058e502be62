package crm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Outcome of a search: the outcomes of a flow's lookup node.
type Outcome string

// The outcomes. Failed says that nobody is known who has the number, but not
// every CRM could be asked in time.
const (
	One    Outcome = "one"
	None   Outcome = "none"
	Many   Outcome = "many" // a switchboard, or two equally likely people of different owners
	Failed Outcome = "error"
)

// Result is who is calling.
type Result struct {
	Outcome Outcome
	Best    Record // also with Many: the likeliest, most recently changed first
	Others  []Record
	Late    []string // providers that had not answered when the caller went on
}

// Pick is the record to go by: the likeliest, or where nothing tells them apart,
// and not the first of them is asked for, the one that changed last.
func (r Result) Pick(first bool) Record {
	best := r.Best
	if r.Outcome != Many || first {
		return best
	}
	for _, o := range r.Others {
		if o.Updated.After(best.Updated) {
			best = o
		}
	}
	return best
}

// Caller is the question who that is.
type Caller struct {
	Number call.Number
	Within time.Duration // the deadline
	Fresh  time.Duration // how old an answer may be; 0: as old as the directory keeps them; Afresh
}

// Afresh: no answer from before.
const Afresh = time.Duration(-1)

// DirectoryOptions tune a Directory; zero durations mean the defaults.
type DirectoryOptions struct {
	Cache    time.Duration    // an answer is used again for so long; 60 s
	Patience time.Duration    // a late answer is waited for so long, for the next call; 10 s
	Now      func() time.Time // the clock; required
	// Active and LastAgent are passed to Choose; nil if not known.
	Active    func(agent string) bool
	LastAgent func(ctx context.Context, n call.Number) string
	Log       *slog.Logger // required
}

// Directory finds out who is calling, fast enough not to be heard: what the
// local index knows is used at once, other CRMs have a deadline, and what they
// answer too late is there for the next call. Safe for use by many goroutines.
type Directory struct {
	local  Provider
	remote []Provider
	o      DirectoryOptions

	mu      sync.Mutex
	answers map[question]*answer
	keep    time.Duration // the oldest answer that somebody wants
	sweepAt int           // this many answers are looked through for stale ones
	closed  bool
	asking  sync.WaitGroup
}

// question is what one provider was asked.
type question struct {
	provider string
	number   call.Number
}

// answer is what it said. Fields but done and cancel are read after done is closed.
type answer struct {
	done    chan struct{}
	cancel  context.CancelFunc
	records []Record
	err     error
	at      time.Time
}

const sweepFrom = 4096

// NewDirectory searches local, which answers from our own database and may be
// nil, and the other providers. Close it.
func NewDirectory(local Provider, remote []Provider, o DirectoryOptions) *Directory {
	if o.Cache == 0 {
		o.Cache = time.Minute
	}
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	return &Directory{local: local, remote: remote, o: o, answers: map[question]*answer{}, keep: o.Cache, sweepAt: sweepFrom}
}

// Find tells who has the number, by the deadline at the latest. When the local
// index knows the number it answers at once, with what is cached of the other
// CRMs; else it waits for them. Only whole numbers ("+34…") are looked up:
// withheld ones and extensions are nobody's. The error is set if the outcome is
// Failed, and says what went wrong.
func (d *Directory) Find(ctx context.Context, c Caller) (Result, error) {
	n, deadline := c.Number, c.Within
	if !strings.HasPrefix(string(n), "+") {
		return Result{Outcome: None}, nil
	}
	within, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	asked := make([]*answer, len(d.remote))
	fresh := cmp.Or(c.Fresh, d.o.Cache)
	for i, p := range d.remote {
		asked[i] = d.ask(ctx, p, n, fresh)
	}
	var found []Record
	var problems []error
	if d.local != nil {
		a := d.ask(ctx, d.local, n, 0)
		if !a.wait(within) {
			problems = append(problems, fmt.Errorf("%s has not answered within %s", d.local.Name(), deadline))
		} else if a.err != nil {
			problems = append(problems, fmt.Errorf("ask %s: %w", d.local.Name(), a.err))
		} else {
			found = a.records
		}
	}
	if len(found) > 0 {
		cancel() // what the others have not said by now comes too late
	}
	var late []string
	for i, a := range asked {
		switch name := d.remote[i].Name(); {
		case !a.wait(within):
			late = append(late, name)
			problems = append(problems, fmt.Errorf("%s has not answered within %s", name, deadline))
		case a.err != nil:
			problems = append(problems, fmt.Errorf("ask %s: %w", name, a.err))
		default:
			found = append(slices.Clip(found), a.records...)
		}
	}
	r := d.choose(ctx, found, n)
	r.Late = late
	if r.Outcome == None && len(problems) > 0 {
		r.Outcome = Failed
		return r, errors.Join(problems...)
	}
	return r, nil
}

func (d *Directory) choose(ctx context.Context, found []Record, n call.Number) Result {
	in := Insight{Active: d.o.Active}
	if d.o.LastAgent != nil && len(found) > 1 {
		in.LastAgent = d.o.LastAgent(ctx, n)
	}
	switch c := Choose(found, n, in); {
	case c.Best == nil:
		return Result{Outcome: None}
	case c.Ambiguous || c.Shared:
		return Result{Outcome: Many, Best: *c.Best, Others: c.Others}
	default:
		return Result{Outcome: One, Best: *c.Best, Others: c.Others}
	}
}

// ask returns an answer that is fresh or on its way, or puts the question.
func (d *Directory) ask(ctx context.Context, p Provider, n call.Number, fresh time.Duration) *answer {
	q := question{p.Name(), n}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keep = max(d.keep, fresh)
	if a := d.answers[q]; a != nil && a.usable(d.o.Now(), fresh) {
		return a
	}
	if d.closed {
		a := &answer{done: make(chan struct{}), err: errors.New("directory is closed")}
		close(a.done)
		return a
	}
	if len(d.answers) >= d.sweepAt {
		d.sweep()
	}
	// The question outlives the call that put it: its answer is for the next one.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.o.Patience)
	a := &answer{done: make(chan struct{}), cancel: cancel}
	d.answers[q] = a
	d.asking.Go(func() {
		defer cancel()
		rs, err := p.Lookup(ctx, n)
		if err != nil {
			d.o.Log.Warn("crm lookup failed", "provider", q.provider, "number", n, "err", err)
		}
		a.records, a.err, a.at = rs, err, d.o.Now()
		close(a.done)
	})
	return a
}

// sweep drops what is too old to be used, so that the cache does not grow with
// every caller there ever was.
func (d *Directory) sweep() {
	now := d.o.Now()
	for q, a := range d.answers {
		if !a.usable(now, d.keep) {
			delete(d.answers, q)
		}
	}
	d.sweepAt = max(sweepFrom, 2*len(d.answers))
}

// Close gives up the questions that are open and waits for them to end.
func (d *Directory) Close() {
	d.mu.Lock()
	d.closed = true
	for _, a := range d.answers {
		a.cancel()
	}
	d.mu.Unlock()
	d.asking.Wait()
}

// wait tells whether the answer came before ctx ended; one that is there
// already counts also when it has.
func (a *answer) wait(ctx context.Context) bool {
	select {
	case <-a.done:
		return true
	default:
	}
	select {
	case <-a.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// usable: on its way, or come without error less than fresh ago.
func (a *answer) usable(now time.Time, fresh time.Duration) bool {
	select {
	case <-a.done:
		return a.err == nil && now.Sub(a.at) < fresh
	default:
		return true
	}
}

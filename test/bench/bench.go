//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"time"

	"github.com/callyard/callyard/test/hubproc"
	"github.com/callyard/callyard/test/load"
)

// bench is a hub and those who call it.
type bench struct {
	hub   *hubproc.Hub
	quick bool
	size  sizes
	idle  hubproc.Usage // what the hub and its database cost per second with nobody calling

	media   *load.Engine
	callers *load.Side     // RTP of callers
	desks   *load.Side     // RTP of reps
	trunk   *load.Endpoint // SIP of callers
	phones  *load.Endpoint // SIP of all reps' phones
	agents  []*load.Account

	serial  int    // of callers' numbers
	profile string // file for the hub's CPU profile, "" for none
	figures []figure
}

// sizes is how much is done.
type sizes struct {
	half, full    int // parked callers: first half, then full
	bridged       int
	oneLeg        int
	twoLegs       int
	waiting, take int // callers that can be retrieved, and retrievals
	escalated     int
	window        time.Duration
	windows       int // at most, see quietest
}

func sizesOf(quick bool) sizes {
	if quick {
		return sizes{half: 500, full: 1000, bridged: 100, oneLeg: 300, twoLegs: 150, waiting: 150, take: 100, escalated: 100, window: 5 * time.Second, windows: 1}
	}
	return sizes{half: 500, full: 1000, bridged: 200, oneLeg: 1000, twoLegs: 400, waiting: 300, take: 200, escalated: 200, window: 12 * time.Second, windows: 3}
}

// begin starts the hub, and registers the phones. The bench it returns is to be
// closed even if there is an error.
func begin(ctx context.Context, binary string, quick bool) (*bench, error) {
	b := &bench{quick: quick, size: sizesOf(quick)}
	reps := max(b.size.bridged, b.size.escalated)
	var err error
	if b.hub, err = hubproc.Start(hubproc.Config{Binary: binary, Name: "bench", Document: document(b.size, reps), Ops: true}); err != nil {
		return b, err
	}
	if b.media, err = load.NewEngine(); err != nil {
		return b, err
	}
	if b.callers, err = b.media.Side(4); err != nil {
		return b, err
	}
	if b.desks, err = b.media.Side(4); err != nil {
		return b, err
	}
	b.media.Start()
	if b.trunk, err = load.NewEndpoint(b.hub.SIP); err != nil {
		return b, err
	}
	if b.phones, err = load.NewEndpoint(b.hub.SIP); err != nil {
		return b, err
	}
	begun := time.Now()
	if err := b.ready(ctx); err != nil {
		return b, err
	}
	b.say("the hub answers after %.1f s", time.Since(begun).Seconds())
	for i := range reps {
		b.agents = append(b.agents, &load.Account{User: agentName(i), Password: agentPassword(i)})
	}
	for _, a := range b.agents {
		if err := b.phones.Register(ctx, a); err != nil {
			return b, err
		}
	}
	b.say("%d phones are registered", reps)
	return b, nil
}

// ready calls until the last thing that the set-up file brings about is there.
func (b *bench) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 90*time.Second, errors.New("the hub was not ready in 90 s"))
	defer cancel()
	for {
		d := b.call(lastNumber, nil)
		select {
		case <-d.Decided:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-b.hub.Exited:
			return fmt.Errorf("the hub ended: %w", b.hub.Err)
		}
		if d.Status == 200 {
			d.Hangup()
			return load.Pause(ctx, time.Second) // until its end is written
		}
		if err := load.Pause(ctx, 300*time.Millisecond); err != nil {
			return context.Cause(ctx)
		}
	}
}

func (b *bench) measure(ctx context.Context, rows []measurement) error {
	if err := b.rest(ctx); err != nil {
		return err
	}
	for _, m := range rows {
		b.say("%s: %s", m.name, m.what)
		if err := m.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// rest measures what the hub costs while nobody calls.
func (b *bench) rest(ctx context.Context) error {
	if err := load.Pause(ctx, 2*time.Second); err != nil {
		return err
	}
	u, err := b.over(ctx, 5*time.Second)
	if err != nil {
		return err
	}
	b.idle = hubproc.Usage{Hub: u.Hub / u.Took, Postgres: u.Postgres / u.Took}
	b.figure(figure{
		Row: "idle", Unit: "% of a core", Value: 100 * b.idle.Hub,
		Note: fmt.Sprintf("Postgres %.1f %%; hub %.0f MB resident", 100*b.idle.Postgres, u.RSS/1024),
	})
	return nil
}

// over measures for as long as d.
func (b *bench) over(ctx context.Context, d time.Duration) (hubproc.Spent, error) {
	before, err := b.hub.Usage()
	if err != nil {
		return hubproc.Spent{}, err
	}
	if err := load.Pause(ctx, d); err != nil {
		return hubproc.Spent{}, err
	}
	after, err := b.hub.Usage()
	return after.Since(before), err
}

// profiled has the hub profile itself for as long as d; wait is until that is
// written.
func (b *bench) profiled(ctx context.Context, d time.Duration) (wait func() error) {
	if b.profile == "" {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", b.hub.Ops, d.Seconds()), nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return fmt.Errorf("profile the hub: %w", err)
			}
			defer res.Body.Close()
			out, err := os.Create(b.profile)
			if err != nil {
				return err
			}
			_, err = io.Copy(out, res.Body)
			return errors.Join(err, out.Close())
		}()
	}()
	return func() error { return <-done }
}

// quietest measures a window, and if other programs took much of the machine
// meanwhile, up to two more; keep is told of each that was quieter than those
// before it.
func (b *bench) quietest(ctx context.Context, begin func(), keep func(hubproc.Spent)) error {
	const loud = 0.2 // of a core
	least := math.Inf(1)
	for try := 0; try < b.size.windows && least > loud; try++ {
		begin()
		s, err := b.over(ctx, b.size.window)
		if err != nil {
			return err
		}
		if noise := s.Others / s.Took; noise < least {
			least = noise
			keep(s)
		}
	}
	return nil
}

// call places a call from a number of its own.
func (b *bench) call(to string, up func(*load.Dialog)) *load.Dialog {
	b.serial++
	return b.trunk.Invite(nil, fmt.Sprintf("9%06d", b.serial), to, b.callers.Port(b.serial), up)
}

func (b *bench) figure(f figure) {
	b.figures = append(b.figures, f)
	b.say("  %s", f)
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// close ends what begin started. The hub's folder stays if it is to be kept.
func (b *bench) close(keep bool) error {
	if b.trunk != nil {
		b.trunk.Close()
	}
	if b.phones != nil {
		b.phones.Close()
	}
	if b.media != nil {
		b.media.Stop()
	}
	err := b.hub.Stop()
	if keep || err != nil {
		b.say("the hub's log: %s", b.hub.Log)
		return err
	}
	return os.RemoveAll(b.hub.Dir)
}

// settled waits until the calls were answered or refused, and counts the former.
func settled(ctx context.Context, calls []*load.Dialog) (up int, err error) {
	refused := map[int]int{}
	for _, d := range calls {
		select {
		case <-d.Decided:
		case <-ctx.Done():
			return up, context.Cause(ctx)
		}
		if d.Status == 200 {
			up++
		} else {
			refused[d.Status]++
		}
	}
	if len(refused) > 0 {
		err = fmt.Errorf("%d of %d calls were not answered; by status: %v", len(calls)-up, len(calls), refused)
	}
	return up, err
}

// part hangs calls up, two hundred a second, and waits until they are over.
func part(ctx context.Context, calls []*load.Dialog) error {
	if err := at(ctx, 200, len(calls), func(i int) { calls[i].Hangup() }); err != nil {
		return err
	}
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	for i, d := range calls {
		select {
		case <-d.Over:
		case <-late.C:
			return fmt.Errorf("%d calls did not end", len(calls)-i)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callyard/callyard/internal/media/g711"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/test/hubproc"
	"github.com/callyard/callyard/test/load"
)

// config is how much is done.
type config struct {
	binary   string
	duration time.Duration
	parked   int
	cps      float64
	// linger waits for the last SIP transaction too, which lives 32 s after its
	// answer over UDP (RFC 3261 §17.2.2, timer J).
	linger bool
	out    io.Writer // what goes on
}

// soak is a hub and those who call it.
type soak struct {
	cfg config
	hub *hubproc.Hub

	media   *load.Engine
	callers *load.Side
	desks   *load.Side
	trunk   *load.Endpoint
	phones  *load.Endpoint
	agents  []*load.Account

	free  chan int // reps who have no call, longest first
	lots  chan int // lots that are empty
	queue chan struct{}

	mu     sync.Mutex
	doing  map[string]func(*load.Dialog) // what a rep's phone does when it is rung
	tally  map[string]*count
	serial atomic.Int64
	up     atomic.Int64 // churned calls that are on now
	placed atomic.Int64 // INVITEs with which a new call began

	samples []sample
	idle    sample
	end     sample
	wrong   []string // beyond single calls
}

// count is what came of one kind of call.
type count struct {
	Kind   string   `json:"kind"`
	Done   int      `json:"done"`
	Failed int      `json:"failed"`
	Why    []string `json:"why,omitempty"` // of the first few
}

// begin starts the hub and registers the phones. What it returns is to be closed
// even if there is an error.
func begin(ctx context.Context, cfg config) (*soak, error) {
	s := &soak{
		cfg: cfg, doing: map[string]func(*load.Dialog){}, tally: map[string]*count{},
		free: make(chan int, reps), lots: make(chan int, lots), queue: make(chan struct{}, 1),
	}
	var err error
	if s.hub, err = hubproc.Start(hubproc.Config{Binary: cfg.binary, Name: "soak", Document: document(cfg.parked), Ops: true}); err != nil {
		return nil, err
	}
	if s.media, err = load.NewEngine(); err != nil {
		return s, err
	}
	if s.callers, err = s.media.Side(4); err != nil {
		return s, err
	}
	if s.desks, err = s.media.Side(4); err != nil {
		return s, err
	}
	s.media.Start()
	if s.trunk, err = load.NewEndpoint(s.hub.SIP); err != nil {
		return s, err
	}
	if s.phones, err = load.NewEndpoint(s.hub.SIP); err != nil {
		return s, err
	}
	rung := s.rung
	s.phones.Rung.Store(&rung)
	if err := s.ready(ctx); err != nil {
		return s, err
	}
	s.agents = accounts()
	for i, a := range s.agents {
		if err := s.phones.Register(ctx, a); err != nil {
			return s, err
		}
		s.free <- i
	}
	for _, a := range queueAccounts() {
		if err := s.phones.Register(ctx, a); err != nil {
			return s, err
		}
		s.do(a.User, func(d *load.Dialog) {
			d.Ring()
			time.AfterFunc(time.Duration(100+rand.IntN(300))*time.Millisecond, func() { d.Answer(s.desks.Port(rand.IntN(4))) })
		})
	}
	for i := range lots {
		s.lots <- i
	}
	s.queue <- struct{}{}
	return s, nil
}

// ready calls until the last thing that the set-up file brings about is there.
func (s *soak) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 90*time.Second, errors.New("the hub was not ready in 90 s"))
	defer cancel()
	for {
		d := s.call(lastNumber, nil)
		select {
		case <-d.Decided:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.hub.Exited:
			return fmt.Errorf("the hub ended: %w", s.hub.Err)
		}
		if d.Status == 200 {
			d.Hangup()
			return nil
		}
		if err := load.Pause(ctx, 300*time.Millisecond); err != nil {
			return context.Cause(ctx)
		}
	}
}

// run does it all: hold, churn, let go, and see that nothing is left.
func (s *soak) run(ctx context.Context) error {
	// What the first calls make the hub open and keep is no leak.
	if err := s.churn(ctx, 3*time.Second, func() {}); err != nil {
		return err
	}
	var err error
	if s.idle, err = s.settle(ctx); err != nil {
		return err
	}
	s.say("idle: %s", s.idle)
	held, err := s.hold(ctx)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan error, 1)
	go func() { watched <- s.watch(watching, held) }()
	err = s.churn(ctx, s.cfg.duration, stop)
	stop()
	if err = errors.Join(err, <-watched); err != nil {
		return err
	}
	for i, d := range held {
		select {
		case <-d.Over:
			s.fault("parked caller %d was hung up on", i+1)
		default:
		}
	}
	s.say("letting %d parked callers go", len(held))
	// With those whom a failure has left: only what is the hub's fault is to remain.
	for _, d := range append(s.trunk.Up(), s.phones.Up()...) {
		d.Hangup()
		if err := load.Pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	s.end, err = s.settle(ctx)
	s.say("afterwards: %s", s.end)
	return err
}

// hold parks those who stay, and hears that they have music.
func (s *soak) hold(ctx context.Context) ([]*load.Dialog, error) {
	var held []*load.Dialog
	for i := range s.cfg.parked {
		held = append(held, s.call(hallNumber(i/hallSize), nil))
		if err := load.Pause(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
	for _, d := range held {
		select {
		case <-d.Decided:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if d.Status != 200 {
			return nil, fmt.Errorf("a caller who was to be parked was answered %d", d.Status)
		}
		// Half of them are heard too: callers do not stop to breathe.
		if rand.IntN(2) == 0 {
			s.callers.Talker(d.RTP, d.Audio)
		}
	}
	if err := load.Pause(ctx, time.Second); err != nil {
		return nil, err
	}
	for i, d := range held {
		if i%10 != 0 {
			continue
		}
		if err := s.music(ctx, d); err != nil {
			return nil, fmt.Errorf("parked caller %d: %w", i+1, err)
		}
	}
	s.say("%d callers are parked", len(held))
	return held, nil
}

// music says what is wrong with what a parked caller hears.
func (s *soak) music(ctx context.Context, d *load.Dialog) error {
	const want = 1600
	for try := 0; ; try++ {
		s.callers.Listen(d.Audio.Port(), want)
		if err := load.Pause(ctx, 300*time.Millisecond); err != nil {
			return err
		}
		heard := s.callers.Sound(d.Audio.Port())
		if len(heard) == want && tone.Has(g711.FromUlaw(heard), 440) {
			return nil
		}
		if try == 10 {
			return fmt.Errorf("no music: %d samples came in 300 ms", len(heard))
		}
	}
}

// call places a call from a number of its own.
func (s *soak) call(to string, up func(*load.Dialog)) *load.Dialog {
	n := s.serial.Add(1)
	s.placed.Add(1)
	return s.trunk.Invite(nil, fmt.Sprintf("9%06d", n), to, s.callers.Port(int(n)), up)
}

// do sets what a rep's phone does from now on; nil: it is busy.
func (s *soak) do(rep string, f func(*load.Dialog)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doing[rep] = f
}

func (s *soak) rung(d *load.Dialog) {
	s.mu.Lock()
	f := s.doing[d.To]
	s.mu.Unlock()
	if f == nil {
		s.fault("%s was rung for no reason", d.To)
		d.Refuse(486, "Busy Here")
		return
	}
	f(d)
}

func (s *soak) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *soak) say(format string, args ...any) { fmt.Fprintf(s.cfg.out, format+"\n", args...) }

// close ends what begin started. The hub's folder stays if it is to be kept.
func (s *soak) close(keep bool) error {
	if s.trunk != nil {
		s.trunk.Close()
	}
	if s.phones != nil {
		s.phones.Close()
	}
	if s.media != nil {
		s.media.Stop()
	}
	err := s.hub.Stop()
	if keep || err != nil {
		s.say("the hub's log: %s", s.hub.Log)
		return err
	}
	return os.RemoveAll(s.hub.Dir)
}

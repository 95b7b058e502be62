package sipua

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
	"github.com/callyard/callyard/routing"
)

// A test call lasts no longer than its parts together, whatever the carrier does.
const (
	trialOptions = 5 * time.Second
	trialRing    = 15 * time.Second
	longestRing  = 30 * time.Second
	trialSpare   = 10 * time.Second // for DNS and gateways that are silent
	trialTone    = "tone440"
)

// trial is a test call under way.
type trial struct {
	srv   *Server
	trunk routing.Trunk
	begun time.Time

	mu  sync.Mutex // steps are told from the call's lane too
	out routing.Trial
}

// TryTrunk asks a trunk's gateways whether they are there, calls a number through
// it, plays a tone to who answers, counts what is heard, and hangs up. The call
// counts against the trunk's limits and is in no flow. One at a time for a trunk:
// routing.ErrTrial. The end of ctx, or of the server, ends the call.
func (s *Server) TryTrunk(ctx context.Context, name string, number call.Number, ring time.Duration) (routing.Trial, error) {
	i := slices.IndexFunc(s.cfg.Trunks(), func(t routing.Trunk) bool { return t.Name == name })
	if i < 0 {
		return routing.Trial{}, &UnreachableError{Who: "trunk " + name, Why: "there is no such trunk"}
	}
	if !s.carriers.tryAlone(name) {
		return routing.Trial{}, routing.ErrTrial
	}
	defer s.carriers.tried(name)
	t := s.cfg.Trunks()[i]
	ring = min(cmp.Or(ring, trialRing), longestRing)
	ctx, cancel := context.WithTimeout(ctx, trialOptions+ring+trialSpare+s.carriers.timers.Listen)
	defer cancel()
	x := &trial{srv: s, trunk: t, begun: s.cfg.Now(), out: routing.Trial{Trunk: name}}
	x.step(routing.TrialStep{What: "begun", Text: "calls over " + transportOf(t)})
	if x.ask(ctx) {
		x.call(ctx, number, ring)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return x.out, fmt.Errorf("test call through %s: %w", name, err)
	}
	return x.out, nil
}

// tryAlone says whether no other test call of the trunk is under way, and begins one.
func (c *carriers) tryAlone(trunk string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trials[trunk] {
		return false
	}
	c.trials[trunk] = true
	return true
}

func (c *carriers) tried(trunk string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.trials, trunk)
}

func (x *trial) step(st routing.TrialStep) {
	x.mu.Lock()
	defer x.mu.Unlock()
	st.AtMS = x.srv.cfg.Now().Sub(x.begun).Milliseconds()
	x.out.Steps = append(x.out.Steps, st)
	if st.Cure != "" {
		x.out.Cure = st.Cure
	}
}

// over is the last step: what the call came to.
func (x *trial) over(ok bool, st routing.TrialStep) {
	x.step(st)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.out.OK, x.out.Verdict = ok, st.Text
	if ok {
		x.out.Cure = ""
	}
}

// ask sends OPTIONS to every gateway, to all at once. Silence is told and no
// more: there are carriers who answer INVITEs alone. False: there is none to call.
func (x *trial) ask(ctx context.Context) bool {
	s, t := x.srv, x.trunk
	why := s.unheard(transportOf(t))
	switch {
	case len(t.Gateways()) == 0:
		x.over(false, routing.TrialStep{What: "failed", Text: "the trunk has no gateway: it is for inbound calls only", Cure: "give it a host, or hosts"})
		return false
	case why != "":
		x.over(false, routing.TrialStep{What: "failed", Text: why, Cure: "add a listener of that transport to sip.listen, or change the trunk's transport"})
		return false
	}
	dns, cancel := context.WithTimeout(ctx, s.carriers.timers.Resolve)
	defer cancel()
	ws, err := s.carriers.ways(dns, t, t.Gateways())
	if err != nil {
		x.over(false, routing.TrialStep{What: "failed", Text: "DNS: " + err.Error(), Cure: cure(0, err)})
		return false
	}
	x.step(routing.TrialStep{What: "resolved", Text: fmt.Sprintf("%d gateway(s) found", len(ws))})
	asked, cancel := context.WithTimeout(ctx, trialOptions)
	defer cancel()
	var wg sync.WaitGroup
	for _, w := range ws[:min(len(ws), mostAttempts)] {
		wg.Go(func() {
			res, took, err := s.carriers.question(t, w, until(asked, s.stopping)) //nolint:contextcheck // until ends it
			st := routing.TrialStep{What: "options", Gateway: w.Addr.String()}
			switch {
			case errors.Is(err, errStopped):
				return
			case err != nil:
				st.Text, st.Cure = "OPTIONS: "+err.Error(), cure(408, err)
			default:
				st.Status = res.StatusCode
				st.Text = fmt.Sprintf("OPTIONS answered %d %s after %d ms", res.StatusCode, plain(res.Reason), took.Milliseconds())
			}
			x.step(st)
		})
	}
	wg.Wait()
	return ctx.Err() == nil && !s.isStopping()
}

// until is closed when a context ends or the server stops; the context must end.
func until(ctx context.Context, stopping <-chan struct{}) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		select {
		case <-ctx.Done():
		case <-stopping:
		}
	}()
	return c
}

// call is the call itself.
func (x *trial) call(ctx context.Context, number call.Number, ring time.Duration) {
	s, t := x.srv, x.trunk
	inv := callctl.Invitation{Shown: callctl.Party{Number: t.CallerNumber, Name: "Callyard test", Agent: "callyard"}, Ring: ring}
	l, err := s.dialVia(callctl.Target{Number: number, Trunk: t.Name}, inv, x.attempted)
	if err != nil {
		x.over(false, routing.TrialStep{What: "failed", Text: err.Error(), Cure: "raise max_calls or calls_per_s, or try again when fewer calls are up"})
		return
	}
	x.step(routing.TrialStep{What: "dialled", Text: "the INVITE is on its way"})
	events := make(chan callctl.LegEvent, 64)
	l.Watch(func(ev callctl.LegEvent) bool { //nolint:contextcheck // transactions have their own time
		select {
		case events <- ev:
		default: // keys, of which there may be many
		}
		return true
	})
	// The call ends with ctx at the latest, and who is told of it is gone then.
	defer func() { //nolint:contextcheck // as above
		l.Hangup(call.Normal, "test call")
		x.ended(events)
	}()
	for {
		select {
		case <-ctx.Done():
			x.over(false, routing.TrialStep{What: "failed", Text: "given up", Cure: cure(408, nil)})
			return
		case <-s.stopping:
			x.over(false, routing.TrialStep{What: "failed", Text: "the hub stops"})
			return
		case ev := <-events:
			switch ev := ev.(type) {
			case callctl.LegRang:
				x.step(routing.TrialStep{What: "ringing", Gateway: x.at(l), Text: "it rings"})
			case callctl.LegAnswered:
				x.listen(ctx, l, events)
				return
			case callctl.LegEnded:
				x.failed(ev)
				return
			case callctl.LegDigit, callctl.LegHeld, callctl.LegReferred:
			}
		}
	}
}

// ended waits for the last event: the trunk's call is no longer counted then.
func (x *trial) ended(events <-chan callctl.LegEvent) {
	x.mu.Lock()
	told := len(x.out.Steps) > 0 && x.out.Steps[len(x.out.Steps)-1].What == "ended"
	x.mu.Unlock()
	for !told {
		select {
		case ev := <-events:
			_, told = ev.(callctl.LegEnded)
		case <-x.srv.quit:
			return
		}
	}
}

// attempted is told, in the call's lane, how a gateway did.
func (x *trial) attempted(a Attempt) {
	if a.Why == "" {
		return // the leg's own events say more
	}
	x.step(routing.TrialStep{What: "failed", Gateway: a.Gateway, Status: a.Status, Text: a.Why, Cure: cure(a.Status, a.Err)})
}

// failed: the call ended before anybody answered.
func (x *trial) failed(ev callctl.LegEnded) {
	st := routing.TrialStep{What: "ended", Status: ev.Status, Text: fmt.Sprintf("nobody answered: %s", ev.Cause)}
	if ev.Status > 0 {
		st.Text = fmt.Sprintf("the call failed with SIP status %d", ev.Status)
	}
	x.mu.Lock()
	known := x.out.Cure // of the gateway, which knows more
	x.mu.Unlock()
	if st.Cure = known; known == "" {
		st.Cure = cure(ev.Status, nil)
	}
	x.over(false, st)
}

// listen plays the tone to who answered and counts what comes back.
func (x *trial) listen(ctx context.Context, l *Leg, events <-chan callctl.LegEvent) {
	m := l.Media()
	if m == nil {
		x.over(false, routing.TrialStep{What: "failed", Text: "answered without audio", Cure: cure(488, nil)})
		return
	}
	before := m.Quality().Received
	m.Music(trialTone)
	x.step(routing.TrialStep{What: "answered", Gateway: x.at(l), Status: 200, Codec: l.Codec(), SRTP: l.protected(), Text: "answered; a tone is played"})
	timer := time.NewTimer(x.srv.carriers.timers.Listen)
	defer timer.Stop()
	gone := false
	for waiting := true; waiting; {
		select {
		case <-timer.C:
			waiting = false
		case <-ctx.Done():
			waiting = false
		case <-x.srv.stopping:
			waiting = false
		case ev := <-events:
			_, gone = ev.(callctl.LegEnded)
			waiting = !gone
		}
	}
	heard := m.Quality().Received - before
	st := routing.TrialStep{What: "audio", Codec: l.Codec(), SRTP: l.protected(), Packets: heard, Text: fmt.Sprintf("answered, and %d packets of audio came back", heard)}
	if heard == 0 {
		st.Text = "answered, but no audio came back"
		st.Cure = "the carrier's audio does not reach us: check rtp.advertise (or sip.advertise) and that the firewall lets UDP in on rtp.port_min to rtp.port_max; with srtp, that both sides want the same"
	}
	x.over(heard > 0, st)
	if gone {
		x.step(routing.TrialStep{What: "ended", Text: "the far end hung up"})
	}
}

// at is the gateway a leg has come to.
func (x *trial) at(l *Leg) string {
	d, _ := l.Dialog()
	return d.Flow.Remote
}

// protected is the suite of a leg's audio, "off" if it is in the clear.
func (l *Leg) protected() string {
	c := make(chan string, 1)
	l.do(func() {
		switch p := l.secure.agreed; {
		case p == nil:
			c <- "off"
		case p.Means == sdp.DTLS:
			c <- "DTLS-SRTP"
		default:
			c <- p.Send.Suite
		}
	})
	select {
	case suite := <-c:
		return suite
	case <-l.srv.quit:
		return ""
	}
}

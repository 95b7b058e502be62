package callctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// askGrace is how much longer than the job that ends an ask a caller who is still
// there waits for it.
const askGrace = 5 * time.Second

// askRep carries out a disposition node while the caller is there. They are let
// go if nothing needs them; else they hear music until the flow goes on.
func (c *Call) askRep(cmd routing.Disposition) {
	if c.lastRep == "" || c.hub.cfg.Dispositions == nil {
		c.resume(string(disposition.TimedOut), map[string]any{"disposition": map[string]any{"why": "no rep has talked to the caller"}})
		return
	}
	id := c.ask(cmd)
	if cmd.LetGo {
		c.flowOn = true
		c.over(call.Normal)
		return
	}
	gen := c.wait.gen
	c.ear().Music(c.music())
	c.wait.ask = id
	c.wait.timer = c.after(cmd.Timeout+askGrace, func() {
		if c.wait.gen == gen && !c.ended { // the database is away
			c.resume(string(disposition.TimedOut), map[string]any{"disposition": map[string]any{"code": cmd.Default}})
		}
	})
}

// ask writes down that the rep who talked last is asked, and until when.
func (c *Call) ask(cmd routing.Disposition) (id string) {
	if c.lastRep == "" || c.hub.cfg.Dispositions == nil {
		return ""
	}
	now := time.Now()
	run, err := json.Marshal(c.walk)
	if err != nil {
		c.log.Error("walk cannot be stored; nobody is asked what came of the call", "err", err)
		return ""
	}
	a := disposition.Ask{
		ID: call.NewID("ask", now), Call: c.id, Hub: c.hub.cfg.Node, Flow: c.walk.Flow, Version: c.walk.Version, Node: cmd.Node,
		Agent: c.lastRep, Since: c.lastTalk, At: now, Due: now.Add(cmd.Timeout), Default: cmd.Default, Run: run,
	}
	c.scribe.must("ask what came of the call", func(ctx context.Context) error { return c.hub.cfg.Dispositions.Ask(ctx, a) })
	return a.ID
}

// wrapUp is how long a rep has to themselves after a conversation: as long as
// their queue says, and until they have said what came of it if the flow insists.
func (c *Call) wrapUp(t *talk) time.Duration {
	if t.passed || t.wrapUp <= 0 || t.agent == "" || c.flow == nil || c.walk.Ended || c.wait.talked == "" || c.hub.cfg.Dispositions == nil {
		return t.wrapUp
	}
	if d, ok := routing.AsksAfter(c.flow, c.walk, c.wait.talked, time.Now()); ok && d.Required {
		return max(t.wrapUp, d.Timeout)
	}
	return t.wrapUp
}

// disposed: an ask of this call has its answer. False while the call is ending,
// and its walk not written yet.
func (c *Call) disposed(a disposition.Ask) bool {
	if c.ended {
		return false
	}
	c.scribe.must("flow goes on", func(ctx context.Context) error { return c.hub.cfg.Dispositions.GoneOn(ctx, a, nil) })
	if c.wait.ask == a.ID {
		c.resume(string(a.State), said(a))
	}
	return true
}

// said is the answer to an ask as flows read it.
func said(a disposition.Ask) map[string]any {
	v := map[string]any{}
	if s := a.Said; s != nil {
		v = map[string]any{"code": s.Code, "category": string(s.Category), "by": s.By.User}
	}
	return map[string]any{"disposition": v}
}

// errEnding: the call is being closed; its flow goes on once that is written.
var errEnding = errors.New("the call is still being closed")

// DispositionDue is the job at the end of the time in which a rep can say what
// came of a call.
func (h *Hub) DispositionDue(ctx context.Context, due disposition.Due) error {
	return h.cfg.Dispositions.Lapse(ctx, due.Ask, time.Now())
}

// DispositionSettled is the job that lets a flow go on from a disposition. Most
// often the call is over by then: what the flow has left to do needs nobody. A job
// that comes twice does nothing, unless the hub died in between: then somebody may
// be notified twice.
func (h *Hub) DispositionSettled(ctx context.Context, j disposition.Settled) error {
	a, err := h.cfg.Dispositions.Asked(ctx, j.Ask)
	var unknown *disposition.UnknownAskError
	if errors.As(err, &unknown) || err == nil && (a.On || a.State == disposition.Open) {
		return nil
	}
	if err != nil {
		return err
	}
	if c := h.call(a.Call); c != nil {
		told := make(chan bool, 1)
		if !c.mb.post(func() { told <- c.disposed(a) }) {
			return errEnding
		}
		select {
		case live := <-told:
			if live {
				return nil
			}
			return errEnding
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h.goOnWithout(ctx, a)
}

// goOnWithout lets the flow of a call that is over go on from its disposition.
func (h *Hub) goOnWithout(ctx context.Context, a disposition.Ask) error {
	var run routing.Run
	if err := json.Unmarshal(a.Run, &run); err != nil {
		return fmt.Errorf("go on with %s: %w", a.Call, err)
	}
	flow, err := h.cfg.Flow(ctx, run)
	if err != nil {
		return fmt.Errorf("go on with %s: %w", a.Call, err)
	}
	before := len(run.Path)
	var cmds []routing.Command
	if !run.Hungup && !routing.LetsGo(flow, a.Node) { // the hub died meanwhile, and the caller had gone
		if run, cmds, err = routing.Resume(flow, run, routing.Event{Node: a.Node, Outcome: routing.HangupOutcome, At: a.Said.At}); err != nil {
			return fmt.Errorf("go on with %s: %w", a.Call, err)
		}
	}
	run, more, err := routing.Resume(flow, run, routing.Event{Node: a.Node, Outcome: string(a.State), At: a.Said.At, Vars: said(a)})
	if err != nil {
		return fmt.Errorf("go on with %s: %w", a.Call, err)
	}
	cmds = append(cmds, more...)
	for len(cmds) > 0 {
		read, ok := cmds[len(cmds)-1].(routing.Read)
		if !ok {
			break
		}
		now := h.reading(ctx, read.Needed, "", a.Agent)
		run, more, err = routing.Resume(flow, run, routing.Event{Node: read.Node, Outcome: routing.ReadOutcome, At: a.Said.At, Vars: now})
		if err != nil {
			return fmt.Errorf("go on with %s: %w", a.Call, err)
		}
		cmds = append(cmds[:len(cmds)-1], more...)
	}
	for _, cmd := range cmds {
		if n, ok := cmd.(routing.Notify); ok && h.cfg.Notify != nil {
			if err := h.cfg.Notify(ctx, notification(a.Call, n)); err != nil {
				return fmt.Errorf("go on with %s: %w", a.Call, err)
			}
		}
	}
	doc, err := json.Marshal(run)
	if err != nil {
		return fmt.Errorf("go on with %s: %w", a.Call, err)
	}
	var facts []call.Event
	for _, d := range run.Path[min(before, len(run.Path)):] {
		facts = append(facts, decided(a.Call, run, d))
	}
	for _, cmd := range cmds {
		if n, ok := cmd.(routing.Notify); ok {
			facts = append(facts, notified(a.Call, n, a.Said.At))
		}
	}
	return h.cfg.Dispositions.GoneOn(ctx, a, doc, facts...)
}

package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// readWithin is how long a caller may be kept for what an expression wants to know
// of queues and reps. What is not known by then is missing.
const readWithin = 500 * time.Millisecond

// reading reads what a flow wants to know: own is the call's queue, rep the one it
// is about. Without the database it is empty.
func (h *Hub) reading(ctx context.Context, r routing.Needed, own, rep string) map[string]any {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	vars := map[string]any{"queue": map[string]any{}, "rep": map[string]any{}}
	agents, err := h.cfg.Lines.Agents(ctx)
	if err != nil {
		h.cfg.Log.Warn("expressions go on without queues and reps", "err", err)
		return vars
	}
	vars["queue"] = r.Read(own, func(name string) map[string]any {
		q, ok := h.cfg.Plan().Queues[name]
		if !ok {
			return nil
		}
		waiting, err := h.cfg.Lines.Waiting(ctx, name)
		if err != nil {
			h.cfg.Log.Warn("expressions go on without a queue", "queue", name, "err", err)
			return nil
		}
		return queues.LoadOf(q, waiting, agents, time.Now()).Words(name)
	})
	for i := range agents {
		if r.Rep && agents[i].Name == rep {
			vars["rep"] = agents[i].Words()
		}
	}
	return vars
}

// read carries out a flow's reading; its rep is who talked to the caller last.
func (c *Call) read(cmd routing.Read) {
	gen, own, rep := c.wait.gen, c.place.queue, c.lastRep
	var vars map[string]any
	c.fork(readWithin, func(ctx context.Context) { vars = c.afterFacts(ctx, cmd.Needed, own, rep) }, func() {
		if c.wait.gen == gen && !c.ended {
			c.resume(routing.ReadOutcome, vars)
		}
	})
}

// afterFacts is a reading that sees what this call has done itself, as long as that
// is written in time.
func (c *Call) afterFacts(ctx context.Context, need routing.Needed, own, rep string) map[string]any {
	select {
	case <-c.scribe.flushed():
	case <-ctx.Done():
	}
	return c.hub.reading(ctx, need, own, rep)
}

// knowingFor reads what a step's expressions want to know, then goes on: the queue
// is the one that the call waits in, or else the step's; the rep is the parker.
func (c *Call) knowingFor(s parking.Step, then func()) {
	need := routing.NeededBy(s.When).And(routing.NeededBy(s.Priority))
	st := c.stay
	if st.read = nil; need.Nothing() {
		then()
		return
	}
	own := orText(s.Queue, c.place.queue)
	if c.line != nil {
		own = c.line.queue
	}
	rep := st.park.Parker
	var vars map[string]any
	c.fork(readWithin, func(ctx context.Context) { vars = c.afterFacts(ctx, need, own, rep) }, func() {
		st.read = vars
		then()
	})
}

// decidedBy keeps what the condition of a step was decided by, for what is noted of it.
func (c *Call) decidedBy(n int, s parking.Step) {
	if c.stay == nil || c.stay.read == nil {
		return
	}
	if c.stay.decided == nil {
		c.stay.decided = map[int]map[string]any{}
	}
	c.stay.decided[n] = map[string]any{"when": s.When, "inputs": routing.InputsOf(s.When, c.scope())}
}

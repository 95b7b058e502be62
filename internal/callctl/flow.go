package callctl

import (
	"cmp"
	"context"
	"maps"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

// wait is the command whose outcome the flow waits for.
type wait struct {
	node string
	gen  int // grows with every wait: late timers and answers are told by it
	// talked is the outcome to report once a conversation is over and the caller
	// is still there.
	talked string
	gather *gather
	box    *mail
	ask    string // what came of the call is being asked
	timer  *time.Timer
}

func (c *Call) startFlow() {
	caller := routing.Caller{Call: c.id, From: c.from.Number, Name: c.from.Name, To: c.to, Trunk: c.trunk, At: c.began}
	run, cmds, err := routing.Start(c.flow, caller, c.began)
	c.note(call.Event{Type: call.FlowStarted, At: c.began, Flow: run.Flow, Version: run.Version, Data: begun(run, c.choice)})
	c.walked(run, cmds, err)
}

// begun is what is noted of how a flow began.
func begun(run routing.Run, choice map[string]any) map[string]any {
	data := map[string]any{}
	if choice != nil {
		data["alias"] = choice
	}
	if len(run.Subflows) > 0 {
		data["subflows"] = run.Subflows
	}
	if len(run.Calendars) > 0 {
		data["calendars"] = run.Calendars
	}
	if len(data) == 0 {
		return nil
	}
	return data
}

// resume tells the flow what came of the command it waits for.
func (c *Call) resume(outcome string, vars map[string]any) {
	if c.ended {
		return
	}
	c.clearWait()
	run, cmds, err := routing.Resume(c.flow, c.walk, routing.Event{Node: c.walk.At, Outcome: outcome, At: time.Now(), Vars: vars})
	c.walked(run, cmds, err)
}

func (c *Call) clearWait() {
	if c.wait.timer != nil {
		c.wait.timer.Stop()
	}
	c.wait = wait{gen: c.wait.gen + 1}
}

// walked notes the decisions of a walk and carries out its commands.
func (c *Call) walked(run routing.Run, cmds []routing.Command, err error) {
	for _, d := range run.Path[min(len(c.walk.Path), len(run.Path)):] {
		c.note(decided(c.id, run, d))
	}
	c.walk = run
	if err != nil {
		c.log.Error("flow failed", "flow", run.Flow, "version", run.Version, "node", run.At, "err", err)
		c.note(call.Event{Type: call.FlowFailed, Node: run.At, Data: map[string]any{"error": err.Error()}})
		c.over(call.Failed)
		return
	}
	c.wait.node = run.At
	for _, cmd := range cmds {
		c.carryOut(cmd)
	}
}

// decided is the fact that a flow went one way and not another.
func decided(id call.ID, run routing.Run, d routing.Decision) call.Event {
	data := map[string]any{"type": d.Type, "outcome": d.Outcome, "to": d.To, "reason": d.Reason}
	if d.Rule != "" {
		data["rule"] = d.Rule
	}
	if len(d.Inputs) > 0 {
		data["inputs"] = d.Inputs
	}
	if len(d.Rejected) > 0 {
		data["rejected"] = d.Rejected
	}
	if d.Flow != "" {
		data["subflow"], data["subflow_version"] = d.Flow, d.Version
	}
	return call.Event{Call: id, Type: call.FlowDecided, At: d.At, Flow: run.Flow, Version: run.Version, Node: d.Node, Data: data}
}

// carryOut does what the flow asks. Whatever needs the caller's ear picks the
// caller up first; a dial does not, so that the caller hears ringing.
func (c *Call) carryOut(cmd routing.Command) {
	gen := c.wait.gen
	up := func(f func()) {
		c.answer(Party{}, func() {
			if c.wait.gen == gen && !c.ended {
				f()
			}
		})
	}
	switch cmd := cmd.(type) {
	case routing.Answer:
		if cmd.Early {
			c.caller.Early()
			c.resume("answered", nil)
			return
		}
		up(func() {
			c.note(call.Event{Type: call.AnsweredBy, At: c.answered, Node: cmd.Node, Actor: call.Actor{Via: "flow"}})
			c.resume("answered", nil)
		})
	case routing.Play:
		up(func() { c.play(cmd) })
	case routing.Gather:
		up(func() { c.gather(cmd) })
	case routing.Lookup:
		c.lookup(cmd)
	case routing.HTTP:
		c.request(cmd)
	case routing.Read:
		c.read(cmd)
	case routing.Dial:
		c.dial(cmd)
	case routing.Queue:
		up(func() { c.queue(cmd) })
	case routing.Park:
		up(func() { c.parkByFlow(cmd) })
	case routing.Callback:
		c.callBack(cmd)
	case routing.Voicemail:
		up(func() { c.takeMessage(cmd) })
	case routing.Record:
		c.recordByFlow(cmd, up)
	case routing.Notify:
		c.notify(cmd)
	case routing.Disposition:
		c.askRep(cmd)
	case routing.Hangup:
		cause := causeOf(cmd)
		if c.answered.IsZero() && cause == call.Normal {
			cause = call.Unavailable
		}
		c.over(cause)
	}
}

func causeOf(h routing.Hangup) call.Cause {
	switch h.Cause {
	case "busy":
		return call.Busy
	case "rejected":
		return call.Rejected
	case "unavailable", "no_answer":
		return call.Unavailable
	case "not_found":
		return call.NotFound
	case "forbidden":
		return call.Forbidden
	case "failed":
		return call.Failed
	}
	switch h.SIPCode {
	case 486, 600:
		return call.Busy
	case 603:
		return call.Rejected
	case 404:
		return call.NotFound
	case 403:
		return call.Forbidden
	case 480:
		return call.Unavailable
	}
	return call.Normal
}

// lookup asks the CRM beside the call; the flow goes on when it answers or its
// time is up.
func (c *Call) lookup(cmd routing.Lookup) {
	gen := c.wait.gen
	var (
		found crm.Result
		err   error
	)
	within := cmd.Deadline
	if within <= 0 {
		within = 800 * time.Millisecond
	}
	who := crm.Caller{Number: c.from.Number, Within: within, Fresh: cmp.Or(cmd.Cache, crm.Afresh)}
	c.fork(within+200*time.Millisecond, func(ctx context.Context) {
		found, err = c.hub.cfg.Directory.Find(ctx, who)
	}, func() {
		if c.wait.gen != gen || c.ended {
			return
		}
		outcome := string(found.Outcome)
		data := map[string]any{"outcome": outcome}
		if err != nil {
			outcome = "error"
			data["outcome"], data["error"] = "error", err.Error()
		}
		vars := map[string]any{}
		if outcome == string(crm.One) || outcome == string(crm.Many) {
			best := found.Pick(cmd.OnMany == "first")
			c.record = &best
			vars["crm"] = recordVars(c.record)
			data["ref"] = best.Ref
			if c.from.Name == "" {
				c.from.Name = best.Name
			}
		}
		c.note(call.Event{Type: call.CRMLookedUp, Node: cmd.Node, Data: data})
		c.resume(outcome, vars)
	})
}

// recordVars is a CRM record as expressions see it: the fields of the record
// beside what every record has.
func recordVars(r *crm.Record) map[string]any {
	v := map[string]any{}
	maps.Copy(v, r.Fields)
	for k, s := range map[string]string{"id": r.Ref.ID, "kind": r.Kind, "name": r.Name, "company": r.Company, "owner": r.Owner} {
		if s != "" {
			v[k] = s
		}
	}
	return v
}

func (c *Call) notify(cmd routing.Notify) {
	n := notification(c.id, cmd)
	if send := c.hub.cfg.Notify; send != nil {
		c.scribe.must("notify", func(ctx context.Context) error { return send(ctx, n) })
	}
	c.note(notified(c.id, cmd, time.Now()))
}

func notification(id call.ID, cmd routing.Notify) Notification {
	return Notification{Call: id, Channel: cmd.Channel, Template: cmd.Template, To: cmd.To, Vars: cmd.Vars}
}

func notified(id call.ID, cmd routing.Notify, at time.Time) call.Event {
	return call.Event{Call: id, Type: call.Notified, At: at, Node: cmd.Node, Data: map[string]any{"channel": cmd.Channel, "template": cmd.Template, "to": cmd.To}}
}

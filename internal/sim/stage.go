package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// stage is one call being imagined: what internal/callctl is to a live one. It
// carries out the flow's commands on stores in memory.
type stage struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call is imagined; the stores in memory want one
	world World
	flow  *routing.Flow
	cast  cast
	clock clock
	began time.Time
	from  call.Number
	name  string

	parks *parking.Memory
	lines *queues.Memory
	serve *queues.Service
	known map[string]bool // agents, queues and lots that the stores have
	wakes []wake          // jobs that the queues asked for meanwhile

	run    routing.Run
	wait   wait
	record map[string]any // of the CRM, as last read
	up     bool           // the caller has been answered
	talk   *talk
	talked string // who talked last
	gone   bool   // the caller
	stay   *stay
	line   *line
	stood  string // the queue that it waits in, or waited in last
	rounds []*round

	outcome   string
	endedBy   string
	undecided string
	fault     error
	moments   []Moment
	heard     []Heard
	notes     []string
	events    int
}

// wait is the command whose outcome the flow waits for.
type wait struct {
	gen    int    // grows with every wait: late timers are told by it
	talked string // the outcome to report once a conversation is over
	timer  *timer
	gather *gather
	exits  map[string]string
	forces bool // whatever is said to happen fits
	asked  bool // what came of the call; it outlives the caller
}

// talk is a conversation with the caller.
type talk struct {
	agent  string
	wrapUp time.Duration
}

func newStage(ctx context.Context, w World, f *routing.Flow, c cast, at time.Time) *stage {
	s := &stage{
		ctx: ctx, world: w, flow: f, cast: c, clock: clock{now: at}, began: at,
		parks: parking.NewMemory(), lines: queues.NewMemory(), known: map[string]bool{},
	}
	s.lines.Enqueue = s.asked
	s.serve = queues.NewService(s.lines)
	return s
}

// play lets happen what is due until the flow is over.
func (c *stage) play() {
	for !c.over() {
		do := c.clock.next()
		if do == nil {
			c.stop("nothing more happens")
			return
		}
		if c.events++; c.events > maxMoments || c.clock.now.Sub(c.began) > maxLength {
			c.stop("the call does not end")
			return
		}
		if c.events%100 == 0 && c.ctx.Err() != nil {
			c.stop("given up")
			return
		}
		do()
	}
}

func (c *stage) over() bool { return c.run.Ended || c.undecided != "" || c.fault != nil }

// stop ends a call that cannot be imagined any further.
func (c *stage) stop(why string) {
	if c.undecided == "" {
		c.undecided = why
		c.tell("undecided", "", "%s", why)
	}
}

func (c *stage) fail(err error) {
	if c.fault == nil && err != nil {
		c.fault = err
	}
}

// assume says what was taken for granted.
func (c *stage) assume(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(c.notes, n) {
		c.notes = append(c.notes, n)
	}
}

// resume tells the flow what came of the command it waits for.
func (c *stage) resume(outcome string, vars map[string]any) {
	if c.over() {
		return
	}
	node := c.run.At
	c.counted(node, outcome)
	run, cmds, err := routing.Resume(c.flow, c.run, routing.Event{Node: node, Outcome: outcome, At: c.clock.now, Vars: vars})
	if err != nil {
		c.fail(err)
		return
	}
	c.walked(run, cmds)
}

// counted keeps the outcome of nodes that wait for somebody; looking up and
// playing do not count.
func (c *stage) counted(node, outcome string) {
	c.outcome = outcomeOf(c.flow.Type(node), outcome, c.outcome)
}

func outcomeOf(typ, outcome, before string) string {
	if typ == "disposition" { // the conversation is over by then
		return before
	}
	if outcome == routing.HangupOutcome {
		return outcome
	}
	switch typ {
	case "dial", "queue", "park", "voicemail", "menu", "collect", "transfer":
		return outcome
	}
	return before
}

func (c *stage) clearWait() {
	c.wait.timer.stop()
	if g := c.wait.gather; g != nil {
		g.timer.stop()
	}
	c.wait = wait{gen: c.wait.gen + 1}
}

// walked tells of the decisions of a walk and carries out its commands.
func (c *stage) walked(run routing.Run, cmds []routing.Command) {
	c.clearWait()
	c.told(run)
	for i, cmd := range cmds {
		if i == len(cmds)-1 && run.At != "" {
			c.carryOut(cmd)
		} else {
			c.aside(cmd)
		}
	}
}

// told tells of the decisions of a walk.
func (c *stage) told(run routing.Run) {
	for _, d := range run.Path[min(len(c.run.Path), len(run.Path)):] {
		c.decided(d)
	}
	c.run = run
}

func (c *stage) decided(d routing.Decision) {
	text := d.Outcome
	if d.Reason != "" {
		text += ": " + d.Reason
	}
	if d.To != "" {
		text += " → " + d.To
	}
	c.moments = append(c.moments, Moment{AtMS: c.ms(), Node: d.Node, What: "decided", Text: text})
}

// aside does what the flow does not wait for.
func (c *stage) aside(cmd routing.Command) {
	switch cmd := cmd.(type) {
	case routing.Notify:
		c.tell("notified", cmd.To, "%s is sent by %s", cmd.Template, cmd.Channel)
	case routing.Hangup:
		c.tell("hung_up", "", "the flow ends the call: %s", cmd.Cause)
		c.hungUpOn()
	default:
		c.tell("asked", "", "%s", commandName(cmd))
	}
}

// hungUpOn: the flow ends the call.
func (c *stage) hungUpOn() {
	c.gone, c.endedBy = true, ByFlow
	c.hear("", "")
}

// carryOut does what the flow waits for.
func (c *stage) carryOut(cmd routing.Command) {
	node := c.run.At
	typ := c.flow.Type(node)
	if read, ok := cmd.(routing.Read); ok {
		c.read(read)
		return
	}
	if f, ok, unknown := c.cast.foretold(node, typ, cmd); unknown != "" {
		c.stop(unknown)
		return
	} else if ok {
		if f.Assumed {
			c.assume("%s comes to %s: nothing is said about it", node, f.Outcome)
		}
		c.tell("foretold", "", "%s comes to %s", node, f.Outcome)
		c.await(milliseconds(f.AfterMS), f.Outcome, f.Vars)
		return
	}
	switch cmd := cmd.(type) {
	case routing.Answer:
		if !cmd.Early {
			c.answer()
		}
		c.resume("answered", nil)
	case routing.Play:
		c.answer()
		c.prompt(cmd)
	case routing.Gather:
		c.answer()
		c.ask(cmd)
	case routing.Lookup:
		c.lookup(cmd)
	case routing.Dial:
		c.dial(cmd)
	case routing.Queue:
		c.answer()
		c.queue(cmd)
	case routing.Park:
		c.answer()
		c.parkByFlow(cmd)
	case routing.Voicemail:
		c.answer()
		c.takeMessage(cmd)
	case routing.Record:
		if cmd.Announce {
			c.answer()
			c.says(cmd.Prompt, cmd.Say, "recording-announcement")
		}
		c.tell("recording", "", "recording: %s", cmd.Do)
		c.await(c.world.says(cmd.Prompt, cmd.Say), "done", nil)
	case routing.Disposition:
		c.askRep(cmd)
	default:
		c.stop(fmt.Sprintf("nothing is known of what %s (%s) comes to: say so under nodes", node, typ))
	}
}

// await resumes in a while, at once if that is no time at all.
func (c *stage) await(d time.Duration, outcome string, vars map[string]any) {
	if d <= 0 {
		c.resume(outcome, vars)
		return
	}
	c.wait.forces = true
	c.wait.timer = c.clock.after(d, func() { c.resume(outcome, vars) })
}

// still is f, unless the flow has gone on meanwhile.
func (c *stage) still(f func()) func() {
	gen := c.wait.gen
	return func() {
		if c.wait.gen == gen && !c.over() {
			f()
		}
	}
}

func (c *stage) answer() {
	if !c.up {
		c.up = true
		c.tell("answered", "", "the caller is answered")
	}
}

// hangUp is the caller's.
func (c *stage) hangUp() {
	if c.over() || c.gone {
		return
	}
	c.gone, c.endedBy = true, ByCaller
	with := ""
	if c.talk != nil {
		with = ", in conversation with " + c.talk.agent
	}
	c.tell("hung_up", "", "the caller hangs up%s", with)
	c.hear("", "")
	ends := ""
	if c.talk != nil {
		ends = c.wait.talked
	}
	c.leaveAll("abandoned", parking.Abandoned)
	node := c.run.At
	if c.talk != nil {
		c.counted(node, ends)
		c.freed()
	} else {
		c.counted(node, routing.HangupOutcome)
	}
	run, cmds, err := routing.Resume(c.flow, c.run, routing.Event{Node: node, Outcome: routing.HangupOutcome, At: c.clock.now, Talked: ends})
	if err != nil {
		c.fail(err)
		return
	}
	if c.wait.asked { // the rep goes on being asked
		c.told(run)
		for _, cmd := range cmds {
			c.aside(cmd)
		}
		return
	}
	c.walked(run, cmds)
}

func (c *stage) lookup(cmd routing.Lookup) {
	e, takes, unknown := c.cast.lookup(cmd)
	if unknown != "" {
		c.stop(unknown)
		return
	}
	if crm, ok := e.Vars["crm"].(map[string]any); ok {
		c.record = crm
	}
	c.tell("looked_up", "", "the CRM is asked and says %s after %d ms", e.Outcome, takes.Milliseconds())
	c.await(takes, e.Outcome, e.Vars)
}

// who expands targets to agents and numbers, as a live call does.
func (c *stage) who(targets ...string) (agents, numbers []string) {
	seen := map[string]bool{}
	add := func(names ...string) {
		for _, n := range names {
			if a, ok := c.world.agent(n); ok && !seen[a.Name] {
				seen[a.Name] = true
				agents = append(agents, a.Name)
			}
		}
	}
	for _, t := range targets {
		kind, name, named := strings.Cut(t, ":")
		switch {
		case t == "owner":
			add(c.owner())
		case t == "parker", t == "manager": // a flow has parked the call; managers are told, not rung
		case named && kind == "agent":
			add(name)
		case named && kind == "team":
			add(c.world.team(name)...)
		case named && kind == "skill":
			add(c.world.skill(name)...)
		case t == "sticky":
			c.tell("nobody", "sticky", "nobody is taken to have talked with this caller before")
		case named && kind == "number":
			numbers = append(numbers, t)
		default:
			add(t)
		}
	}
	return agents, numbers
}

func (c *stage) owner() string {
	s, _ := c.record["owner"].(string)
	return s
}

func commandName(cmd routing.Command) string {
	return strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", cmd), "routing."))
}

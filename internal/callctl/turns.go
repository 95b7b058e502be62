package callctl

import (
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// turns is people who are rung one after another: in the order they are named,
// each as long as any ("ordered"), or whoever has been idle longest, and when
// they do not want the call the next, until the time is up ("longest_idle").
type turns struct {
	via      string
	step     *int // of the ladder
	strategy string
	ring     time.Duration
	until    time.Time // longest_idle
	whoever  bool
	inv      Invitation
	whisper  *whisper
	nobody   []passedOver

	order   []turn        // ordered: who is left
	agents  []string      // longest_idle: who is left
	numbers []call.Number // longest_idle: rung with the first
	asked   []passedOver
	begun   bool
	worst   call.Cause
	stopped bool // nobody is to be rung any more
	over    func(why call.Cause)
}

// turn is one of them.
type turn struct {
	agent  string
	number call.Number
}

// ringAll rings whom the targets name by the strategy; over is called once,
// when nobody has answered, or has the call already. It says no, and does
// nothing, if there is nobody to ring.
func (c *Call) ringAll(t *turns, targets []string) bool {
	agents, numbers, nobody := c.who(targets...)
	t.nobody = nobody
	if len(agents)+len(numbers) == 0 {
		c.chosen(&round{via: t.via, from: &choosing{strategy: t.strategy, step: t.step, nobody: nobody}}, nil, nil, nil)
		return false
	}
	switch t.strategy {
	case "ordered":
		seen := map[turn]bool{}
		for _, one := range targets {
			as, ns, _ := c.who(one)
			for _, a := range as {
				t.order = append(t.order, turn{agent: a})
			}
			for _, n := range ns {
				t.order = append(t.order, turn{number: n})
			}
		}
		t.order = slices.DeleteFunc(t.order, func(x turn) bool { was := seen[x]; seen[x] = true; return was })
	case "longest_idle":
		t.agents, t.numbers, t.until = agents, numbers, time.Now().Add(t.ring)
	default:
		r := t.round(c)
		r.numbers = numbers
		c.ringOrReserve(r, agents, t.ring, t)
		return true
	}
	c.nextTurn(t)
	return true
}

// round is that of the next turn.
func (t *turns) round(c *Call) *round {
	r := &round{via: t.via, whisper: t.whisper, turns: t, from: &choosing{strategy: t.strategy, step: t.step, nobody: t.nobody}}
	if t.strategy == "longest_idle" {
		r.asked = t.asked
	}
	if t.step != nil {
		r.step = *t.step
	}
	t.nobody = nil
	r.over = func(why call.Cause) { c.turnOver(t, r, why) }
	return r
}

func (c *Call) nextTurn(t *turns) {
	r := t.round(c)
	if t.strategy == "ordered" {
		x := t.order[0]
		t.order = t.order[1:]
		if x.number != "" {
			r.numbers = []call.Number{x.number}
			c.ringOrReserve(r, nil, t.ring, t)
		} else {
			c.ringOrReserve(r, []string{x.agent}, t.ring, t)
		}
		return
	}
	r.one, r.numbers = true, t.numbers
	t.numbers = nil
	c.ringOrReserve(r, t.agents, time.Until(t.until), t)
}

func (c *Call) ringOrReserve(r *round, agents []string, ring time.Duration, t *turns) {
	if len(agents) == 0 {
		c.chosen(r, nil, r.numbers, r.asked)
		c.ring(r, nil, r.numbers, ring, t.inv)
		return
	}
	c.reserve(r, agents, ring, t.whoever, t.inv)
}

// turnOver goes on to the next, if there is one and somebody is still wanted.
func (c *Call) turnOver(t *turns, r *round, why call.Cause) {
	for _, a := range r.picked {
		t.asked = append(t.asked, passedOver{a, "was asked already"})
	}
	t.agents = slices.DeleteFunc(t.agents, func(a string) bool { return slices.Contains(r.picked, a) })
	switch nobodyFree := len(r.picked) == 0 && len(r.numbers) == 0; {
	case !t.begun:
		t.worst = why
	case !nobodyFree: // that nobody else is free says nothing about those who were
		t.worst = worse(t.worst, why)
	}
	t.begun = true
	more := len(t.order) > 0
	if t.strategy == "longest_idle" {
		more = len(r.picked)+len(r.numbers) > 0 && len(t.agents) > 0 && time.Until(t.until) >= time.Second
	}
	if t.stopped || !more || c.ended || c.talk != nil {
		t.over(t.worst)
		return
	}
	c.nextTurn(t)
}

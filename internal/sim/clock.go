package sim

import (
	"container/heap"
	"time"
)

// clock is virtual time: it jumps from one thing that is due to the next.
type clock struct {
	now time.Time
	seq int
	due agenda
}

// timer is something that is due.
type timer struct {
	at   time.Time
	late bool // after what was written down for the same moment
	seq  int
	do   func() // nil once stopped
}

func (t *timer) stop() {
	if t != nil {
		t.do = nil
	}
}

// after has something done in a while.
func (c *clock) after(d time.Duration, do func()) *timer { return c.at(c.now.Add(d), true, do) }

// at has something done at a time, not before now.
func (c *clock) at(at time.Time, late bool, do func()) *timer {
	if at.Before(c.now) {
		at = c.now
	}
	c.seq++
	t := &timer{at: at, late: late, seq: c.seq, do: do}
	heap.Push(&c.due, t)
	return t
}

// next moves the clock to what is due next and returns it; nil when nothing is.
func (c *clock) next() func() {
	for len(c.due) > 0 {
		t, _ := heap.Pop(&c.due).(*timer)
		if t.do != nil {
			c.now = t.at
			return t.do
		}
	}
	return nil
}

// agenda is a heap by time; at the same time what was written down comes first,
// then what was asked for first.
type agenda []*timer

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	x, y := a[i], a[j]
	switch {
	case !x.at.Equal(y.at):
		return x.at.Before(y.at)
	case x.late != y.late:
		return y.late
	}
	return x.seq < y.seq
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any) {
	t, _ := x.(*timer)
	*a = append(*a, t)
}

func (a *agenda) Pop() any {
	last := len(*a) - 1
	t := (*a)[last]
	*a = (*a)[:last]
	return t
}

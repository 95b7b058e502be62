package callctl

import (
	"context"
	"time"

	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// place is where a call stands, or stood, in line.
type place struct {
	queue    string
	since    time.Time
	priority int
	reach    []queues.Reach
}

// callBack carries out a callback node: the caller is promised a call.
func (c *Call) callBack(cmd routing.Callback) {
	gen := c.wait.gen
	if c.whenSought(func() {
		if c.wait.gen == gen && !c.ended {
			c.callBack(cmd)
		}
	}) {
		return // or what is promised now would be taken for what was owed before
	}
	declined := func(why string) { c.resume("declined", map[string]any{"why": why}) }
	queue, owner := orText(cmd.Queue, c.place.queue), orText(c.owner(), c.parker)
	plan := c.hub.cfg.Plan()
	_, known := plan.Agents[owner]
	if !known {
		owner = ""
	}
	switch {
	case c.hub.cfg.Callbacks == nil:
		declined("nobody calls back here")
		return
	case c.from.Agent != "":
		declined("the caller is one of ours")
		return
	case c.from.Number == "":
		declined("the caller's number is withheld")
		return
	case len(routing.Outward(plan.Trunks, c.from.Number)) == 0:
		declined("no trunk leads to the caller's number")
		return
	case queue == "" && owner == "":
		declined("nobody would call back: there is neither a queue nor an owner")
		return
	}
	now := time.Now()
	due, ok := routing.MayCallBack(c.flow, cmd.Node, now.Add(callback.Soon))
	if !ok {
		declined("the calendar does not open within two weeks")
		return
	}
	cb := callback.Callback{
		ID: call.NewID("cbk", now), Call: c.id, Number: c.from.Number, Name: c.from.Name, To: c.to, Queue: queue, Owner: owner,
		First: cmd.DialFirst, Tries: cmd.Tries, Retry: cmd.Retry, Until: due.Add(orElse(cmd.Lasts, callback.Lasts)),
		Flow: c.walk.Flow, Version: c.walk.Version, Subflows: c.walk.Subflows, Node: cmd.Node, MadeAt: now, Due: due,
		Priority: routing.DefaultPriority,
	}
	if p := c.place; p.queue == queue && p.queue != "" {
		cb.Priority = p.priority
	}
	if cmd.KeepPlace {
		if cb.JoinedAt = c.place.since; cb.JoinedAt.IsZero() {
			cb.JoinedAt = now
		}
	}
	c.try(func(ctx context.Context) (err error) {
		cb, err = c.hub.cfg.Callbacks.Schedule(ctx, cb)
		return err
	}, func(err error) {
		switch {
		case c.ended || c.wait.gen != gen: // promised all the same
		case err != nil:
			c.log.Error("callback not scheduled", "err", err)
			declined("the promise could not be written down")
		default:
			c.resume("scheduled", map[string]any{"due_at": cb.Due.UTC().Format(time.RFC3339)})
		}
	})
}

// seek looks whether the caller is owed a call: now that they call themselves,
// they are not, and if their place was kept it is theirs.
func (c *Call) seek() {
	if c.trunk == "" || c.from.Number == "" || c.hub.cfg.Callbacks == nil {
		return
	}
	var owed callback.Callback
	var was bool
	number, now := c.from.Number, time.Now()
	c.seeking = true
	c.fork(oneTry, func(ctx context.Context) {
		var err error
		if owed, was, err = c.hub.cfg.Callbacks.Supersede(ctx, number, c.id, now); err != nil {
			c.log.Warn("not known whether the caller is owed a call", "err", err)
		}
	}, func() {
		if was && !owed.JoinedAt.IsZero() {
			c.kept = place{queue: owed.Queue, since: owed.JoinedAt, priority: owed.Priority}
		}
		c.seeking = false
		then := c.sought
		c.sought = nil
		for _, f := range then {
			f()
		}
	})
}

// whenSought puts f off until it is known whether the caller has a place already.
func (c *Call) whenSought(f func()) bool {
	if c.seeking {
		c.sought = append(c.sought, f)
	}
	return c.seeking
}

// joins is when the caller has joined a queue: now, or when they first did if
// their place was kept.
func (c *Call) joins(queue string) time.Time {
	if k := c.kept; k.queue == queue && !k.since.IsZero() {
		return k.since
	}
	return time.Now()
}

// offerCallback tells a caller who waits in line that a key gets them called back.
func (c *Call) offerCallback(o routing.CallbackOffer) {
	l := c.line
	if l == nil || c.talk != nil || c.ended {
		return
	}
	if o.Prompt == "" && o.Say != "" {
		c.spoken(o.Say, o.Lang, func(prompt string) {
			if o.Prompt, o.Say = prompt, ""; c.line == l {
				c.offerCallback(o)
			}
		})
		return
	}
	l.exit[o.Key] = routing.CallbackRequested
	if o.Prompt == "" {
		return // nothing speaks here
	}
	music := c.hub.cfg.Plan().Queues[l.queue].Music
	c.ear().Play(clips(o.Prompt), func(whole bool) {
		c.mb.post(func() {
			if whole && c.line == l && c.talk == nil && c.taking == nil && !c.ended {
				c.ear().Music(music)
			}
		})
	})
}

// backKey is the key by which a parked caller asks to be called back, once they
// have been told.
const backKey = '1'

// wantsBack ends the stay of a caller who would rather be called back.
func (c *Call) wantsBack() {
	if c.stay != nil && c.stay.moving && c.whenPut(c.wantsBack) {
		return
	}
	if c.stay == nil || !c.stay.put || c.stay.leaving || c.busy() {
		return
	}
	if c.line == nil && c.place.since.IsZero() {
		c.place.since = c.stay.park.ParkedAt
	}
	c.parker = c.stay.park.Parker
	c.leaveSlot("callback", routing.CallbackRequested, "callback:"+c.stay.lot.Name, call.Actor{Via: "caller"}, c.wantsBack)
}

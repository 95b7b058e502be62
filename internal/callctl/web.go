package callctl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callyard/callyard/routing"
)

// request asks another system beside the call. The flow goes on when it has
// answered, or when the node's time is up, whatever the other side does.
func (c *Call) request(cmd routing.HTTP) {
	gen, began := c.wait.gen, time.Now()
	come := func(outcome string, said map[string]any) {
		if c.wait.gen != gen || c.ended {
			return
		}
		said["took_ms"] = time.Since(began).Milliseconds()
		c.resume(outcome, map[string]any{"http": said})
	}
	late := map[string]any{"why": fmt.Sprintf("no answer within %d ms", cmd.Deadline.Milliseconds())}
	switch {
	case cmd.URL == "":
		come("error", map[string]any{"why": "no address can be made of what is known"})
		return
	case c.hub.cfg.Ask == nil:
		come("error", map[string]any{"why": "this node asks nobody"})
		return
	}
	id := fmt.Sprintf("%s-%s-%d", c.id, cmd.Node, c.walk.Visits)
	c.wait.timer = c.after(cmd.Deadline, func() { come("timeout", late) })
	var (
		status int
		answer []byte
		err    = errPanic
	)
	c.fork(cmd.Deadline, func(ctx context.Context) { status, answer, err = c.hub.cfg.Ask(ctx, id, cmd) }, func() {
		outcome, said := "ok", map[string]any{"why": fmt.Sprintf("status %d", status)}
		if status != 0 {
			said["status"] = status
		}
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			outcome, said["why"] = "timeout", late["why"]
		case err != nil:
			outcome, said["why"] = "error", err.Error()
		case status/100 != 2:
			outcome = "error"
		case cmd.Wanted:
			if said["answer"], err = routing.ReadAnswer(answer); err != nil {
				outcome, said["why"] = "error", err.Error()
			}
		}
		come(outcome, said)
	})
}

package callctl

import (
	"context"
	"fmt"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
)

// StepDue is the escalation job: it begins the step, once, and lets the call
// carry it out. Late or doubled jobs do nothing.
func (h *Hub) StepDue(ctx context.Context, due parking.StepDue) error {
	park, n, ok, err := h.cfg.Parking.Advance(ctx, due.Park, due.Step, time.Now())
	if err != nil || !ok {
		return err
	}
	if c := h.call(park.Call); c == nil || !c.mb.post(func() { c.step(park, n) }) {
		return h.cfg.Parking.StepResult(ctx, park.ID, n, "call_not_here", nil, time.Now())
	}
	return nil
}

// RingOffer is the job that rings the agents of a queue's offer.
func (h *Hub) RingOffer(ctx context.Context, r queues.Ring) error {
	offer, err := h.cfg.Lines.Offer(ctx, r.Offer)
	if err != nil {
		if late(err) {
			return nil
		}
		return fmt.Errorf("ring offer %s: %w", r.Offer, err)
	}
	if c := h.call(offer.Call); c != nil && c.mb.post(func() { c.offered(offer) }) {
		return nil
	}
	for _, a := range offer.Agents {
		if err := h.cfg.Lines.Miss(ctx, offer.ID, a, "withdrawn", time.Now()); err != nil && !late(err) {
			return err
		}
	}
	return nil
}

// Reconcile ends parks of this node whose call is not live any more. It is
// called every few seconds; ordinarily it finds nothing.
func (h *Hub) Reconcile(ctx context.Context) (ended int, err error) {
	parks, err := h.cfg.Parking.Live(ctx, parking.Filter{Node: h.cfg.Node})
	if err != nil {
		return 0, err
	}
	for _, p := range parks {
		if h.call(p.Call) != nil {
			continue
		}
		_, err := h.cfg.Parking.End(ctx, p.ID, 0, parking.AbandonedOutage, call.Actor{Via: "checker"}, time.Now())
		if err != nil && !late(err) {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

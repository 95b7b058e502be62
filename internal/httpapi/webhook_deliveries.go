package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/webhooks"
)

// WebhookDelivery is one message on its way to one webhook.
type WebhookDelivery struct {
	ID        string             `json:"id"`
	Webhook   string             `json:"webhook"`
	Message   string             `json:"message" doc:"The webhook-id header: the same at every attempt"`
	Event     call.EventType     `json:"event"`
	Call      call.ID            `json:"call_id" doc:"Empty for a test"`
	State     string             `json:"state" enum:"pending,delivered,dead"`
	Tries     int                `json:"tries" doc:"Since it was made, or sent again"`
	Attempts  []webhooks.Attempt `json:"attempts" doc:"All, the oldest first"`
	CreatedAt time.Time          `json:"created_at"`
	NextAt    *time.Time         `json:"next_at" doc:"Of the next attempt; null: there is none to come"`
	Body      json.RawMessage    `json:"body,omitempty" doc:"What is sent; left out of lists"`
}

func (a *api) webhookDeliveries() {
	route(a, op{method: "GET", path: "/v1/webhook_deliveries", scope: "read", role: "admin", id: "list_webhook_deliveries", summary: "List what went, or is to go, to webhooks, the latest first"},
		func(ctx context.Context, in *struct {
			Paging
			Webhook string `query:"webhook" maxLength:"64"`
			State   string `query:"state" enum:"pending,delivered,dead"`
			Event   string `query:"event" maxLength:"64" doc:"The type of the fact"`
		},
		) (*body[Page[WebhookDelivery]], error) {
			after, err := in.after()
			if err != nil {
				return nil, err
			}
			list, err := a.Webhooks.Deliveries(ctx, webhooks.Filter{
				Webhook: in.Webhook, State: webhooks.State(in.State), Event: call.EventType(in.Event), Before: after, Limit: in.Limit + 1,
			})
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(d webhooks.Delivery) (WebhookDelivery, error) {
				d.Body = nil
				return webhookDeliveryOf(d), nil
			})
			if len(all) <= in.Limit {
				return last(all), nil
			}
			all = all[:in.Limit]
			return part(all, cursorOf(all[in.Limit-1].ID)), nil
		})
	route(a, op{method: "GET", path: "/v1/webhook_deliveries/{id}", scope: "read", role: "admin", id: "read_webhook_delivery", summary: "Read a delivery with its attempts and what is sent"},
		func(ctx context.Context, in *Identified) (*body[WebhookDelivery], error) {
			d, err := a.Webhooks.Delivery(ctx, in.ID)
			return &body[WebhookDelivery]{webhookDeliveryOf(d)}, err
		})
	route(a, op{method: "POST", path: "/v1/webhook_deliveries/{id}/resend", scope: "write", role: "admin", id: "resend_webhook_delivery", status: http.StatusAccepted, summary: "Send a delivery again, whatever came of it"},
		func(ctx context.Context, in *Identified) (*body[WebhookDelivery], error) {
			d, err := a.Webhooks.Resend(ctx, in.ID, a.Now())
			return &body[WebhookDelivery]{webhookDeliveryOf(d)}, err
		})
}

func webhookDeliveryOf(d webhooks.Delivery) WebhookDelivery {
	return WebhookDelivery{
		ID: d.ID, Webhook: d.Webhook, Message: d.Message, Event: d.Event, Call: d.Call, State: string(d.State), Tries: d.Tries,
		Attempts: some(d.Attempts), CreatedAt: d.CreatedAt, NextAt: moment(d.NextAt), Body: json.RawMessage(d.Body),
	}
}

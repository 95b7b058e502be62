package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/callyard/callyard/webhooks"
)

// Webhooks is the addresses that facts are sent to, and what is on its way there.
type Webhooks interface {
	Webhook(ctx context.Context, id string) (webhooks.Webhook, error)
	Webhooks(ctx context.Context) ([]webhooks.Webhook, error)
	Create(ctx context.Context, w webhooks.Webhook) (webhooks.Webhook, error)
	Change(ctx context.Context, id string, do func(webhooks.Webhook) (webhooks.Webhook, error)) (webhooks.Webhook, error)
	Delete(ctx context.Context, id string) error
	Test(ctx context.Context, webhook string, now time.Time) (webhooks.Delivery, error)
	Delivery(ctx context.Context, id string) (webhooks.Delivery, error)
	Deliveries(ctx context.Context, f webhooks.Filter) ([]webhooks.Delivery, error)
	Resend(ctx context.Context, id string, now time.Time) (webhooks.Delivery, error)
}

// Webhook is an address that facts are sent to, signed as Standard Webhooks says.
type Webhook struct {
	ID          string   `json:"id" readOnly:"true"`
	URL         string   `json:"url" minLength:"1" maxLength:"2000"`
	Description string   `json:"description,omitempty" maxLength:"200"`
	Events      []string `json:"events" minItems:"1" maxItems:"50" doc:"Types of facts and their families: call.ended, park.*, *"`
	Enabled     *bool    `json:"enabled,omitempty" doc:"Left out: true"`

	DisabledReason string     `json:"disabled_reason" readOnly:"true" doc:"Why the hub has disabled it; empty if a person did"`
	DisabledAt     *time.Time `json:"disabled_at" readOnly:"true"`
	FailingSince   *time.Time `json:"failing_since" readOnly:"true" doc:"The first failure since the last success; after five days it is disabled"`
	SecretLast4    string     `json:"secret_last4" readOnly:"true"`
	OldUntil       *time.Time `json:"old_secret_until" readOnly:"true" doc:"Until then the secret before signs too"`
	CreatedAt      time.Time  `json:"created_at" readOnly:"true"`
	UpdatedAt      time.Time  `json:"updated_at" readOnly:"true"`
	Secret         string     `json:"secret,omitempty" readOnly:"true" doc:"Shown once, when it is made"`
}

func (a *api) webhooks() {
	route(a, op{method: "GET", path: "/v1/webhooks", scope: "admin", role: "admin", id: "list_webhooks", summary: "List webhooks"},
		func(ctx context.Context, in *Paging) (*body[Page[Webhook]], error) {
			list, err := a.Webhooks.Webhooks(ctx)
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(w webhooks.Webhook) (Webhook, error) { return a.webhookOf(w), nil })
			return page(all, func(w Webhook) string { return w.ID }, *in)
		})
	route(a, op{method: "GET", path: "/v1/webhooks/{id}", scope: "admin", role: "admin", id: "read_webhook", summary: "Read a webhook"},
		func(ctx context.Context, in *Identified) (*body[Webhook], error) {
			w, err := a.Webhooks.Webhook(ctx, in.ID)
			return &body[Webhook]{a.webhookOf(w)}, err
		})
	route(a, op{method: "POST", path: "/v1/webhooks", scope: "admin", role: "admin", id: "add_webhook", status: http.StatusCreated, secret: "secret", summary: "Add a webhook; its secret is shown only now"},
		func(ctx context.Context, in *body[Webhook]) (*created[Webhook], error) {
			w := setWebhook(webhooks.Webhook{Secret: webhooks.NewSecret(), CreatedAt: a.Now()}, in.Body)
			if err := w.Validate(); err != nil {
				return nil, faultyWebhook(err)
			}
			w, err := a.Webhooks.Create(ctx, w)
			if err != nil {
				return nil, err
			}
			shown := a.webhookOf(w)
			shown.Secret = string(w.Secret)
			return &created[Webhook]{Location: "/v1/webhooks/" + w.ID, Body: shown}, nil
		})
	route(a, op{method: "PUT", path: "/v1/webhooks/{id}", scope: "admin", role: "admin", merges: true, id: "save_webhook", summary: "Replace what is set of a webhook"},
		func(ctx context.Context, in *struct {
			Identified
			Body Webhook
		},
		) (*body[Webhook], error) {
			w, err := a.Webhooks.Change(ctx, in.ID, func(w webhooks.Webhook) (webhooks.Webhook, error) {
				w = setWebhook(w, in.Body)
				w.UpdatedAt = a.Now()
				return w, faultyWebhook(w.Validate())
			})
			return &body[Webhook]{a.webhookOf(w)}, err
		})
	route(a, op{method: "DELETE", path: "/v1/webhooks/{id}", scope: "admin", role: "admin", id: "delete_webhook", summary: "Delete a webhook and its deliveries"},
		func(ctx context.Context, in *Identified) (*nothing, error) {
			return nil, a.Webhooks.Delete(ctx, in.ID)
		})
	route(a, op{method: "POST", path: "/v1/webhooks/{id}/test", scope: "admin", role: "admin", id: "test_webhook", status: http.StatusAccepted, summary: "Send a webhook a message that tells of nothing, once; read the delivery to see what came of it"},
		func(ctx context.Context, in *Identified) (*created[WebhookDelivery], error) {
			d, err := a.Webhooks.Test(ctx, in.ID, a.Now())
			return &created[WebhookDelivery]{Location: "/v1/webhook_deliveries/" + d.ID, Body: webhookDeliveryOf(d)}, err
		})
	route(a, op{method: "POST", path: "/v1/webhooks/{id}/rotate_secret", scope: "admin", role: "admin", id: "rotate_webhook_secret", secret: "secret", summary: "Give a webhook a new secret, which is shown only now; the one before signs too for a while"},
		func(ctx context.Context, in *struct {
			Identified
			Body *struct {
				Overlap *int `json:"overlap_s,omitempty" minimum:"0" maximum:"2592000" doc:"How long both sign; left out: a day"`
			}
		},
		) (*body[Webhook], error) {
			overlap := 24 * time.Hour
			if in.Body != nil && in.Body.Overlap != nil {
				overlap = time.Duration(*in.Body.Overlap) * time.Second
			}
			w, err := a.Webhooks.Change(ctx, in.ID, func(w webhooks.Webhook) (webhooks.Webhook, error) {
				return w.Rotate(overlap, a.Now()), nil
			})
			if err != nil {
				return nil, err
			}
			shown := a.webhookOf(w)
			shown.Secret = string(w.Secret)
			return &body[Webhook]{shown}, nil
		})
}

func setWebhook(w webhooks.Webhook, in Webhook) webhooks.Webhook {
	w.URL, w.Description, w.Events = in.URL, in.Description, in.Events
	w.Enabled = in.Enabled == nil || *in.Enabled
	return w
}

func (a *api) webhookOf(w webhooks.Webhook) Webhook {
	out := Webhook{
		ID: w.ID, URL: w.URL, Description: w.Description, Events: some(w.Events), Enabled: &w.Enabled,
		DisabledReason: w.Disabled, DisabledAt: moment(w.DisabledAt), FailingSince: moment(w.FailingSince),
		CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt,
	}
	if n := len(w.Secret); n > 4 {
		out.SecretLast4 = string(w.Secret[n-4:])
	}
	if a.Now().Before(w.OldUntil) {
		out.OldUntil = moment(w.OldUntil)
	}
	return out
}

// faultyWebhook names the place of each fault that the domain finds.
func faultyWebhook(err error) error {
	if err == nil {
		return nil
	}
	p := wrong("body", "%s", err)
	p.Errors = nil
	list, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	for _, e := range list.Unwrap() {
		if f, ok := errors.AsType[*webhooks.InvalidError](e); ok {
			p.Errors = append(p.Errors, Fault{Message: f.Why, Location: "body." + f.Field})
		}
	}
	return p
}

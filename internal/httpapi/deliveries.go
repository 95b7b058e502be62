package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/callyard/callyard/crm"
)

type delivery struct {
	ID int64 `path:"id" minimum:"1"`
}

func (a *api) deliveries() {
	route(a, op{method: "GET", path: "/v1/crm_deliveries", scope: "read", role: "manager", id: "list_crm_deliveries", summary: "List what went, or is to go, to CRMs, the latest first"},
		func(ctx context.Context, in *struct {
			Paging
			Provider string `query:"provider" maxLength:"64"`
			State    string `query:"state" enum:"pending,done,dead"`
			Call     string `query:"call" maxLength:"64" doc:"The call whose activity it is"`
		},
		) (*body[Page[crm.Delivery]], error) {
			after, err := in.after()
			if err != nil {
				return nil, err
			}
			f := crm.DeliveryFilter{Provider: in.Provider, State: crm.DeliveryState(in.State), Key: in.Call, Limit: in.Limit + 1}
			if after != "" {
				if f.Before, err = strconv.ParseInt(after, 10, 64); err != nil {
					return nil, wrong("query.cursor", "not a cursor of this list")
				}
			}
			list, err := a.Outbox.Deliveries(ctx, f)
			if err != nil {
				return nil, err
			}
			for i := range list {
				list[i].Activity.About = some(list[i].Activity.About)
			}
			if len(list) <= in.Limit {
				return last(list), nil
			}
			list = list[:in.Limit]
			return part(list, cursorOf(strconv.FormatInt(list[in.Limit-1].ID, 10))), nil
		})
	route(a, op{method: "POST", path: "/v1/crm_deliveries/{id}/resend", scope: "write", role: "manager", id: "resend_crm_delivery", status: http.StatusAccepted, summary: "Try a delivery again that was given up"},
		func(ctx context.Context, in *delivery) (*body[crm.Delivery], error) {
			if err := a.Outbox.Resend(ctx, in.ID); err != nil {
				return nil, err
			}
			d, err := a.Outbox.Delivery(ctx, in.ID)
			d.Activity.About = some(d.Activity.About)
			return &body[crm.Delivery]{d}, err
		})
}

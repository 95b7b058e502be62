package httpapi

import (
	"context"
	"net/http"

	"github.com/callyard/callyard/internal/jobs"
)

func (a *api) discarded() {
	route(a, op{method: "GET", path: "/v1/jobs/discarded", scope: "read", role: "admin", id: "list_discarded_jobs", summary: "List jobs that were given up, the latest first"},
		func(ctx context.Context, in *struct {
			Limit int `query:"limit" minimum:"1" maximum:"200" default:"50"`
		},
		) (*body[Page[jobs.Failed]], error) {
			list, err := a.Jobs.Discarded(ctx, in.Limit)
			if err != nil {
				return nil, err
			}
			return last(list), nil
		})
	route(a, op{method: "POST", path: "/v1/jobs/discarded/{id}/retry", scope: "write", role: "admin", id: "retry_job", status: http.StatusAccepted, summary: "Give a job one more attempt"},
		func(ctx context.Context, in *struct {
			ID int64 `path:"id" minimum:"1"`
		},
		) (*nothing, error) {
			return nil, a.Jobs.Retry(ctx, in.ID)
		})
}

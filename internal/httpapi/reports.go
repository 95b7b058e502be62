package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/analytics"
)

// longest is the widest window of a report.
const longest = 400 * 24 * time.Hour

func (a *api) reports() {
	route(a, op{
		method: "GET", path: "/v1/reports/park-to-answer", scope: "read", role: "manager", id: "report_park_to_answer",
		summary: "How long parked callers waited for an answer; JSON, or CSV with Accept: text/csv",
		also: func(o *huma.Operation) {
			report := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[analytics.Report](), true, "Report")
			o.Responses = map[string]*huma.Response{"200": {Description: "The report", Content: map[string]*huma.MediaType{
				"application/json": {Schema: report},
				"text/csv":         {Schema: &huma.Schema{Type: huma.TypeString}},
			}}}
		},
	}, a.parkToAnswer)
}

func (a *api) parkToAnswer(ctx context.Context, in *struct {
	From    time.Time `query:"from" doc:"24 hours ago, unless given"`
	To      time.Time `query:"to" doc:"Now, unless given"`
	GroupBy string    `query:"group_by" enum:"none,lot,flow,agent,parker,hour,weekday_hour" default:"none"`
	Zone    string    `query:"tz" maxLength:"64" default:"UTC" doc:"Of hours: Europe/Madrid"`
	Target  int       `query:"target_s" minimum:"1" maximum:"3600" default:"20" doc:"Service level: answered within"`
	Accept  string    `header:"Accept"`
},
) (*struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}, error,
) {
	now := a.Now()
	w := analytics.Window{From: in.From, To: in.To}
	if w.To.IsZero() {
		w.To = now
	}
	if w.From.IsZero() {
		w.From = w.To.Add(-24 * time.Hour)
	}
	switch {
	case !w.From.Before(w.To):
		return nil, wrong("query.from", "before to")
	case w.To.Sub(w.From) > longest:
		return nil, wrong("query.from", "at most 400 days before to")
	}
	zone, err := time.LoadLocation(in.Zone)
	if err != nil || in.Zone == "Local" {
		return nil, wrong("query.tz", "a time zone like Europe/Madrid")
	}
	r, err := a.Report(ctx, w, analytics.Options{GroupBy: analytics.By(in.GroupBy), Zone: zone, Target: time.Duration(in.Target) * time.Second, Now: now})
	if err != nil {
		return nil, err
	}
	out := &struct {
		ContentType string `header:"Content-Type"`
		Body        []byte
	}{ContentType: "application/json"}
	var b bytes.Buffer
	if strings.Contains(in.Accept, "text/csv") {
		out.ContentType = "text/csv; charset=utf-8"
		err = analytics.WriteCSV(&b, r)
	} else {
		err = json.NewEncoder(&b).Encode(r)
	}
	out.Body = b.Bytes()
	return out, err
}

package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// Flows is the call flows: drafts that are edited, versions that never change.
type Flows interface {
	Flows(ctx context.Context) ([]routingpg.Flow, error)
	Flow(ctx context.Context, name string) (routingpg.Flow, error)
	DeleteFlow(ctx context.Context, name string) error
	SaveDraft(ctx context.Context, name string, doc []byte, ifMatch *int) (int, error)
	Publish(ctx context.Context, name, message, author string, now time.Time, check func(*routing.Flow) routing.Findings) (routingpg.Version, error)
	SetLive(ctx context.Context, name string, n int, message, author string, now time.Time, check func(*routing.Flow) routing.Findings) (routingpg.Version, error)
	Version(ctx context.Context, flow string, n int) (routingpg.Version, error)
	CalendarRevision(ctx context.Context, name string, n int) (routingpg.Calendar, error)
	Versions(ctx context.Context, flow string) ([]routingpg.Version, error)
	Aliases
}

// Flow is a call flow.
type Flow struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DraftETag   string `json:"draft_etag" doc:"For If-Match of PUT …/draft"`
	LiveVersion int    `json:"live_version" doc:"What new calls run; 0: never published"`
}

// Version is a flow as it was published. It never changes.
type Version struct {
	Flow        string           `json:"flow"`
	Version     int              `json:"version"`
	Doc         json.RawMessage  `json:"doc,omitempty" doc:"Left out of lists"`
	Message     string           `json:"message"`
	Author      string           `json:"author" doc:"The name of the key"`
	PublishedAt time.Time        `json:"published_at"`
	Restored    int              `json:"restored,omitempty" doc:"The version it is a copy of"`
	Warnings    routing.Findings `json:"warnings,omitempty" doc:"When it is published"`
}

// Findings are the faults of a document, errors first.
type Findings struct {
	OK       bool             `json:"ok" doc:"No errors: it can be published"`
	Findings routing.Findings `json:"findings"`
}

// TestRun is what came of a flow's own tests.
type TestRun struct {
	Passed bool                 `json:"passed"`
	Data   []routing.TestResult `json:"data"`
}

// Diff is what one version has and another has not.
type Diff struct {
	A       int          `json:"a"`
	B       int          `json:"b"`
	Changes []Difference `json:"changes"`
}

// VersionPath is a flow and one of its versions in a path.
type VersionPath struct {
	Named
	Version int `path:"version" minimum:"1"`
}

type (
	draftOut struct {
		ETag string `header:"ETag"`
		Body json.RawMessage
	}
	savedOut struct {
		ETag string `header:"ETag"`
		Body Findings
	}
)

func (a *api) flows() {
	route(a, op{method: "GET", path: "/v1/flows", scope: "read", role: "manager", id: "list_flows", summary: "List flows"},
		func(ctx context.Context, in *Paging) (*body[Page[Flow]], error) {
			list, err := a.Flows.Flows(ctx)
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(f routingpg.Flow) (Flow, error) { return flowOf(f), nil })
			return page(all, func(f Flow) string { return f.Name }, *in)
		})
	route(a, op{method: "GET", path: "/v1/flows/{name}", scope: "read", role: "manager", id: "read_flow", summary: "Read a flow"},
		func(ctx context.Context, in *Named) (*body[Flow], error) {
			f, err := a.Flows.Flow(ctx, in.Name)
			return &body[Flow]{flowOf(f)}, err
		})
	route(a, op{method: "DELETE", path: "/v1/flows/{name}", scope: "write", role: "admin", id: "delete_flow", summary: "Delete a flow that no number leads to"},
		func(ctx context.Context, in *Named) (*nothing, error) {
			return a.changed(ctx, a.Flows.DeleteFlow(ctx, in.Name))
		})
	route(a, op{method: "GET", path: "/v1/flows/{name}/draft", scope: "read", role: "manager", id: "read_draft", summary: "Read the draft of a flow"},
		func(ctx context.Context, in *Named) (*draftOut, error) {
			f, err := a.Flows.Flow(ctx, in.Name)
			return &draftOut{ETag: etag(f.DraftETag), Body: f.Draft}, err
		})
	route(a, op{
		method: "PUT", path: "/v1/flows/{name}/draft", scope: "write", role: "admin", id: "save_draft", takes: rawJSON("A document of callflow/v1, faults and all"),
		summary: "Save the draft of a flow, with If-Match, or If-None-Match: * for a new flow",
	}, a.saveDraft)
	route(a, op{method: "POST", path: "/v1/flows/check", scope: "read", role: "manager", id: "check_flow", summary: "Check a document without saving it", takes: rawJSON("A document of callflow/v1")},
		func(ctx context.Context, in *struct {
			RawBody []byte
		},
		) (*body[Findings], error) {
			f, err := a.check(ctx, in.RawBody)
			return &body[Findings]{f}, err
		})
	route(a, op{method: "POST", path: "/v1/flows/{name}/publish", scope: "write", role: "admin", id: "publish_flow", summary: "Make the draft a version, which new calls run unless live is false"},
		func(ctx context.Context, in *struct {
			Named
			Body struct {
				Message string `json:"message" minLength:"1" maxLength:"500" doc:"What changed, and why"`
				Live    *bool  `json:"live,omitempty" doc:"false: no call runs it yet; for a canary. true if absent"`
			}
		},
		) (*body[Version], error) {
			return a.published(ctx, func(check func(*routing.Flow) routing.Findings) (routingpg.Version, error) {
				if in.Body.Live != nil && !*in.Body.Live {
					return a.Flows.PublishAside(ctx, in.Name, in.Body.Message, requestOf(ctx).by.Name, a.Now(), check)
				}
				return a.Flows.Publish(ctx, in.Name, in.Body.Message, requestOf(ctx).by.Name, a.Now(), check)
			})
		})
	route(a, op{method: "POST", path: "/v1/flows/{name}/rollback", scope: "write", role: "admin", id: "roll_back_flow", summary: "Publish a copy of an old version"},
		func(ctx context.Context, in *struct {
			Named
			Body struct {
				To      int    `json:"to" minimum:"1" doc:"The version to go back to"`
				Message string `json:"message,omitempty" maxLength:"500"`
			}
		},
		) (*body[Version], error) {
			return a.published(ctx, func(check func(*routing.Flow) routing.Findings) (routingpg.Version, error) {
				return a.Flows.SetLive(ctx, in.Name, in.Body.To, in.Body.Message, requestOf(ctx).by.Name, a.Now(), check)
			})
		})
	route(a, op{method: "GET", path: "/v1/flows/{name}/versions", scope: "read", role: "manager", id: "list_versions", summary: "List the versions of a flow, the newest first"},
		func(ctx context.Context, in *struct {
			Named
			Paging
		},
		) (*body[Page[Version]], error) {
			if _, err := a.Flows.Flow(ctx, in.Name); err != nil {
				return nil, err
			}
			list, err := a.Flows.Versions(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(v routingpg.Version) (Version, error) { return versionOf(v), nil })
			return page(all, func(v Version) string { return descending(int64(v.Version)) }, in.Paging)
		})
	route(a, op{method: "GET", path: "/v1/flows/{name}/versions/{version}", scope: "read", role: "manager", id: "read_version", summary: "Read a version with its document"},
		func(ctx context.Context, in *VersionPath) (*body[Version], error) {
			v, err := a.Flows.Version(ctx, in.Name, in.Version)
			return &body[Version]{versionOf(v)}, err
		})
	route(a, op{method: "GET", path: "/v1/flows/{name}/diff", scope: "read", role: "manager", id: "diff_versions", summary: "Compare two versions; 0 is the draft"}, a.diff)
	route(a, op{method: "POST", path: "/v1/flows/{name}/tests", scope: "read", role: "manager", id: "test_flow", summary: "Run the tests that the draft, or a version, carries"},
		func(ctx context.Context, in *struct {
			Named
			Body *struct {
				Version int `json:"version,omitempty" minimum:"0" doc:"0: the draft"`
			}
		},
		) (*body[TestRun], error) {
			n := 0
			if in.Body != nil {
				n = in.Body.Version
			}
			doc, err := a.doc(ctx, in.Name, n)
			if err != nil {
				return nil, err
			}
			f, err := routing.Parse(doc)
			if err != nil {
				return nil, err
			}
			known, err := a.Known(ctx)
			if err != nil {
				return nil, err
			}
			if f, err = routing.Link(f, known.Parts()); err != nil {
				return nil, err
			}
			run := TestRun{Passed: true, Data: sim.Tests(ctx, f)}
			for i, r := range run.Data {
				run.Data[i].Path = some(r.Path)
				run.Passed = run.Passed && r.Passed
			}
			return &body[TestRun]{run}, nil
		})
}

func (a *api) saveDraft(ctx context.Context, in *struct {
	Named
	IfMatch     string `header:"If-Match" doc:"ETag of the draft that was changed; * whatever it is"`
	IfNoneMatch string `header:"If-None-Match" doc:"* for a flow that does not exist yet"`
	RawBody     []byte
},
) (*savedOut, error) {
	var based *int
	switch {
	case in.IfNoneMatch == "*":
		based = new(int)
	case in.IfMatch == "":
		return nil, &Problem{
			Status: http.StatusPreconditionRequired, Code: "precondition_required",
			Detail: "send If-Match with the draft's ETag, or If-None-Match: * to make a new flow",
		}
	case in.IfMatch != "*":
		n, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(in.IfMatch, "W/"), `"`))
		if err != nil {
			return nil, &Problem{Status: http.StatusPreconditionFailed, Code: "draft_changed", Detail: "this is no ETag of a draft"}
		}
		based = &n
	}
	now, err := a.Flows.SaveDraft(ctx, in.Name, in.RawBody, based)
	if err != nil {
		return nil, err
	}
	f, err := a.check(ctx, in.RawBody)
	return &savedOut{ETag: etag(now), Body: f}, err
}

// check finds all faults of a document.
func (a *api) check(ctx context.Context, doc []byte) (Findings, error) {
	known, err := a.Known(ctx)
	if err != nil {
		return Findings{}, err
	}
	var found routing.Findings
	f, err := routing.Parse(doc)
	bad, faulty := errors.AsType[*routing.ParseError](err)
	switch {
	case f != nil:
		found = sim.Check(ctx, f, known)
	case faulty:
		found = bad.Findings
	default:
		return Findings{}, err
	}
	return Findings{OK: len(found.Errors()) == 0, Findings: some(found)}, nil
}

func (a *api) published(ctx context.Context, publish func(func(*routing.Flow) routing.Findings) (routingpg.Version, error)) (*body[Version], error) {
	check, err := a.publishable(ctx)
	if err != nil {
		return nil, err
	}
	v, err := publish(check)
	if err != nil {
		return nil, err
	}
	return &body[Version]{versionOf(v)}, a.Changed(ctx)
}

// publishable finds what keeps a flow from being run, as things are now.
func (a *api) publishable(ctx context.Context) (func(*routing.Flow) routing.Findings, error) {
	known, err := a.Known(ctx)
	return func(f *routing.Flow) routing.Findings { return sim.Check(ctx, f, known) }, err
}

// doc is a version's document, or the draft's for 0.
func (a *api) doc(ctx context.Context, name string, n int) ([]byte, error) {
	if n == 0 {
		f, err := a.Flows.Flow(ctx, name)
		return f.Draft, err
	}
	v, err := a.Flows.Version(ctx, name, n)
	return v.Doc, err
}

func (a *api) diff(ctx context.Context, in *struct {
	Named
	A int `query:"a" minimum:"0" required:"true"`
	B int `query:"b" minimum:"0" required:"true"`
},
) (*body[Diff], error) {
	before, err := a.doc(ctx, in.Name, in.A)
	if err != nil {
		return nil, err
	}
	after, err := a.doc(ctx, in.Name, in.B)
	if err != nil {
		return nil, err
	}
	changes, err := differences(before, after)
	return &body[Diff]{Diff{A: in.A, B: in.B, Changes: some(changes)}}, err
}

func flowOf(f routingpg.Flow) Flow {
	return Flow{ID: f.ID, Name: f.Name, DraftETag: etag(f.DraftETag), LiveVersion: f.Live}
}

func versionOf(v routingpg.Version) Version {
	return Version{
		Flow: v.Flow, Version: v.N, Doc: v.Doc, Message: v.Message, Author: v.Author,
		PublishedAt: v.PublishedAt, Restored: v.Restored, Warnings: v.Warnings,
	}
}

func etag(n int) string { return `"` + strconv.Itoa(n) + `"` }

// flowProblem is the part of the table of errors that is about routes.
func flowProblem(err error) *Problem {
	if e, ok := errors.AsType[*routingpg.NotFoundError](err); ok {
		return notFound(e.What, e.Name)
	}
	if e, ok := errors.AsType[*routingpg.LintError](err); ok {
		return faulty(e.Findings.Errors())
	}
	if e, ok := errors.AsType[*routingpg.StaleError](err); ok {
		return &Problem{
			Status: http.StatusPreconditionFailed, Code: "draft_changed", Detail: e.Error(),
			headers: http.Header{"Etag": {etag(e.ETag)}},
		}
	}
	if e, ok := errors.AsType[*routingpg.InvalidError](err); ok {
		return wrong("body."+e.Field, "%s", e.Why)
	}
	if e, ok := errors.AsType[*routingpg.CanaryError](err); ok {
		return &Problem{Status: http.StatusConflict, Code: "canary_under_way", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*routingpg.InUseError](err); ok {
		return &Problem{Status: http.StatusConflict, Code: "flow_in_use", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*routingpg.TakenError](err); ok {
		return &Problem{Status: http.StatusConflict, Code: e.What + "_taken", Detail: e.Error()}
	}
	return nil
}

// rawJSON documents a JSON body that is read as it comes.
func rawJSON(what string) map[string]*huma.Schema {
	return map[string]*huma.Schema{"application/json": {Type: huma.TypeObject, Description: what, AdditionalProperties: true}}
}

package httpapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
)

// Problem is what every refusal looks like (RFC 9457).
type Problem struct {
	Type      string  `json:"type" doc:"about:blank, always: the code says which problem it is"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Code      string  `json:"code" doc:"For programs; does not change"`
	Detail    string  `json:"detail,omitempty" doc:"For people"`
	RequestID string  `json:"request_id" doc:"Also in the log and in X-Request-Id"`
	Errors    []Fault `json:"errors,omitempty" doc:"What is wrong with the request, each with its place"`

	// Of races that were lost, and slots that are taken.
	By     string     `json:"by,omitempty" doc:"Who was quicker, or whose call is in the slot"`
	At     *time.Time `json:"at,omitempty" doc:"When"`
	State  string     `json:"state,omitempty" doc:"What the call is now"`
	Reason string     `json:"reason,omitempty" doc:"How it came to its end"`
	Park   string     `json:"park,omitempty" doc:"The park it is about"`
	Lot    string     `json:"lot,omitempty"`
	Slot   int        `json:"slot,omitempty"`

	headers http.Header
	cause   error // for the log only
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Message  string `json:"message"`
	Location string `json:"location" doc:"body.ladder[1].after_s"`
	Value    any    `json:"value,omitempty" doc:"What was there, if it is short and plain"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// Unwrap is what it came of.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// wrong is a fault at one place of the request.
func wrong(location, format string, args ...any) *Problem {
	return &Problem{
		Status: http.StatusUnprocessableEntity, Code: "validation_failed", Detail: "validation failed",
		Errors: []Fault{{Message: fmt.Sprintf(format, args...), Location: location}},
	}
}

// in adds the place of the request that the problem is about.
func (p *Problem) in(location, message string) *Problem {
	p.Errors = append(p.Errors, Fault{Message: message, Location: location})
	return p
}

// notFound is what is answered for something that is not there.
func notFound(what, name string) *Problem {
	return &Problem{Status: http.StatusNotFound, Code: what + "_not_found", Detail: fmt.Sprintf("there is no %s %q", strings.ReplaceAll(what, "_", " "), name)}
}

// codes are those of problems that huma finds.
var codes = map[int]string{
	http.StatusBadRequest:            "bad_request",
	http.StatusNotAcceptable:         "not_acceptable",
	http.StatusRequestTimeout:        "request_timeout",
	http.StatusRequestEntityTooLarge: "body_too_large",
	http.StatusUnsupportedMediaType:  "unsupported_media_type",
	http.StatusUnprocessableEntity:   "validation_failed",
	http.StatusInternalServerError:   "internal",
}

// newError makes the problems that huma finds by itself.
func newError(status int, msg string, errs ...error) huma.StatusError {
	p := &Problem{Status: status, Code: codes[status], Detail: msg}
	for _, err := range errs {
		var already *Problem
		var detail *huma.ErrorDetail
		switch {
		case err == nil:
		case errors.As(err, &already):
			return already
		case errors.As(err, &detail):
			p.Errors = append(p.Errors, Fault{Message: detail.Message, Location: detail.Location, Value: detail.Value})
		default:
			p.Errors = append(p.Errors, Fault{Message: err.Error()})
		}
	}
	if status >= http.StatusInternalServerError {
		p.cause, p.Errors = errors.Join(errs...), nil
	}
	return p
}

// finish completes problems on their way out, and tags and links the rest: it sees every body.
func (a *api) finish(ctx huma.Context, _ string, v any) (any, error) {
	if p, ok := v.(*Problem); ok {
		a.complete(ctx.Context(), p)
		return v, nil
	}
	a.tag(ctx, v)
	link(ctx, v)
	return v, nil
}

func (a *api) complete(ctx context.Context, p *Problem) {
	r := requestOf(ctx)
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), r.id
	if p.Code == "" {
		p.Code = strings.ReplaceAll(strings.ToLower(p.Title), " ", "_")
	}
	if p.Status >= http.StatusInternalServerError {
		if p.cause != nil && !errors.Is(p.cause, context.Canceled) {
			a.Log.ErrorContext(ctx, "request failed", "request_id", r.id, "err", p.cause)
		}
		if p.Code == "internal" {
			p.Detail = "it is our fault and is in the log under the request_id"
		}
	}
	for i := range p.Errors {
		p.Errors[i].Value = plain(p.Errors[i])
	}
}

// plain keeps passwords and whole documents from being echoed: only short
// values are, and never what stands in a secret's place.
func plain(f Fault) any {
	if f.Location == "body" || strings.HasSuffix(f.Location, "password") {
		return nil
	}
	switch v := f.Value.(type) {
	case bool, int, int64, float64:
		return v
	case string:
		if len(v) <= 100 {
			return v
		}
	}
	return nil
}

// answer writes a problem from outside huma.
func (a *api) answer(c *gin.Context, p *Problem) {
	a.complete(c.Request.Context(), p)
	maps.Copy(c.Writer.Header(), p.headers)
	c.Header("Content-Type", p.ContentType(""))
	c.AbortWithStatusJSON(p.Status, p)
}

// refuse writes a problem from a middleware of huma's.
func (a *api) refuse(ctx huma.Context, p *Problem) {
	a.answer(unwrap(ctx), p)
}

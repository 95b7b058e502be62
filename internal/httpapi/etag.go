package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// settable is what a PUT takes at a path: an ETag is made of that, and not of what
// is happening to it (an agent's state, what is parked in a lot).
type settable struct {
	shown []string // members that are only read
	still bool     // none of these changes by itself
}

// what a resource keeps all its life, or until it is written.
var lasting = []string{"id", "name", "number", "updated", "revision"}

// settableOf reads the schema of a PUT's body.
func (a *api) settableOf(put *huma.Operation) settable {
	s := settable{still: true}
	schema := put.RequestBody.Content["application/json"].Schema
	if schema.Ref != "" {
		schema = a.huma.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	for name, p := range schema.Properties {
		if p.ReadOnly {
			s.shown = append(s.shown, name)
			s.still = s.still && slices.Contains(lasting, name)
		}
	}
	slices.Sort(s.shown)
	return s
}

// etag is that of what a document says is set.
func (s settable) etag(doc []byte) string {
	var set map[string]any
	if json.Unmarshal(doc, &set) != nil {
		return ""
	}
	for _, name := range s.shown {
		delete(set, name)
	}
	canonical, err := json.Marshal(set)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(canonical)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// tag says what the ETag of an answer is, if it has one.
func (a *api) tag(ctx huma.Context, v any) {
	s, ok := a.set[ctx.Operation().Path]
	if !ok || ctx.Method() != http.MethodGet && ctx.Method() != http.MethodPut {
		return
	}
	if doc, err := json.Marshal(v); err == nil {
		if tag := s.etag(doc); tag != "" {
			ctx.SetHeader("ETag", tag)
		}
	}
}

// conditional answers If-None-Match of what changes only when it is written, and
// holds If-Match against what is stored. Those who write the same thing come one
// after the other, on all nodes, so that nothing is lost between reading and
// writing it.
func (a *api) conditional(ctx huma.Context, next func(huma.Context)) {
	s, ok := a.set[ctx.Operation().Path]
	u := ctx.URL()
	path := u.EscapedPath()
	switch {
	case !ok || inside(ctx.Context()):
		next(ctx)
	case ctx.Method() == http.MethodGet:
		if wanted := ctx.Header("If-None-Match"); wanted != "" && s.still {
			now := a.inside(ctx.Context(), http.MethodGet, path, nil)
			if tag := now.header.Get("Etag"); now.status == http.StatusOK && matches(wanted, tag) {
				ctx.SetHeader("ETag", tag)
				ctx.SetStatus(http.StatusNotModified)
				return
			}
		}
		next(ctx)
	default:
		var stale *Problem
		err := a.Alone(ctx.Context(), path, func(held context.Context) {
			if stale = a.stale(held, ctx.Header("If-Match"), path); stale == nil {
				next(ctx)
			}
		})
		if stale != nil {
			a.refuse(ctx, stale)
			return
		}
		if err != nil {
			a.refuse(ctx, a.problem(ctx.Context(), err))
		}
	}
}

// stale is the refusal of a write whose If-Match is not what is stored.
func (a *api) stale(ctx context.Context, wanted, path string) *Problem {
	if wanted == "" {
		return nil
	}
	now := a.inside(ctx, http.MethodGet, path, nil)
	tag := now.header.Get("Etag")
	if now.status == http.StatusOK && matches(wanted, tag) {
		return nil
	}
	p := &Problem{Status: http.StatusPreconditionFailed, Code: "precondition_failed", Detail: "it is not, or no longer, what If-Match says; read it again"}
	if tag != "" {
		p.headers = http.Header{"Etag": {tag}}
	}
	return p
}

// matches compares an ETag with those of a header (RFC 9110 §13.1).
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// tagged says that what is at a path has an ETag, and documents what can be done
// with it. The path's GET has been registered, its DELETE may not.
func (a *api) tagged(put *huma.Operation) {
	s := a.settableOf(put)
	a.set[put.Path] = s
	item := a.huma.OpenAPI().Paths[put.Path]
	for _, o := range []*huma.Operation{item.Get, put} {
		for status, r := range o.Responses {
			if status != "default" {
				r.Headers = map[string]*huma.Param{"ETag": {Schema: &huma.Schema{Type: huma.TypeString}, Description: "Of what a PUT sets, and not of what happens to it"}}
			}
		}
	}
	if s.still {
		item.Get.Parameters = append(item.Get.Parameters, header("If-None-Match", "The ETag of what was read: 304 as long as it is the same"))
		item.Get.Responses["304"] = &huma.Response{Description: "Not modified"}
	}
	put.Parameters = append(put.Parameters, ifMatch())
}

// ifMatch documents the header of operations that write.
func ifMatch() *huma.Param {
	return header("If-Match", "The ETag of what was read: refused with 412 when somebody has changed it since")
}

func header(name, doc string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Schema: &huma.Schema{Type: huma.TypeString}, Description: doc}
}

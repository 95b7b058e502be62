package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"path"
	"reflect"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/userpg"
)

// op describes an operation.
type op struct {
	method, path string
	scope        keypg.Scope // what a key needs, of this resource or of all
	role         userpg.Role // what a person needs; an operation that says nothing is for admins
	open         bool        // for everybody
	id           string      // "list_lots"
	summary      string
	status       int                     // on success, if it is not 200, or 204 without a body
	secret       string                  // the key of the answer that is not kept for a repetition
	also         func(*huma.Operation)   // what else is to be documented
	takes        map[string]*huma.Schema // the media types of a RawBody
	most         int64                   // the longest request, if it is not MaxBody
	merges       bool                    // of a PUT: parts of what it writes can be changed by a PATCH
}

// resource is what the path begins with: "lots".
func (o op) resource() string { return strings.Split(strings.TrimPrefix(o.path, "/v1/"), "/")[0] }

// least is the least role that may use the operation.
func (o op) least() userpg.Role { return cmp.Or(o.role, userpg.Admin) }

// route registers an operation. Errors of do are answered as the table of
// errors says.
func route[I, O any](a *api, o op, do func(context.Context, *I) (*O, error)) {
	d := huma.Operation{
		OperationID: o.id, Method: o.method, Path: o.path, Summary: o.summary, DefaultStatus: o.status,
		Tags: []string{o.resource()}, MaxBodyBytes: cmp.Or(o.most, MaxBody),
		Security:   []map[string][]string{{"key": {string(o.scope)}}, {"session": {string(o.least())}}},
		Metadata:   map[string]any{"op": o},
		Extensions: map[string]any{"x-scope": string(o.scope), "x-role": string(o.least())},
	}
	if o.open {
		d.Security, d.Extensions = []map[string][]string{}, nil
		a.open[o.method+" "+ginPath(o.path)] = true
	}
	if o.method == http.MethodPost && !o.open {
		most := 255
		d.Parameters = []*huma.Param{{
			Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &most},
			Description: "Chosen by the client. The same request with the same key is carried out once; for 24 hours its answer is given again.",
		}}
	}
	if _, ok := a.set[o.path]; ok && o.method == http.MethodDelete {
		d.Parameters = append(d.Parameters, ifMatch())
	}
	if o.also != nil {
		o.also(&d)
	}
	if o.most > 0 {
		a.long[o.method+" "+ginPath(o.path)] = o.most
	}
	huma.Register(a.huma, d, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
	if o.method == http.MethodGet {
		linked(a.huma.OpenAPI().Paths[o.path].Get)
	}
	if o.merges {
		put := a.huma.OpenAPI().Paths[o.path].Put
		a.tagged(put)
		a.mergeable(put)
	}
	if o.takes == nil {
		return
	}
	// Only now: huma would check a raw body by a schema that it knew before.
	types := map[string]*huma.MediaType{}
	for t, s := range o.takes {
		types[t] = &huma.MediaType{Schema: s}
	}
	item := a.huma.OpenAPI().Paths[o.path]
	for _, registered := range []*huma.Operation{item.Post, item.Put} {
		if registered != nil && registered.OperationID == o.id {
			registered.RequestBody.Content = types
		}
	}
}

// body is an answer with a body.
type body[T any] struct{ Body T }

// created is the answer to a request that made something.
type created[T any] struct {
	Location string `header:"Location" doc:"Where what was made is to be found"`
	Body     T
}

// nothing is an answer without a body.
type nothing struct{}

// changed tells the hub of a change of its configuration.
func (a *api) changed(ctx context.Context, err error) (*nothing, error) {
	if err != nil {
		return nil, err
	}
	return nil, a.Changed(ctx)
}

// Changed tells the hub that the resource of the request was changed.
func (a *api) Changed(ctx context.Context) error {
	return a.Deps.Changed(ctx, requestOf(ctx).op.resource())
}

// as turns a value into another one that has the same JSON: domain types read
// and write durations as seconds by methods of their own, which the types that
// describe the API cannot have.
func as[T, S any](v S) (out T, err error) {
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}

// each turns a list.
func each[T, S any](list []S, turn func(S) (T, error)) ([]T, error) {
	out := make([]T, 0, len(list))
	for _, v := range list {
		t, err := turn(v)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// turned is each for what can always be turned.
func turned[T, S any](list []S, turn func(S) T) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = turn(v)
	}
	return out
}

// some is a list that is shown as [] when it is empty.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// schemaName names a type in the document: those of domains after their
// package, so that analytics.Step and our own Step do not meet.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := huma.DefaultSchemaNamer(t, hint)
	pkg := t.PkgPath()
	if pkg == "" || strings.HasSuffix(pkg, "/httpapi") {
		return name
	}
	pkg = path.Base(pkg)
	return string(unicode.ToUpper(rune(pkg[0]))) + pkg[1:] + name
}

// document is the OpenAPI document, the same bytes every time.
func (a *api) document() ([]byte, error) {
	b, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", " "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// ginPath is a path with its parameters as gin writes them: /v1/lots/:name.
func ginPath(path string) string { return strings.NewReplacer("{", ":", "}", "").Replace(path) }

package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// merge is how parts of what a PUT writes are changed: a JSON merge patch (RFC
// 7396) is applied to what the GET shows, and the result goes through the PUT, so
// that it is checked by the same schema and the same rules.

// patching is a merge patch as it comes.
type patching struct {
	RawBody []byte
	path    string
}

// Resolve takes the path from the request: it has the names of what is changed.
func (p *patching) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	p.path = u.EscapedPath()
	switch kind, _, _ := mime.ParseMediaType(ctx.Header("Content-Type")); kind {
	case "application/merge-patch+json", "application/json", "":
		return nil
	}
	return []error{&Problem{Status: http.StatusUnsupportedMediaType, Code: "unsupported_media_type", Detail: "send application/merge-patch+json"}}
}

// patched is what the PUT answered.
type patched struct {
	ETag string `header:"ETag"`
	Body json.RawMessage
}

// mergeable adds a PATCH to every path whose PUT said that it is one.
func (a *api) mergeable(put *huma.Operation) {
	id := "change" + strings.TrimPrefix(put.OperationID, "save")
	members := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "Members of what the PUT takes; null takes one away"}
	d := huma.Operation{
		OperationID: id, Method: http.MethodPatch, Path: put.Path, Tags: put.Tags, Security: put.Security, Metadata: put.Metadata, Extensions: put.Extensions,
		Summary:      "Change parts of what the PUT writes",
		Description:  "A JSON merge patch (RFC 7396): what is not named stays, null takes away. The whole is checked like a PUT.",
		MaxBodyBytes: put.MaxBodyBytes,
	}
	huma.Register(a.huma, d, func(ctx context.Context, in *patching) (*patched, error) {
		now := a.inside(ctx, http.MethodGet, in.path, nil)
		if now.status != http.StatusOK {
			return nil, now.problem()
		}
		whole, err := merge(now.body.Bytes(), in.RawBody)
		if err != nil {
			return nil, err
		}
		done := a.inside(ctx, http.MethodPut, in.path, whole)
		if done.status/100 != 2 {
			return nil, done.problem()
		}
		return &patched{ETag: done.header.Get("ETag"), Body: done.body.Bytes()}, nil
	})
	// Only now, see route.
	item := a.huma.OpenAPI().Paths[put.Path]
	item.Patch.RequestBody.Content = map[string]*huma.MediaType{"application/merge-patch+json": {Schema: members}, "application/json": {Schema: members}}
	item.Patch.Responses = put.Responses
	item.Patch.Parameters = put.Parameters
}

// merge applies a patch to a document.
func merge(doc, patch []byte) ([]byte, error) {
	var target, change any
	if err := decode(patch, &change); err != nil {
		return nil, &Problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: "the patch is no JSON", Errors: []Fault{{Message: err.Error(), Location: "body"}}}
	}
	if _, ok := change.(map[string]any); !ok {
		return nil, wrong("body", "a merge patch is an object")
	}
	if err := decode(doc, &target); err != nil {
		return nil, err
	}
	return json.Marshal(mergeInto(target, change))
}

// decode keeps numbers as they are written.
func decode(b []byte, into *any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("something follows the JSON")
	}
	return nil
}

// mergeInto is MergePatch of RFC 7396 §2.
func mergeInto(target, patch any) any {
	change, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	whole, ok := target.(map[string]any)
	if !ok {
		whole = map[string]any{}
	}
	for k, v := range change {
		if v == nil {
			delete(whole, k)
		} else {
			whole[k] = mergeInto(whole[k], v)
		}
	}
	return whole
}

// insideKey marks a request that the API makes to itself, for one that was let in.
type insideKey struct{}

func inside(ctx context.Context) bool { return ctx.Value(insideKey{}) != nil }

// inside carries out a request as part of another one, which was let in already.
func (a *api) inside(ctx context.Context, method, path string, body []byte) *kept {
	k := &kept{header: http.Header{}, status: http.StatusOK}
	u, err := url.Parse(path)
	if err != nil {
		k.status = http.StatusBadRequest
		return k
	}
	req := (&http.Request{Method: method, URL: u, Header: http.Header{}, Body: http.NoBody}).WithContext(context.WithValue(ctx, insideKey{}, true))
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Body, req.ContentLength = readCloser{bytes.NewReader(body)}, int64(len(body))
	}
	a.whole.ServeHTTP(k, req)
	return k
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// kept is an http.ResponseWriter that keeps the answer.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is that of http.ResponseWriter.
func (k *kept) Header() http.Header { return k.header }

// WriteHeader is that of http.ResponseWriter.
func (k *kept) WriteHeader(status int) { k.status = status }

// Write is that of http.ResponseWriter.
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }

// problem is the refusal that was answered.
func (k *kept) problem() *Problem {
	p := &Problem{Status: k.status}
	_ = json.Unmarshal(k.body.Bytes(), p) // or the status says it
	if k.status >= http.StatusInternalServerError {
		p = &Problem{Status: k.status, Code: p.Code, Detail: p.Detail} // it is in the log already
	}
	p.headers = http.Header{}
	for _, h := range []string{"Retry-After", "Etag"} {
		if v := k.header.Get(h); v != "" {
			p.headers.Set(h, v)
		}
	}
	return p
}

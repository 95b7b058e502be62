// Package apitest holds what goes over the wire in tests against the OpenAPI
// document, and knows which operations were never tried.
package apitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/callyard/callyard/internal/httpapi"
)

// Document is the API's description, and what was tried of it. Safe for use by
// many tests at once.
type Document struct {
	requests  routers.Router // what is only read need not be sent
	responses routers.Router

	mu    sync.Mutex
	tried map[string]bool // by operation id
}

// Read reads the description that the code makes, once for all tests.
var Read = sync.OnceValues(func() (*Document, error) {
	b, err := httpapi.OpenAPI()
	if err != nil {
		return nil, err
	}
	doc, responses, err := load(b, false)
	if err != nil {
		return nil, err
	}
	_, requests, err := load(b, true)
	if err != nil {
		return nil, err
	}
	d := &Document{requests: requests, responses: responses, tried: map[string]bool{}}
	for _, item := range doc.Paths.Map() {
		for _, o := range item.Operations() {
			d.tried[o.OperationID] = false
		}
	}
	for _, sound := range []string{"audio/wav", "audio/mpeg"} {
		openapi3filter.RegisterBodyDecoder(sound, openapi3filter.FileBodyDecoder)
	}
	for _, kind := range []string{"application/merge-patch+json", "application/problem+json"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.JSONBodyDecoder)
	}
	return d, nil
})

func load(b []byte, forRequests bool) (*openapi3.T, routers.Router, error) {
	b, err := rewritten(b, forRequests)
	if err != nil {
		return nil, nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		return nil, nil, err
	}
	// patternDescription is huma's, and beside the standard.
	if err := doc.Validate(context.Background(), openapi3.AllowExtraSiblingFields("patternDescription")); err != nil {
		return nil, nil, err
	}
	r, err := gorillamux.NewRouter(doc)
	return doc, r, err
}

// rewritten is a document whose schemas are told to the library as it understands
// them. It takes {} to forbid null, where 3.1 allows anything; and it asks of
// requests what is only read, if forRequests does not take that away: it is
// required of answers alone.
func rewritten(b []byte, forRequests bool) ([]byte, error) {
	var doc any
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if any, ok := v["additionalProperties"].(map[string]any); ok && len(any) == 0 {
				v["additionalProperties"] = true
			}
			properties, _ := v["properties"].(map[string]any)
			if required, ok := v["required"].([]any); ok && properties != nil && forRequests {
				v["required"] = slices.DeleteFunc(required, func(name any) bool {
					p, _ := properties[fmt.Sprint(name)].(map[string]any)
					return p["readOnly"] == true
				})
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(doc)
	return json.Marshal(doc)
}

// Untried are the operations that no test has carried out with success.
func (d *Document) Untried() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for id, tried := range d.tried {
			if !tried && !yield(id, true) {
				return
			}
		}
	})))
}

// Client is an HTTP client that fails the test when an answer is not what the
// document says, or when something is accepted that it does not allow.
func Client(t testing.TB) *http.Client {
	t.Helper()
	d, err := Read()
	if err != nil {
		t.Fatalf("openapi document: %v", err)
	}
	return &http.Client{Transport: &checked{t: t, doc: d}}
}

// takesAll are operations that answer what is wrong with a document, also with one
// that is no JSON.
var takesAll = map[string]bool{"check_flow": true}

type checked struct {
	t   testing.TB
	doc *Document
}

// RoundTrip implements http.RoundTripper.
func (c *checked) RoundTrip(req *http.Request) (*http.Response, error) {
	var sent []byte
	if req.Body != nil {
		var err error
		if sent, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(sent))
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return res, err
	}
	route, params, err := c.doc.responses.FindRoute(req)
	if err != nil {
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed && !strings.HasSuffix(req.URL.Path, "/openapi.json") && req.URL.Path != "/welcome" { // a page
			c.t.Errorf("%s %s is answered %d, and is not in the document", req.Method, req.URL.Path, res.StatusCode)
		}
		return res, nil
	}
	o := &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true,
		ExcludeReadOnlyValidations: true, // what was read can be written
	}
	asked, _, err := c.doc.requests.FindRoute(req)
	if err != nil {
		return res, err
	}
	in := &openapi3filter.RequestValidationInput{Request: req.Clone(req.Context()), PathParams: params, Route: asked, Options: o}
	in.Request.Body = io.NopCloser(bytes.NewReader(sent))
	if res.StatusCode/100 == 2 {
		c.doc.mu.Lock()
		c.doc.tried[route.Operation.OperationID] = true
		c.doc.mu.Unlock()
		if err := openapi3filter.ValidateRequest(req.Context(), in); err != nil && !takesAll[route.Operation.OperationID] {
			c.t.Errorf("%s %s is accepted, and is not as the document says: %v\n%s", req.Method, req.URL.Path, err, sent)
		}
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res, nil
	}
	got, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(got))
	in.Route = route
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Options: o}
	out.SetBodyBytes(got)
	if err := openapi3filter.ValidateResponse(req.Context(), out); err != nil {
		c.t.Errorf("%s %s: the answer %d is not as the document says: %v\n%s", req.Method, req.URL.Path, res.StatusCode, err, got)
	}
	return res, nil
}

// Package client speaks to a running hub over its REST API and follows its
// events.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Client is a hub's address and a key to it.
type Client struct {
	URL string // "http://127.0.0.1:8080"
	Key string // "ck_…"
}

// UnreachableError is returned when nothing answers at the hub's address.
type UnreachableError struct {
	URL string
	Err error
}

func (e *UnreachableError) Error() string {
	if errors.Is(e.Err, syscall.ECONNREFUSED) {
		return fmt.Sprintf("no hub answers at %s: is it running? (callyard serve, or make run); name another with --url or CALLYARD_URL", e.URL)
	}
	return fmt.Sprintf("no hub answers at %s: %v", e.URL, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// Problem is a refusal of the hub, as RFC 9457 has it.
type Problem struct {
	Status    int     `json:"status"`
	Title     string  `json:"title"`
	Detail    string  `json:"detail"`
	Code      string  `json:"code"`
	RequestID string  `json:"request_id"`
	Faults    []Fault `json:"errors"`
}

// Fault is one thing that was wrong with a request.
type Fault struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	switch {
	case p.Detail != "":
		b.WriteString(p.Detail)
	case p.Title != "":
		b.WriteString(p.Title)
	default:
		fmt.Fprintf(&b, "the hub answered %d %s", p.Status, http.StatusText(p.Status))
	}
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "\n  %s", strings.TrimPrefix(f.Location+": "+f.Message, ": "))
	}
	switch {
	case p.Status == http.StatusUnauthorized:
		b.WriteString("; give a key with --key or CALLYARD_KEY")
	case p.Status >= 500 && p.RequestID != "":
		fmt.Fprintf(&b, " (request %s: look for it in the hub's log)", p.RequestID)
	}
	return b.String()
}

// Request is what to ask a hub for.
type Request struct {
	Method string      // "GET" if empty
	Path   string      // "/v1/calls?limit=1"
	Header http.Header // nil: nothing but what is always sent
	Body   any         // sent as JSON; json.RawMessage and a File as they are; nil: none
}

// File is a body that is no JSON.
type File struct {
	Type string // "audio/wav"
	Data []byte
}

// Do sends a request and reads the answer's JSON into into, unless that is nil.
// The error is a *Problem when the hub refused, an *UnreachableError when there
// is none.
func (c *Client) Do(ctx context.Context, r Request, into any) (http.Header, error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return res.Header, fmt.Errorf("%s %s: %w", res.Request.Method, r.Path, err)
	}
	if into == nil || len(body) == 0 {
		return res.Header, nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return res.Header, fmt.Errorf("%s %s: the answer is not understood: %w", res.Request.Method, r.Path, err)
	}
	return res.Header, nil
}

// Get reads the JSON at a path.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	_, err := c.Do(ctx, Request{Path: path}, into)
	return err
}

// Bytes reads what is at a path as it is: a sound, at most 64 MiB.
func (c *Client) Bytes(ctx context.Context, path string) ([]byte, error) {
	return c.Raw(ctx, Request{Path: path})
}

// Raw is Do for an answer that is no JSON.
func (c *Client) Raw(ctx context.Context, r Request) ([]byte, error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Path, err)
	}
	return b, nil
}

// send returns an answer that is not a refusal; its body is open.
func (c *Client) send(ctx context.Context, r Request) (*http.Response, error) {
	var body io.Reader
	kind := "application/json"
	if f, ok := r.Body.(File); ok {
		kind, body = f.Type, bytes.NewReader(f.Data)
	} else if r.Body != nil {
		b, err := json.Marshal(r.Body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, strings.TrimRight(c.URL, "/")+r.Path, body)
	if err != nil {
		return nil, fmt.Errorf("hub address %q: %w", c.URL, err)
	}
	for k, v := range r.Header {
		req.Header[http.CanonicalHeaderKey(k)] = v
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s %s: %w", req.Method, r.Path, ctx.Err())
		}
		return nil, &UnreachableError{URL: c.URL, Err: err}
	}
	if res.StatusCode < 400 {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	p := &Problem{}
	if b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20)); err == nil {
		_ = json.Unmarshal(b, p) // not a problem document: the status says it
	}
	p.Status = res.StatusCode
	return nil, p
}

// Within bounds a request that should be quick.
func Within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 15*time.Second)
}

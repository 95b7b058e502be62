package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/callyard/callyard/internal/keypg"
)

// once carries a POST with an Idempotency-Key out one time, and gives its answer
// again to whoever repeats it. Only successes are kept: what was refused has
// changed nothing and may come to something the next time.
func (a *api) once(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header("Idempotency-Key")
	o, _ := ctx.Operation().Metadata["op"].(op)
	if ctx.Method() != http.MethodPost || key == "" || o.open {
		next(ctx)
		return
	}
	if len(key) > 255 {
		a.refuse(ctx, wrong("header.Idempotency-Key", "at most 255 characters"))
		return
	}
	c := unwrap(ctx)
	sent, err := io.ReadAll(c.Request.Body)
	if err != nil {
		a.refuse(ctx, unreadable(err))
		return
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(sent))
	owner := requestOf(ctx.Context()).by.ID
	before, err := a.Keys.Begin(ctx.Context(), owner, key, fingerprint(c.Request, sent), a.Now())
	switch {
	case errors.Is(err, keypg.ErrRunning):
		a.refuse(ctx, &Problem{Status: http.StatusConflict, Code: "idempotency_key_running", Detail: keypg.ErrRunning.Error(), headers: retryAfter("1")})
		return
	case errors.Is(err, keypg.ErrOther):
		p := &Problem{Status: http.StatusUnprocessableEntity, Code: "idempotency_key_reused", Detail: keypg.ErrOther.Error()}
		a.refuse(ctx, p.in("header.Idempotency-Key", "was sent with another request before"))
		return
	case err != nil:
		a.refuse(ctx, a.problem(ctx.Context(), err))
		return
	case before != nil:
		repeat(c, *before)
		return
	}
	w := &recorder{ResponseWriter: c.Writer}
	c.Writer = w
	kept := false
	defer func() { // also when the handler panics
		c.Writer = w.ResponseWriter
		if !kept {
			a.forget(ctx.Context(), owner, key)
		}
	}()
	next(ctx)
	if status := w.Status(); status/100 != 2 {
		return
	}
	// The client may have gone; the answer is for when it comes again.
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx.Context()), 5*time.Second)
	defer cancel()
	if err := a.Keys.Finish(keep, owner, key, w.answer(o.secret)); err != nil {
		a.Log.Warn("answer not kept; a repetition waits until the request is taken for lost", "request_id", requestOf(ctx.Context()).id, "err", err)
	}
	kept = true
}

func (a *api) forget(ctx context.Context, owner, key string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := a.Keys.Forget(ctx, owner, key); err != nil {
		a.Log.WarnContext(ctx, "refused request not forgotten", "request_id", requestOf(ctx).id, "err", err)
	}
}

func fingerprint(r *http.Request, sent []byte) []byte {
	h := sha256.New()
	h.Write([]byte(r.Method + " " + r.URL.RequestURI() + "\n" + r.Header.Get("Content-Type") + "\n"))
	h.Write(sent)
	return h.Sum(nil)
}

func unreadable(err error) *Problem {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &Problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: "a request has at most 1 MB"}
	}
	return &Problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: "the request could not be read"}
}

// kept are the headers that belong to an answer and not to its moment.
var keptHeaders = []string{"Content-Type", "Location", "Etag"}

func repeat(c *gin.Context, a keypg.Answer) {
	for k, v := range a.Headers {
		c.Header(k, v)
	}
	c.Header("Idempotency-Replayed", "true")
	c.Status(a.Status)
	_, _ = c.Writer.Write(a.Body) // a client that has gone does not need it
}

// recorder keeps what is written through it.
type recorder struct {
	gin.ResponseWriter
	sent bytes.Buffer
}

// Write implements io.Writer.
func (r *recorder) Write(b []byte) (int, error) {
	r.sent.Write(b)
	return r.ResponseWriter.Write(b)
}

// WriteString implements io.StringWriter.
func (r *recorder) WriteString(s string) (int, error) {
	r.sent.WriteString(s)
	return r.ResponseWriter.WriteString(s)
}

// answer is what was written, without the key of it that is shown once.
func (r *recorder) answer(secret string) keypg.Answer {
	a := keypg.Answer{Status: r.Status(), Headers: map[string]string{}, Body: r.sent.Bytes()}
	for _, h := range keptHeaders {
		if v := r.Header().Get(h); v != "" {
			a.Headers[h] = v
		}
	}
	if secret != "" {
		var doc map[string]any
		if json.Unmarshal(a.Body, &doc) != nil {
			a.Body = nil
			return a
		}
		delete(doc, secret)
		a.Body, _ = json.Marshal(doc) // it was JSON before
	}
	return a
}

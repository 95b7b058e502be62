package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/keypg"
)

// request is what is known of the request that a context belongs to.
type request struct {
	id  string
	key keypg.Key // whose it is, once authenticated
}

type requestKey struct{}

// requestOf is the request of a context; an empty one for a context of another kind.
func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// actor is the agent for whom a key acts.
func actor(ctx context.Context, agent string) call.Actor {
	return call.Actor{User: agent, Device: requestOf(ctx).key.ID, Via: "rest"}
}

func unwrap(ctx huma.Context) *gin.Context { return humagin.Unwrap(ctx) }

// identify gives the request its id, bounds its body and logs it. The log names
// the route and not the path, in which there may be telephone numbers.
func (a *api) identify(c *gin.Context) {
	if inside(c.Request.Context()) {
		c.Next()
		return
	}
	begun := a.Now()
	r := &request{id: call.NewID("req", begun)}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), requestKey{}, r))
	if c.Request.Body != nil {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, cmp.Or(a.long[c.Request.Method+" "+c.FullPath()], MaxBody)+1)
	}
	c.Header("X-Request-Id", r.id)
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Next()
	a.Log.Debug("request", "request_id", r.id, "method", c.Request.Method, "route", c.FullPath(),
		"status", c.Writer.Status(), "took_ms", a.Now().Sub(begun).Milliseconds(), "key", r.key.ID)
}

// recover answers for a handler that panicked.
func (a *api) recover(c *gin.Context) {
	defer func() {
		if v := recover(); v != nil {
			a.Log.Error("handler panicked", "request_id", requestOf(c.Request.Context()).id, "err", fmt.Sprint(v), "stack", string(debug.Stack()))
			if !c.Writer.Written() {
				a.answer(c, &Problem{Status: http.StatusInternalServerError, Code: "internal"})
			}
		}
	}()
	c.Next()
}

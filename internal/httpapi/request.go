package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/callyard/callyard/internal/call"
)

// request is what is known of the request that a context belongs to.
type request struct {
	id            string
	at            time.Time
	from          source
	method, path  string
	cookie        string // of a session, "" if there is none
	browser       string
	base          string // how the hub is called from there: "https://hub.example.com"
	authorization string // the header
	by            caller // once authenticated
	op            op     // what they use
}

type requestKey struct{}

// requestOf is the request of a context; an empty one for a context of another kind.
func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{}
}

// spoiltPart is the part of a request in which there is something that is no text.
func (r *request) spoiltPart() string {
	switch {
	case !utf8.ValidString(r.path) || strings.ContainsRune(r.path, 0):
		return "path"
	case r.method == http.MethodGet || r.method == http.MethodDelete:
		return "query"
	}
	return "body"
}

// actor is the agent for whom a key or a person acts.
func actor(ctx context.Context, agent string) call.Actor {
	return call.Actor{User: agent, Device: requestOf(ctx).by.ID, Via: "rest"}
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
	r := &request{
		id: call.NewID("req", begun), at: begun, from: sourceOf(c.Request, a.Proxies), method: c.Request.Method, path: c.Request.URL.Path,
		browser: c.Request.UserAgent(), authorization: c.GetHeader("Authorization"),
	}
	r.cookie, r.base = sessionCookie(c.Request, r.from), "http://"+c.Request.Host
	if r.from.secure {
		r.base = "https://" + c.Request.Host
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), requestKey{}, r))
	if c.Request.Body != nil {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, cmp.Or(a.long[c.Request.Method+" "+c.FullPath()], MaxBody)+1)
	}
	c.Header("X-Request-Id", r.id)
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
	a.admit(c, r)
	a.Log.Debug("request", "request_id", r.id, "method", c.Request.Method, "route", c.FullPath(),
		"status", c.Writer.Status(), "took_ms", a.Now().Sub(begun).Milliseconds(), "by", r.by.ID)
}

// admit goes on with a request unless a page of another site had a browser send
// it, or strangers of this source have asked too much; where nobody is asked who
// they are, everybody is one. Who shows a key is no browser's victim: a browser adds
// none by itself.
func (a *api) admit(c *gin.Context, r *request) {
	keyed := r.authorization != ""
	if err := a.crossing.Check(c.Request); err != nil && !keyed {
		a.answer(c, &Problem{Status: http.StatusForbidden, Code: "cross_origin", Detail: "a page of another site asked for this"})
		return
	}
	if c.FullPath() == "" || a.open[c.Request.Method+" "+c.FullPath()] || !keyed && r.cookie == "" {
		t := a.strangers.take(r.from.name(), r.at)
		t.tell(c.Writer.Header())
		if !t.ok {
			a.answer(c, tooMany(t))
			return
		}
	}
	c.Next()
}

// sessionCookie is the cookie of a session: over TLS only one that was set over
// TLS, over plain HTTP only from this machine.
func sessionCookie(r *http.Request, from source) string {
	name := secureCookie
	if !from.secure {
		if !from.loopback() {
			return ""
		}
		name = plainCookie
	}
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
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

package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/userpg"
)

var (
	//go:embed pages/welcome.html
	welcomeHTML string
	//go:embed pages/welcome.css
	welcomeCSS string

	welcomeTemplate = template.Must(template.New("welcome").Parse(welcomeHTML))
)

// WelcomePath is where a link leads, below the hub's address.
func WelcomePath(token string) string { return "/welcome?token=" + url.QueryEscape(token) }

// page is what the form shows.
type welcomePage struct {
	Title               string
	Style               template.CSS
	Token               string
	Admin               bool // an admin is made; else a user sets their password
	Name, Display, Base string
	Least               int
	Fault, Cure         string
	Closed, Done        bool
}

// welcome is the form behind one-time links. To look at it uses nothing up:
// programs that look at links before people do would have it first.
func (a *api) welcome(r *gin.Engine) {
	r.GET("/welcome", func(c *gin.Context) {
		if p, ok := a.door(c, c.Query("token")); ok {
			a.show(c, http.StatusOK, p)
		}
	})
	r.POST("/welcome", a.enter)
}

// door is the form for a token; what to show instead is shown, and ok false, when
// the link does not open.
func (a *api) door(c *gin.Context, token string) (p welcomePage, ok bool) {
	r := requestOf(c.Request.Context())
	p = welcomePage{Title: "Welcome to Callyard", Token: token, Base: r.base, Least: userpg.MinPassword}
	closed := func(status int, fault, cure string) (welcomePage, bool) {
		p.Closed, p.Fault, p.Cure = true, fault, cure
		a.show(c, status, p)
		return p, false
	}
	if !r.from.secure && !r.from.loopback() {
		return closed(http.StatusForbidden, "A password is taken over TLS only, or on the machine of the hub itself.",
			"Open the link there, or with https:// if the hub has a certificate (http.tls_listen).")
	}
	u, err := a.People.Link(c.Request.Context(), token, a.Now())
	switch {
	case errors.Is(err, userpg.ErrLink):
		return closed(http.StatusGone, "This link has been used, or has expired.",
			"An admin makes another with “callyard user link”. A hub without an admin prints one when it starts.")
	case err != nil:
		a.fail(c, err)
		return p, false
	}
	p.Admin, p.Name = u.ID == "", u.Name
	return p, true
}

func (a *api) enter(c *gin.Context) {
	if err := c.Request.ParseForm(); err != nil {
		p := welcomePage{Title: "Welcome to Callyard", Closed: true, Fault: "The form could not be read.", Cure: "Open the link again."}
		a.show(c, http.StatusBadRequest, p)
		return
	}
	form := c.Request.PostForm
	p, ok := a.door(c, form.Get("token"))
	if !ok {
		return
	}
	if p.Admin {
		p.Name, p.Display = form.Get("name"), form.Get("display")
	}
	again := func(fault string) {
		p.Fault = fault
		a.show(c, http.StatusUnprocessableEntity, p)
	}
	if form.Get("password") != form.Get("again") {
		again("The two passwords are not the same.")
		return
	}
	r := requestOf(c.Request.Context())
	by := a.author(r)
	by.Kind = "link"
	u, err := a.People.OpenLink(pg.By(c.Request.Context(), by), p.Token, p.Name, short(p.Display, 100), form.Get("password"), a.Now())
	weak, invalid, taken := (*userpg.WeakPasswordError)(nil), (*userpg.InvalidError)(nil), (*userpg.TakenError)(nil)
	switch {
	case errors.As(err, &weak):
		again("The password " + weak.Why + ".")
	case errors.As(err, &invalid):
		again("The " + invalid.Field + " " + invalid.Why + ".")
	case errors.As(err, &taken):
		again("Somebody else has this " + taken.Field + ".")
	case errors.Is(err, userpg.ErrLink):
		a.door(c, "") // somebody else was quicker
	case err != nil:
		a.fail(c, err)
	default:
		a.Log.InfoContext(c.Request.Context(), "link opened", "request_id", r.id, "user", u.ID, "ip", r.from.ip)
		p.Title, p.Done, p.Name = "Done", true, u.Name
		a.show(c, http.StatusOK, p)
	}
}

func (a *api) fail(c *gin.Context, err error) {
	pr := a.problem(c.Request.Context(), err)
	a.complete(c.Request.Context(), pr)
	a.show(c, pr.Status, welcomePage{
		Title: "Welcome to Callyard", Closed: true, Fault: "That did not work.",
		Cure: "Try again; if it stays so, the hub's log says why (request " + pr.RequestID + ").",
	})
}

// short is the beginning of a text.
func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// show writes the page. It may load nothing, run nothing, be framed by nobody and
// send its form only here, and its address, which is a secret, goes nowhere.
func (a *api) show(c *gin.Context, status int, p welcomePage) {
	p.Style = template.CSS(welcomeCSS) //nolint:gosec // ours, embedded
	sum := sha256.Sum256([]byte(welcomeCSS))
	var out bytes.Buffer
	if err := welcomeTemplate.Execute(&out, p); err != nil {
		a.answer(c, a.problem(c.Request.Context(), err))
		return
	}
	c.Header("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	c.Header("Referrer-Policy", "no-referrer")
	c.Header("X-Frame-Options", "DENY")
	c.Data(status, "text/html; charset=utf-8", out.Bytes())
}

// Package httpapi is the REST API and the event stream: it checks who asks and
// what, calls the domains, and says what came of it in one shape.
package httpapi

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/callyard/callyard/analytics"
	"github.com/callyard/callyard/callback"
	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/internal/userpg"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// What the API calls, each declared with the methods it uses.
type (
	// Live is the calls of this node.
	Live interface {
		Live() []callctl.Snapshot
		Park(ctx context.Context, id call.ID, lot string, slot int, by call.Actor) (parking.Park, error)
		Retrieve(ctx context.Context, t parking.Target, agent string) (parking.Park, error)
		Move(ctx context.Context, id call.ID, m parking.Move) (parking.Park, error)
		Annotate(ctx context.Context, park, note string, by call.Actor) (parking.Park, error)
		Switch(ctx context.Context, id call.ID, from, to string, by call.Actor) (queues.Entry, error)
		Withdraw(ctx context.Context, id call.ID, queue string, by call.Actor) error
		Hangup(id call.ID) error
		Transfer(ctx context.Context, id call.ID, to string, by call.Actor) error
		Record(id call.ID, do string, by call.Actor) error
	}
	// Lots is the lots and what is parked in them.
	Lots interface {
		Lot(ctx context.Context, name string) (parking.Lot, error)
		Lots(ctx context.Context) ([]parking.Lot, error)
		SaveLot(ctx context.Context, l parking.Lot) error
		DeleteLot(ctx context.Context, name string) error
		Live(ctx context.Context, f parking.Filter) ([]parking.Park, error)
		Park(ctx context.Context, id string) (parking.Park, error)
		Reservations(ctx context.Context, lot string, at time.Time) ([]parking.Reservation, error)
	}
	// Agents is the queues, those who wait in them and those who serve them.
	Agents interface {
		Queue(ctx context.Context, name string) (queues.Queue, error)
		Queues(ctx context.Context) ([]queues.Queue, error)
		SaveQueue(ctx context.Context, q queues.Queue) error
		DeleteQueue(ctx context.Context, name string) error
		Waiting(ctx context.Context, queue string) ([]queues.Entry, error)
		Amend(ctx context.Context, c call.ID, queue string, a queues.Amendment, by call.Actor, now time.Time) (queues.Entry, error)
		Agent(ctx context.Context, name string) (queues.Agent, error)
		Agents(ctx context.Context) ([]queues.Agent, error)
		SaveAgent(ctx context.Context, a queues.Agent) error
		DeleteAgent(ctx context.Context, name string) error
		SetStatus(ctx context.Context, agent string, s queues.Status, reason string, now time.Time) error
		EndWrapUp(ctx context.Context, agent string, since, now time.Time) error
		Devices(ctx context.Context, agent string, now time.Time) ([]queues.Device, error)
		Moments(ctx context.Context, from, to time.Time) ([]queues.Moment, error)
		MomentsOf(ctx context.Context, agent string, before int64, limit int) ([]queues.Moment, error)
	}
	// Routes is the telephone numbers and trunks.
	Routes interface {
		Number(ctx context.Context, idOrNumber string) (routing.Number, error)
		Numbers(ctx context.Context) ([]routing.Number, error)
		SaveNumber(ctx context.Context, n routing.Number) error
		DeleteNumber(ctx context.Context, id string) error
		Trunk(ctx context.Context, idOrName string) (routing.Trunk, error)
		Trunks(ctx context.Context) ([]routing.Trunk, error)
		SaveTrunk(ctx context.Context, t routing.Trunk) error
		DeleteTrunk(ctx context.Context, id string) error
	}
	// Contacts is the built-in address book.
	Contacts interface {
		Contact(ctx context.Context, id string) (crm.Contact, error)
		Contacts(ctx context.Context, f crm.ContactFilter) ([]crm.Contact, error)
		Save(ctx context.Context, c crm.Contact, now time.Time) (crm.Contact, error)
		Delete(ctx context.Context, id string) error
		Import(ctx context.Context, cs []crm.Contact, now time.Time) (created, changed int, err error)
	}
	// Outbox is what is on its way to CRMs.
	Outbox interface {
		Delivery(ctx context.Context, id int64) (crm.Delivery, error)
		Deliveries(ctx context.Context, f crm.DeliveryFilter) ([]crm.Delivery, error)
		Resend(ctx context.Context, id int64) error
	}
	// Calls is the list of calls and their ledger.
	Calls interface {
		Call(ctx context.Context, id call.ID) (callpg.Row, error)
		Calls(ctx context.Context, f callpg.Filter) (list []callpg.Row, next string, err error)
		Timeline(ctx context.Context, id call.ID) ([]call.Event, error)
		CountRan(ctx context.Context, f callpg.RanFilter) (int, error)
		Ran(ctx context.Context, f callpg.RanFilter) (list []callpg.Ran, next string, err error)
	}
	// Dispositions is what came of calls.
	Dispositions interface {
		Codes(ctx context.Context) (disposition.List, error)
		SaveCodes(ctx context.Context, l disposition.List) error
		Say(ctx context.Context, id call.ID, s disposition.Said) (disposition.Said, error)
	}
	// Callbacks is who is owed a call.
	Callbacks interface {
		Callback(ctx context.Context, id string) (callback.Callback, error)
		Callbacks(ctx context.Context, f callback.Filter) ([]callback.Callback, error)
		Cancel(ctx context.Context, id, why string, by call.Actor, now time.Time) (callback.Callback, error)
	}
	// Jobs is the work that was given up.
	Jobs interface {
		Discarded(ctx context.Context, limit int) ([]jobs.Failed, error)
		Retry(ctx context.Context, id int64) error
	}
	// Keys is who may ask, and what was answered to requests that are repeated.
	Keys interface {
		Create(ctx context.Context, k keypg.Key, now time.Time) (keypg.Key, string, error)
		Find(ctx context.Context, secret string, now time.Time) (keypg.Key, error)
		List(ctx context.Context) ([]keypg.Key, error)
		Revoke(ctx context.Context, id string, now time.Time) error
		Begin(ctx context.Context, apiKey, key string, request []byte, now time.Time) (*keypg.Answer, error)
		Finish(ctx context.Context, apiKey, key string, a keypg.Answer) error
		Forget(ctx context.Context, apiKey, key string) error
	}
)

// People is who may sign in, and where they are.
type People interface {
	User(ctx context.Context, idOrName string) (userpg.User, error)
	Users(ctx context.Context) ([]userpg.User, error)
	Create(ctx context.Context, u userpg.User, password string, now time.Time) (userpg.User, error)
	Change(ctx context.Context, idOrName string, change func(*userpg.User)) (userpg.User, error)
	Delete(ctx context.Context, idOrName string) error
	SetPassword(ctx context.Context, idOrName, password string) error
	ChangePassword(ctx context.Context, u userpg.User, session, old, password string) error
	Login(ctx context.Context, name, password, before, ip, browser string, now time.Time) (userpg.User, userpg.Session, string, error)
	Resume(ctx context.Context, cookie string, now time.Time) (userpg.User, userpg.Session, error)
	Sessions(ctx context.Context, user string, now time.Time) ([]userpg.Session, error)
	Revoke(ctx context.Context, user, id string) error
	RevokeOthers(ctx context.Context, user, but string) error
	NewLink(ctx context.Context, idOrName string, now time.Time) (token string, u userpg.User, err error)
	Link(ctx context.Context, token string, now time.Time) (userpg.User, error)
	OpenLink(ctx context.Context, token, name, display, password string, now time.Time) (userpg.User, error)
}

// Deps is what the API is made of. All are needed unless said otherwise.
type Deps struct {
	Live     Live
	Lots     Lots
	Agents   Agents
	Routes   Routes
	Carriers Carriers
	Flows    Flows
	Contacts Contacts
	Outbox   Outbox
	Calls    Calls

	Calendars    Calendars
	Dispositions Dispositions
	Callbacks    Callbacks
	Jobs         Jobs
	Keys         Keys
	People       People
	Audit        Audit
	Prompts      Prompts
	Feed         *Feed
	Webhooks     Webhooks
	// Voicemail is messages and greetings.
	Voicemail Voicemail
	// Recordings is the folder of recorded conversations.
	Recordings fs.FS

	// Report makes the park-to-answer report of a window.
	Report func(ctx context.Context, w analytics.Window, o analytics.Options) (analytics.Report, error)
	// Setup brings the configuration in line with a document, and makes it known.
	Setup func(ctx context.Context, d setup.Document, o setup.Options) ([]setup.Change, error)
	// Export is the configuration as a set-up file.
	Export func(ctx context.Context, contacts bool) (setup.Exported, error)
	// Settings is the configuration of the process, without secrets.
	Settings func() []Setting
	// Alone runs do while no other node runs one of the same name.
	Alone func(ctx context.Context, name string, do func(context.Context)) error
	// Changed is called after every other change of the configuration, with the kind
	// of what was changed: "lots".
	Changed func(ctx context.Context, kind string) error
	// Speak turns a text into a WAV file.
	Speak func(ctx context.Context, text, lang string) ([]byte, error)
	// Sounds is the names of all sounds that can be played.
	Sounds func() []string
	// Known is what a flow may name, as it is stored now.
	Known func(ctx context.Context) (routing.Known, error)

	Limits  Limits
	Proxies []netip.Prefix // whose X-Forwarded-… headers are believed

	Node    call.NodeID
	Realm   string // SIP passwords are digested with it
	Region  string // "ES": telephone numbers without a prefix are read as of there
	Version string
	Now     func() time.Time
	Log     *slog.Logger
}

// api is the handlers' receiver.
type api struct {
	Deps
	huma               huma.API
	long               map[string]int64    // by method and path: the longest body, where that is not MaxBody
	open               map[string]bool     // by method and path: for everybody
	set                map[string]settable // by path: what has an ETag
	whole              http.Handler        // all of the API, for requests that are part of others
	crossing           *http.CrossOriginProtection
	callers, strangers *buckets // by key or session; by source
	logins             logins
}

// MaxBody is the longest request that is read, in bytes.
const MaxBody = 1 << 20

// configure sets what gin and huma keep in package variables.
var configure = sync.OnceFunc(func() {
	gin.SetMode(gin.ReleaseMode)
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
	huma.NewError = newError
	huma.NewErrorWithContext = func(_ huma.Context, status int, msg string, errs ...error) huma.StatusError {
		return newError(status, msg, errs...)
	}
})

// New is the handler of the API.
func New(d Deps) http.Handler {
	_, h := build(d)
	return h
}

// OpenAPI is the API's description, which needs none of its parts.
func OpenAPI() ([]byte, error) {
	a, _ := build(Deps{Version: "1", Log: slog.New(slog.DiscardHandler), Now: time.Now})
	return a.document()
}

func build(d Deps) (*api, http.Handler) {
	configure()
	a := &api{
		Deps: d, long: map[string]int64{}, open: map[string]bool{"GET /welcome": true, "POST /welcome": true, "GET /v1/openapi.json": true},
		set: map[string]settable{}, crossing: http.NewCrossOriginProtection(), logins: newLogins(),
		callers:   newBuckets(d.Limits.PerS, d.Limits.Burst),
		strangers: newBuckets(d.Limits.OpenPerS, d.Limits.OpenBurst),
	}
	r := gin.New()
	a.whole = r
	r.HandleMethodNotAllowed = true
	r.RedirectTrailingSlash = false
	r.Use(a.identify, a.recover)
	r.NoRoute(func(c *gin.Context) {
		a.answer(c, &Problem{Status: http.StatusNotFound, Code: "route_not_found", Detail: "there is nothing at this path"})
	})
	r.NoMethod(func(c *gin.Context) {
		a.answer(c, &Problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "this path does not take " + c.Request.Method})
	})

	cfg := huma.DefaultConfig("Callyard", d.Version)
	cfg.Info.Description = "Inbound sales calls: flows, parking, queues, agents, and what became of every call."
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "", "", "" // the page would load a script from elsewhere
	cfg.CreateHooks = nil                                       // no "$schema" in every body
	cfg.RejectUnknownQueryParameters = true
	cfg.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key":     {Type: "http", Scheme: "bearer", BearerFormat: "ck_…", Description: "An API key. Scopes: read, write (includes read), admin (includes both), or of one resource, as flows:write."},
		"session": {Type: "apiKey", In: "cookie", Name: secureCookie, Description: "A person who has signed in (POST /v1/sessions). Roles: rep, manager (includes rep), admin (includes both)."},
	}
	cfg.Components.Headers = map[string]*huma.Header{
		"Link": {Schema: &huma.Schema{Type: huma.TypeString}, Description: `The next part of the list, as rel="next" (RFC 8288); absent at its end`},
	}
	cfg.Transformers = []huma.Transformer{a.finish}
	a.huma = humagin.New(r, cfg)
	a.huma.UseMiddleware(a.authenticate, a.once, a.conditional)
	for _, resource := range []func(){
		a.flows, a.aliases, a.trials, a.nodeTypes, a.lots, a.parkedCalls, a.queues, a.agents, a.numbers, a.trunks, a.trunkStatuses, a.contacts, a.calls, a.dispositions, a.callbacks, a.voicemail,
		a.prompts, a.recordings, a.deliveries, a.reports, a.discarded, a.keys, a.setup, a.events,
		a.webhooks, a.webhookDeliveries, a.effectiveConfig, a.calendars,
		a.users, a.sessions, a.auditEvents,
	} {
		resource()
	}
	a.welcome(r)
	r.GET("/v1/openapi.json", func(c *gin.Context) {
		doc, err := a.document()
		if err != nil {
			a.answer(c, a.problem(c.Request.Context(), err))
			return
		}
		c.Data(http.StatusOK, "application/openapi+json", doc)
	})
	return a, r
}

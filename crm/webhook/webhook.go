// Package webhook logs calls by posting them to an address of the customer's,
// signed as Standard Webhooks 1.0.0 asks: the CRM for those whose CRM has no
// provider of its own.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/egress"
)

// Options of a webhook. URL, Secret and Now are required.
type Options struct {
	Name      string        // "webhook" unless set; with several, each has its own
	URL       string        // where to post: https, or http inside one's own network
	Secret    string        // "whsec_…"
	OldSecret string        // signs too while receivers change over to Secret
	Timeout   time.Duration // of one attempt; 15 s unless set
	// BlockPrivate refuses to connect to private, loopback and link-local
	// addresses: for hubs whose webhooks are set by people who must not reach the
	// hub's own network through it.
	BlockPrivate bool
	Now          func() time.Time
}

// Provider posts activities. It knows nobody: Lookup finds no one.
type Provider struct {
	name   string
	url    string
	signer egress.Signer
	now    func() time.Time
	client *http.Client
}

var _ crm.Provider = (*Provider)(nil)

// New checks the options. No request is made yet.
func New(o Options) (*Provider, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("webhook address %q: must be http:// or https://", o.URL)
	}
	if o.Secret == "" {
		return nil, errors.New("webhook: no secret")
	}
	signer, err := egress.NewSigner(o.Secret, o.OldSecret)
	if err != nil {
		return nil, err
	}
	reach := egress.Config{Timeout: o.Timeout}
	if !o.BlockPrivate {
		reach.Allow = egress.Everywhere()
	}
	return &Provider{name: cmp.Or(o.Name, "webhook"), url: u.String(), signer: signer, now: o.Now, client: egress.New(reach)}, nil
}

// Name is the provider's in references and in the outbox.
func (p *Provider) Name() string { return p.name }

// Lookup finds nobody.
func (*Provider) Lookup(context.Context, call.Number) ([]crm.Record, error) { return nil, nil }

// Check finds nothing to complain of: an address can only be tried with a call.
func (*Provider) Check(context.Context) error { return nil }

// message is the body. It is the same, byte for byte, whenever the same
// revision of an activity is sent.
type message struct {
	Type      string    `json:"type"` // "call.completed", later revisions "call.updated"
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	Call        string      `json:"call"`
	Rev         int         `json:"rev"` // the highest is the truth
	Direction   string      `json:"direction"`
	From        call.Number `json:"from"`
	To          call.Number `json:"to"`
	StartedAt   time.Time   `json:"started_at"`
	ConnectedAt *time.Time  `json:"connected_at"`
	EndedAt     time.Time   `json:"ended_at"`
	ParkedMS    int64       `json:"parked_ms"`
	TalkedMS    int64       `json:"talked_ms"`
	Outcome     string      `json:"outcome"`
	Agent       string      `json:"agent"`
	About       []crm.Ref   `json:"about"`
	Recording   string      `json:"recording,omitempty"`
	Task        *crm.Task   `json:"task,omitempty"`
	Notes       string      `json:"notes,omitempty"`

	Disposition *crm.Disposition `json:"disposition,omitempty"`
}

func newMessage(a crm.Activity) message {
	m := message{Type: "call.completed", Timestamp: a.EndedAt.UTC(), Data: data{
		Call: a.Key, Rev: a.Rev, Direction: a.Direction, From: a.From, To: a.To,
		StartedAt: a.StartedAt.UTC(), EndedAt: a.EndedAt.UTC(),
		ParkedMS: a.Parked.Milliseconds(), TalkedMS: a.Talked.Milliseconds(),
		Outcome: a.Outcome, Agent: a.Agent, About: a.About, Recording: a.Recording, Task: a.Task, Notes: a.Notes, Disposition: a.Disposition,
	}}
	if a.ConnectedAt != nil {
		at := a.ConnectedAt.UTC()
		m.Data.ConnectedAt = &at
	}
	if m.Data.About == nil {
		m.Data.About = []crm.Ref{}
	}
	if a.Rev > 1 {
		m.Type = "call.updated"
	}
	return m
}

// messageID is the same for every attempt, so that a receiver can drop what it
// has already. Dots separate the signed parts and so may not be in it.
func messageID(a crm.Activity) string {
	return fmt.Sprintf("msg_%s_%d", strings.ReplaceAll(a.Key, ".", "-"), a.Rev)
}

// LogCall posts the activity. 2xx is accepted; 429, and 503 that says when, is
// *crm.RateLimitedError; 410 is *crm.RefusedError with Gone; no answer, 408 and
// 5xx are *crm.TransientError; all else is *crm.RefusedError.
func (p *Provider) LogCall(ctx context.Context, a crm.Activity) (crm.Ref, error) {
	body, err := json.Marshal(newMessage(a))
	if err != nil {
		return crm.Ref{}, &crm.RefusedError{Why: "activity cannot be written as JSON: " + err.Error()}
	}
	id := messageID(a)
	if err := p.post(ctx, id, body); err != nil {
		return crm.Ref{}, err
	}
	return crm.Ref{Provider: p.name, Type: "webhook", ID: id}, nil
}

// Send posts a message of another kind, signed likewise. id stays the same when
// the same message is sent again. The errors are those of LogCall.
func (p *Provider) Send(ctx context.Context, id, kind string, at time.Time, data any) error {
	body, err := json.Marshal(map[string]any{"type": kind, "timestamp": at.UTC(), "data": data})
	if err != nil {
		return &crm.RefusedError{Why: kind + " cannot be written as JSON: " + err.Error()}
	}
	return p.post(ctx, id, body)
}

// post signs a body and sends it.
func (p *Provider) post(ctx context.Context, id string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return &crm.RefusedError{Why: "webhook address"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Callyard")
	p.signer.Sign(req.Header, id, p.now(), body)

	res, err := p.client.Do(req)
	if err != nil {
		if private := new(egress.ForbiddenAddressError); errors.As(err, &private) {
			return &crm.RefusedError{Why: "webhook " + private.Error()}
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which may hold a token
		}
		return &crm.TransientError{Err: fmt.Errorf("post webhook: %w", err)}
	}
	defer func() { _ = res.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 2048)) // the status alone decides
	return p.classify(res, said)
}

func (p *Provider) classify(res *http.Response, said []byte) error {
	why := fmt.Sprintf("status %d", res.StatusCode)
	after, told := retryAfter(res.Header.Get("Retry-After"), p.now())
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable && told:
		return &crm.RateLimitedError{After: after}
	case code >= 500, code == http.StatusRequestTimeout:
		return &crm.TransientError{Err: errors.New(why)}
	default:
		answer := strings.ToValidUTF8(strings.ReplaceAll(string(said), "\x00", ""), "") // a Postgres text holds neither
		return &crm.RefusedError{Why: why, Answer: answer, Gone: code == http.StatusGone}
	}
}

// retryAfter reads the header of RFC 9110 §10.2.3: seconds, or a date. It stays
// between a second and a day; half a minute if there is none.
func retryAfter(s string, now time.Time) (d time.Duration, told bool) {
	if sec, err := strconv.Atoi(s); err == nil {
		d, told = time.Duration(min(sec, 86400))*time.Second, true
	} else if at, err := http.ParseTime(s); err == nil {
		d, told = at.Sub(now), true
	} else {
		d = 30 * time.Second
	}
	return min(max(d, time.Second), 24*time.Hour), told
}

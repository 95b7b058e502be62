package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/egress"
	"github.com/callyard/callyard/internal/softphone"
)

const hookSecret = "whsec_Y2FsbHlhcmQtdGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ=="

// known is a number whose callers are looked up and put through to who owns them.
const known = `
contacts:
  - {name: Known caller, company: Known company, owner: rep2, phones: ["+12025550188"], fields: {tier: gold}}
flows:
  - schema: callflow/v1
    name: knows
    entry: lookup
    handlers: {hangup: bye, error: bye}
    nodes:
      lookup: {type: crm_lookup, cfg: {by: ani, fields: [owner, tier], deadline_ms: 2000}, on: {one: which, default: stranger}}
      which: {type: switch, cfg: {cases: [{when: 'crm.tier == "gold"', to: owner}]}, on: {default: stranger}}
      owner: {type: dial, cfg: {targets: [owner], ring_s: 20}, on: {default: bye}}
      stranger: {type: dial, cfg: {targets: ["agent:rep1"], ring_s: 20}, on: {default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550150", flow: knows}
`

// hooks receives webhooks. The first request is taken and never answered: what
// the sender sees of a receiver that accepts and then times out.
type hooks struct {
	t  *testing.T
	mu sync.Mutex
	// got are the bodies by webhook-id, one for each attempt.
	got map[string][][]byte
}

func (r *hooks) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = egress.Verify(hookSecret, req.Header, body, time.Now())
	}
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	id := req.Header.Get("webhook-id")
	r.got[id] = append(r.got[id], body)
	first := len(r.got) == 1 && len(r.got[id]) == 1
	r.mu.Unlock()
	if first {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			r.t.Error(err)
			return
		}
		_ = conn.Close() // accepted, and the answer is lost
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *hooks) attempts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := map[string]int{}
	for id, bodies := range r.got {
		n[id] = len(bodies)
	}
	return n
}

func TestKnownCallerReachesTheOwner(t *testing.T) {
	t.Parallel()
	receiver := &hooks{t: t, got: map[string][][]byte{}}
	srv := httptest.NewServer(receiver)
	t.Cleanup(srv.Close)
	h := start(t, known, func(c *config.Config) { c.Webhook.URL, c.Webhook.Secret = srv.URL, hookSecret })
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	trunk := h.callers()

	call1 := func(from string, rep *softphone.Phone, who string) (call.ID, *softphone.Dialog) {
		t.Helper()
		caller, err := trunk.Call(within(t, 15*time.Second), "+12025550150", softphone.From(from, ""))
		if err != nil {
			t.Fatal(err)
		}
		at := offeredTo(t, who, rep)
		if err := at.Answer(); err != nil {
			t.Fatal(err)
		}
		hears(t, "the caller", caller, repHz[who])
		id := h.newCall()
		caller.Hangup()
		ends(t, who, at)
		h.over(id, "answered")
		return id, at
	}
	id, at := call1("+12025550188", rep2, "rep2")
	if got := at.From().Display; got != "Known caller" {
		t.Errorf("the owner is shown %q", got)
	}
	looked := h.told(id, call.CRMLookedUp)
	if looked.Data["outcome"] != "one" {
		t.Errorf("%+v", looked)
	}

	// One activity in the address book and one at the webhook, however often the
	// latter was sent.
	var contact string
	activities := func() (n int) {
		t.Helper()
		err := h.DB.Pool.QueryRow(t.Context(), `select count(*), coalesce(min(activity->'about'->0->>'id'), '') from contact_activities where key = $1`, id).Scan(&n, &contact)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "the activity in the address book", func() bool { return activities() > 0 })
	eventually(t, "the webhook's second attempt", func() bool {
		for _, n := range receiver.attempts() {
			if n == 2 {
				return true
			}
		}
		return false
	})
	stranger, _ := call1("+12025550189", rep1, "rep1")
	eventually(t, "the next call's webhook", func() bool { return len(receiver.attempts()) == 2 })
	if n := activities(); n != 1 {
		t.Errorf("%d activities of one call", n)
	}

	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	var calls []string
	for hook, bodies := range receiver.got {
		var m struct {
			Type string
			Data struct {
				Call, Outcome, Agent, From string
				About                      []struct{ ID string }
			}
		}
		if err := json.Unmarshal(bodies[0], &m); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, m.Data.Call)
		for _, b := range bodies[1:] {
			if string(b) != string(bodies[0]) {
				t.Errorf("%s: another attempt says something else:\n%s\n%s", hook, bodies[0], b)
			}
		}
		if m.Data.Call != string(id) {
			continue
		}
		if len(bodies) != 2 || m.Type != "call.completed" || m.Data.Outcome != "answered" || m.Data.Agent != "rep2" || m.Data.From != "+12025550188" {
			t.Errorf("%d attempts: %s", len(bodies), bodies[0])
		}
		if len(m.Data.About) != 1 || m.Data.About[0].ID == "" || m.Data.About[0].ID != contact {
			t.Errorf("about %+v, the address book says %q", m.Data.About, contact)
		}
	}
	want := []string{string(id), string(stranger)}
	slices.Sort(calls)
	slices.Sort(want)
	if !slices.Equal(calls, want) {
		t.Errorf("webhooks of %v, want one of each of %v", calls, want)
	}
}

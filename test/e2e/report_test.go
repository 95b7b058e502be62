package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/analytics"
	"github.com/callyard/callyard/internal/apitest"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/softphone"
)

// key is an API key of this hub's.
func (h *hub) key() string {
	h.t.Helper()
	_, secret, err := keypg.New(h.DB).Create(h.t.Context(), keypg.Key{Name: "story", Scopes: []keypg.Scope{keypg.Admin}}, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return secret
}

// request asks the REST API and returns the status with the body.
func (h *hub) request(ctx context.Context, method, path string, body any) *http.Response {
	h.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			h.t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.HTTPAddr()+path, in)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.key())
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := apitest.Client(h.t).Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	return res
}

func (h *hub) ask(status int, method, path string, body, out any) {
	h.t.Helper()
	res := h.request(within(h.t, 10*time.Second), method, path, body)
	defer func() { _ = res.Body.Close() }()
	said, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if res.StatusCode != status {
		h.t.Fatalf("%s %s: %d, want %d: %s", method, path, res.StatusCode, status, said)
	}
	if err := json.Unmarshal(said, out); err != nil {
		h.t.Fatalf("%s %s: %v: %s", method, path, err, said)
	}
}

func (h *hub) get(path string, out any) {
	h.t.Helper()
	h.ask(http.StatusOK, http.MethodGet, path, nil, out)
}

func (h *hub) post(status int, path string, body, out any) {
	h.t.Helper()
	h.ask(status, http.MethodPost, path, body, out)
}

// report is the park-to-answer report of the last day.
func (h *hub) report(groupBy string) analytics.Report {
	h.t.Helper()
	var r analytics.Report
	h.get("/v1/reports/park-to-answer?group_by="+groupBy, &r)
	sum := r.Parks.Waiting
	for _, n := range r.Parks.Outcomes {
		sum += n
	}
	if sum != r.Parks.Attempts {
		h.t.Errorf("outcomes and waiting sum to %d of %d attempts: %+v", sum, r.Parks.Attempts, r.Parks)
	}
	return r
}

type listOf[T any] struct {
	Data []T `json:"data"`
}

// shown is a parked call as the API shows it.
type shown struct {
	ID     string
	Call   call.ID `json:"call_id"`
	Slot   int
	From   string
	State  string
	Reason string
	Age    int64 `json:"age_ms"`
}

func TestWhatThereIsToSeeOfParkedCalls(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep1, rep2 := h.rep("rep1", softphone.WhenAsked), h.rep("rep2", softphone.WhenAsked)
	_ = rep1
	trunk := h.callers()

	stream := h.request(t.Context(), http.MethodGet, "/v1/events?type=park.*", nil)
	t.Cleanup(func() { _ = stream.Body.Close() })
	lines := make(chan string, 1000)
	go func() {
		for s := bufio.NewScanner(stream.Body); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	waitFor := func(event, holding string) {
		t.Helper()
		limit, at := within(t, 20*time.Second), ""
		for {
			select {
			case l, ok := <-lines:
				if !ok {
					t.Fatalf("the stream ended before %s", event)
				}
				if name, is := strings.CutPrefix(l, "event: "); is {
					at = name
				} else if at == event && strings.HasPrefix(l, "data: ") && strings.Contains(l, holding) {
					return
				}
			case <-limit.Done():
				t.Fatalf("no %s of %s in the stream", event, holding)
			}
		}
	}
	waitFor("snapshot", "parked_calls")

	caller := h.calls(trunk, parks)
	id := h.newCall()
	waitFor("park.parked", string(id))
	var list listOf[shown]
	h.get("/v1/parked_calls", &list)
	if len(list.Data) != 1 || list.Data[0].Call != id || list.Data[0].State != "parked" || list.Data[0].Slot < 701 {
		t.Fatalf("%+v", list)
	}
	park := list.Data[0]

	// rep2 asks for it over the API; their phone picks up by itself.
	h.post(http.StatusOK, "/v1/parked_calls/"+park.ID+"/retrieve", map[string]any{"agent": "rep2"}, &struct{}{})
	var lost struct{ Code, By, State string }
	h.post(http.StatusConflict, "/v1/parked_calls/"+park.ID+"/retrieve", map[string]any{"agent": "rep1"}, &lost)
	if lost.Code != "call_not_parked" || lost.By != "rep2" {
		t.Errorf("who was slower is told who was quicker: %+v", lost)
	}
	at := offeredTo(t, "rep2", rep2)
	hears(t, "the caller", caller, repHz["rep2"])
	hears(t, "rep2", at, callerHz)
	waitFor("park.retrieved", string(id))
	h.get("/v1/parked_calls", &list)
	if len(list.Data) != 0 {
		t.Errorf("still listed: %+v", list)
	}
	var ended shown
	h.get("/v1/parked_calls/"+park.ID, &ended)
	if ended.State != "ended" || ended.Reason != "retrieved_other" {
		t.Errorf("%+v", ended)
	}
	h.post(http.StatusConflict, "/v1/parked_calls/"+park.ID+"/retrieve", map[string]any{"agent": "rep1"}, &lost)
	if lost.By != "rep2" || lost.State != "ended" {
		t.Errorf("%+v", lost)
	}

	caller.Hangup()
	ends(t, "rep2", at)
	h.over(id, "answered")
	var timeline listOf[struct {
		Seq  int
		Type call.EventType
	}]
	h.get("/v1/calls/"+string(id)+"/timeline", &timeline)
	if len(timeline.Data) < 5 {
		t.Fatalf("%+v", timeline)
	}
	for i, e := range timeline.Data {
		if e.Seq != i+1 {
			t.Errorf("fact %d has seq %d", i+1, e.Seq)
		}
	}
	if last := timeline.Data[len(timeline.Data)-1]; last.Type != call.Ended {
		t.Errorf("the last fact is %s", last.Type)
	}
}

func TestParkToAnswerReport(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	rep2 := h.rep("rep2", softphone.Manual)
	trunk := h.callers()

	const retrieved, abandoned = 4, 3
	var waited []time.Duration
	for i := range retrieved + abandoned {
		caller := h.calls(trunk, parks)
		id := h.newCall()
		slot := h.told(id, call.Parked).Slot
		if i < abandoned {
			caller.Hangup()
			h.over(id, "abandoned")
			continue
		}
		d := h.dialled(rep2, "rep2", slot)
		took := h.told(id, call.ParkRetrieved)
		parked := h.told(id, call.Parked)
		waited = append(waited, took.At.Sub(parked.At))
		d.Hangup()
		ends(t, "the caller", caller)
		h.over(id, "answered")
	}
	h.calls(trunk, parks) // and one waits
	h.told(h.newCall(), call.Parked)

	r := h.report("lot")
	p := r.Parks
	if p.Attempts != retrieved+abandoned+1 || p.Calls != p.Attempts || p.Waiting != 1 || p.Outcomes["retrieved_other"] != retrieved || p.Outcomes["abandoned"] != abandoned {
		t.Errorf("%+v", p)
	}
	if p.Answer.N != retrieved || p.Answer.P50 == nil || p.Answer.P90 == nil || !p.Answer.Few {
		t.Fatalf("%+v", p.Answer)
	}
	slices.Sort(waited)
	for name, is := range map[string]struct {
		got  int64
		want time.Duration
	}{"p50": {*p.Answer.P50, waited[1]}, "p90": {*p.Answer.P90, waited[3]}} {
		if d := time.Duration(is.got)*time.Millisecond - is.want; d.Abs() > 2*time.Millisecond {
			t.Errorf("%s is %d ms, want %v of %v", name, is.got, is.want, waited)
		}
	}
	if len(r.Groups) != 1 || r.Groups[0].Key != "sales" || r.Groups[0].Attempts != p.Attempts {
		t.Errorf("by lot: %+v", r.Groups)
	}
	if c := r.Calls; c.Offered != p.Calls || c.Answered != retrieved || c.Abandoned != abandoned || c.AbandonedIn["parked"] != abandoned || c.Waiting != 1 {
		t.Errorf("calls: %+v", c)
	}

	req := h.request(within(t, 15*time.Second), http.MethodGet, fmt.Sprintf("/v1/reports/park-to-answer?from=%s&to=%s", "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"), nil)
	defer func() { _ = req.Body.Close() }()
	if req.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a window turned round: %d", req.StatusCode)
	}
}

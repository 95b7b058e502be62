package e2e

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/internal/softphone"
)

// dryRun leads the calls of a flow through a document, or a version.
func (h *hub) dryRun(flow string, what map[string]any) (out struct {
	Total int           `json:"total"`
	Tally sim.Tally     `json:"tally"`
	Calls []sim.Verdict `json:"calls"`
},
) {
	h.t.Helper()
	what["from"], what["to"] = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	res := h.request(h.t.Context(), "POST", "/v1/flows/"+flow+"/dry_run", what)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil || res.StatusCode != 200 {
		h.t.Fatalf("%d %v: %s", res.StatusCode, err, b)
	}
	return out
}

// Real calls, each ended in another way, are reproduced by the version that they
// ran, and end otherwise in another.
func TestDryRunOfRealCalls(t *testing.T) {
	t.Parallel()
	h := start(t, ladder(`{after_s: 1, do: remind, to: parker}, {after_s: 1.5, do: offer, to: "agent:rep3", ring_s: 10}`))
	rep3 := h.rep("rep3", softphone.Manual)
	trunk := h.callers()

	offered := h.calls(trunk, climbs)
	first := h.newCall()
	at3 := offeredTo(t, "rep3", rep3)
	at3.Ring()
	if err := at3.Answer(); err != nil {
		t.Fatal(err)
	}
	hears(t, "the caller", offered, repHz["rep3"])
	offered.Hangup()
	ends(t, "rep3", at3)
	h.over(first, "answered")

	gives := h.calls(trunk, climbs)
	second := h.newCall()
	hears(t, "the caller", gives, musicHz)
	gives.Hangup()
	h.over(second, "abandoned")

	same := h.dryRun("climbs", map[string]any{"version": 1})
	if same.Total != 2 || same.Tally.Same != 2 || same.Tally.Assumed != 0 || len(same.Calls) != 0 {
		t.Errorf("the version that they ran: %+v", same)
	}

	var doc map[string]any
	if err := json.Unmarshal(h.liveFlow("climbs"), &doc); err != nil {
		t.Fatal(err)
	}
	doc["entry"] = "mail"
	mailed := h.dryRun("climbs", map[string]any{"doc": doc})
	if mailed.Tally.Changed != 1 || mailed.Tally.Detour != 1 || len(mailed.Calls) != 2 { // who gave up does so on the voicemail
		t.Fatalf("all to voicemail: %+v", mailed)
	}
	if v := mailed.Calls[0]; v.Call != first || v.Was.Outcome != "retrieved" || !v.Assumed || v.Becomes.Outcome != "left" || v.Parts.Was != "answer" || v.Parts.Node != "mail" {
		t.Errorf("all to voicemail: %+v", v)
	}

	doc["entry"] = "answer"
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	doc = nil
	if err := json.Unmarshal([]byte(strings.Replace(string(b), "agent:rep3", "agent:rep4", 1)), &doc); err != nil {
		t.Fatal(err)
	}
	other := h.dryRun("climbs", map[string]any{"doc": doc})
	if other.Tally.Undecided == 0 || len(other.Calls) == 0 || other.Calls[0].Call != first || !strings.Contains(other.Calls[0].Why, "rep4 was available then and was not asked") {
		t.Errorf("offered to somebody else: %+v", other)
	}
}

// liveFlow is the document of a flow's live version.
func (h *hub) liveFlow(name string) []byte {
	h.t.Helper()
	f, err := h.Routes.Live(h.t.Context(), name)
	if err != nil {
		h.t.Fatal(err)
	}
	return f.Doc()
}

package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

func lineFlow(offerAfter int) string {
	return fmt.Sprintf(`{"schema":"callflow/v1","name":"line","entry":"park","handlers":{"hangup":"bye"},"nodes":{
	"park":{"type":"park","cfg":{"lot":"sales","max_park_s":60,"ladder":[{"after_s":%d,"do":"offer","to":"team:east"},{"after_s":60,"do":"goto","outcome":"expired"}]},
		"on":{"expired":"mail","default":"bye"}},
	"mail":{"type":"voicemail","on":{"default":"bye"}},"bye":{"type":"hangup"}}}`, offerAfter)
}

func TestSimulate(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/lots/sales", `{"first":701,"last":720,"music":"jazz"}`)
	if err := h.agents.SaveAgent(t.Context(), queues.Agent{Name: "eve", Teams: []string{"east"}}); err != nil {
		t.Fatal(err)
	}
	h.must(200, "PUT", "/v1/flows/line/draft", lineFlow(20), "If-None-Match", "*")
	const at = `"at":"2026-11-03T10:00:00+01:00"`

	t.Run("a call is imagined with the hub's own lots and teams", func(t *testing.T) {
		a := h.must(200, "POST", "/v1/flows/line/simulate", `{"given":{`+at+`,"from":"+34600000001","agents":{"eve":"available:4s"},"talk_s":30}}`)
		if a.doc["outcome"] != "retrieved" || a.doc["took_ms"] != 54000.0 || dig(a.doc, "hears", 0, "what") != "jazz" || dig(a.doc, "hears", 0, "to_ms") != 24000.0 {
			t.Error(a.body)
		}
		if dig(a.doc, "decisions", 0, "node") != "park" || !strings.Contains(a.body, "step 0 after 20s: offer team:east") {
			t.Error(a.body)
		}
	})
	t.Run("a document instead of the draft", func(t *testing.T) {
		a := h.must(200, "POST", "/v1/flows/line/simulate", `{"doc":`+lineFlow(5)+`,"given":{`+at+`,"agents":{"eve":"available"}}}`)
		if a.doc["took_ms"] != 5000.0 {
			t.Error(a.body)
		}
	})
	t.Run("what cannot be read is named", func(t *testing.T) {
		for body, place := range map[string]string{
			`{"given":{` + at + `,"agents":{"eve":"asleep"}}}`:           "body.given.agents.eve",
			`{"given":{` + at + `},"events":[{"at_s":1,"agent":"eve"}]}`: "body.events[0].becomes",
			`{"given":{` + at + `},"version":1,"doc":{"a":1}}`:           "body.version",
			`{"given":{` + at + `,"agent":{}}}`:                          "body.given.agent",
			`{"given":{"from":"+34600000001"}}`:                          "body.given",
		} {
			if a := h.problem(422, "validation_failed", "POST", "/v1/flows/line/simulate", body); a.location() != place {
				t.Errorf("%s: %s", body, a.body)
			}
		}
		h.problem(422, "flow_faulty", "POST", "/v1/flows/line/simulate", `{"given":{`+at+`},"doc":{"schema":"callflow/v1"}}`)
		h.problem(404, "flow_not_found", "POST", "/v1/flows/none/simulate", `{"given":{`+at+`}}`)
	})
}

// happened writes an imagined call into the ledger as one that was.
func (h *hub) happened(f *routing.Flow, id call.ID, at time.Time, g routing.Imagined, events ...routing.ImaginedEvent) {
	h.t.Helper()
	g.At = at
	w := sim.Anywhere
	w.Agents = []queues.Agent{{Name: "eve", Teams: []string{"east"}}}
	r, err := sim.Call(h.t.Context(), w, f, g, events)
	if err != nil {
		h.t.Fatal(err)
	}
	o := callctl.Opening{ID: id, Node: node, Trunk: "t", From: callctl.Party{Number: "+34600000001"}, Flow: "line", Version: f.Version(), At: at}
	if err := h.book.Begin(h.t.Context(), o); err != nil {
		h.t.Fatal(err)
	}
	end := callctl.Closing{ID: id, At: at.Add(time.Duration(r.TookMS) * time.Millisecond), Cause: call.Normal, Outcome: "x", Run: r.Run}
	var facts []call.Event
	for _, m := range r.Timeline {
		e := call.Event{Call: id, At: at.Add(time.Duration(m.AtMS) * time.Millisecond), Actor: call.Actor{User: m.Who, Via: "offer"}}
		switch m.What {
		case "rings":
			e.Type = call.Dialled
		case "answers":
			e.Type, end.ConnectedAt, end.Talked = call.Connected, e.At, time.Minute
		case "parted":
			e.Type = call.Parted
		default:
			continue
		}
		facts = append(facts, e)
	}
	if err := h.book.End(h.t.Context(), end, facts...); err != nil {
		h.t.Fatal(err)
	}
}

// A flow that calls another is tried with it; a past call is led through the
// versions that were live then.
func TestTryingSubflows(t *testing.T) {
	h := newHub(t)
	inner := func(outcome string) string {
		return `{"schema":"callflow/v1","name":"inner","entry":"m","handlers":{"hangup":"r"},"nodes":{
			"m":{"type":"menu","cfg":{"say":"press 1","options":{"1":""},"retries":0},"on":{"1":"r","default":"r"}},"r":{"type":"return","cfg":{"outcome":"` + outcome + `"}}}}`
	}
	const outer = `{"schema":"callflow/v1","name":"line","entry":"s","handlers":{"hangup":"bye"},"nodes":{
		"s":{"type":"subflow","cfg":{"flow":"inner"},"on":{"mail":"mail","default":"bye"}},"mail":{"type":"voicemail","on":{"default":"bye"}},"bye":{"type":"hangup"}}}`
	put := func(name, doc string) {
		t.Helper()
		h.do("PUT", "/v1/flows/"+name+"/draft", doc, "If-None-Match", "*")
		h.must(200, "PUT", "/v1/flows/"+name+"/draft", doc, "If-Match", "*")
		h.must(200, "POST", "/v1/flows/"+name+"/publish", `{"message":"x"}`)
	}
	put("inner", inner("mail"))
	put("line", outer)
	parsed := func(doc string) *routing.Flow {
		f, err := routing.Parse([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		return f.WithVersion(1)
	}
	f, err := routing.Link(parsed(outer), routing.Parts{Flow: func(string) *routing.Flow { return parsed(inner("mail")) }})
	if err != nil {
		t.Fatal(err)
	}
	h.happened(f, "call_1", time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC), routing.Imagined{}, routing.ImaginedEvent{AtS: 2, Digits: "1"})
	put("inner", inner("away"))

	a := h.must(200, "POST", "/v1/flows/line/simulate", `{"given":{"at":"2026-11-03T10:00:00Z"}}`)
	if dig(a.doc, "path", 1) != "s/m" || dig(a.doc, "path", 3) != "bye" {
		t.Error(a.body)
	}
	a = h.must(200, "POST", "/v1/flows/line/dry_run", `{"from":"2026-11-03T00:00:00Z","to":"2026-11-04T00:00:00Z","version":1}`)
	if dig(a.doc, "tally", "changed") != 1.0 || dig(a.doc, "calls", 0, "was", "outcome") != "left" || dig(a.doc, "calls", 0, "becomes", "outcome") != "digits" || dig(a.doc, "calls", 0, "assumed") != false {
		t.Error(a.body)
	}
}

func TestDryRun(t *testing.T) {
	h := newHub(t)
	h.must(200, "PUT", "/v1/lots/sales", `{"first":701,"last":720}`)
	if err := h.agents.SaveAgent(t.Context(), queues.Agent{Name: "eve", Teams: []string{"east"}}); err != nil {
		t.Fatal(err)
	}
	h.must(200, "PUT", "/v1/flows/line/draft", lineFlow(20), "If-None-Match", "*")
	h.must(200, "POST", "/v1/flows/line/publish", `{"message":"first"}`)
	f, err := routing.Parse([]byte(lineFlow(20)))
	if err != nil {
		t.Fatal(err)
	}
	f = f.WithVersion(1)
	at := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	h.happened(f, "call_1", at, routing.Imagined{Agents: map[string]string{"eve": "available:4s"}, TalkS: 60})
	h.happened(f, "call_2", at.Add(time.Minute), routing.Imagined{}, routing.ImaginedEvent{AtS: 30, Hangup: true})
	h.happened(f, "call_3", at.Add(2*time.Minute), routing.Imagined{})
	h.happened(f.WithVersion(9), "call_4", at.Add(3*time.Minute), routing.Imagined{})

	const when = `"from":"2026-11-03T00:00:00Z","to":"2026-11-04T00:00:00Z"`
	t.Run("the version that the calls ran reproduces them", func(t *testing.T) {
		a := h.must(200, "POST", "/v1/flows/line/dry_run", `{`+when+`,"version":1}`)
		if a.doc["total"] != 4.0 || dig(a.doc, "tally", "same") != 3.0 || dig(a.doc, "tally", "undecided") != 1.0 || dig(a.doc, "tally", "assumed") != 0.0 {
			t.Error(a.body)
		}
		if dig(a.doc, "calls", 0, "call") != "call_4" || !strings.Contains(a.body, "version 9, which the call ran, is not to be had") {
			t.Error(a.body)
		}
	})
	t.Run("a draft ends some otherwise, a part at a time", func(t *testing.T) {
		doc := strings.Replace(lineFlow(20), `"expired":"mail"`, `"expired":"bye"`, 1)
		h.must(200, "PUT", "/v1/flows/line/draft", doc, "If-Match", "*")
		a := h.must(200, "POST", "/v1/flows/line/dry_run", `{`+when+`,"limit":2}`)
		cursor, _ := a.doc["next_cursor"].(string)
		if a.doc["total"] != 4.0 || dig(a.doc, "tally", "same") != 2.0 || cursor == "" {
			t.Fatal(a.body)
		}
		a = h.must(200, "POST", "/v1/flows/line/dry_run", `{`+when+`,"limit":2,"cursor":"`+cursor+`"}`)
		if dig(a.doc, "tally", "changed") != 1.0 || dig(a.doc, "calls", 0, "was", "outcome") != "left" || dig(a.doc, "calls", 0, "becomes", "outcome") != "expired" || dig(a.doc, "calls", 0, "parts", "was") != "mail" || a.doc["next_cursor"] != nil {
			t.Error(a.body)
		}
	})
	t.Run("what cannot be", func(t *testing.T) {
		if a := h.problem(422, "validation_failed", "POST", "/v1/flows/line/dry_run", `{"from":"2026-11-03T00:00:00Z","to":"2026-11-03T00:00:00Z"}`); a.location() != "body.to" {
			t.Error(a.body)
		}
		h.problem(404, "version_not_found", "POST", "/v1/flows/line/dry_run", `{`+when+`,"version":7}`)
	})
}

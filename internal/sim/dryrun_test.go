package sim_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// really is a call as the ledger would have it: an imagined one, with its facts.
func really(t testing.TB, w sim.World, f *routing.Flow, g routing.Imagined, events ...routing.ImaginedEvent) sim.Past {
	t.Helper()
	r := run(t, w, f, g, events...)
	p := sim.Past{Call: "call_1", Run: r.Run, EndedAt: ten.Add(time.Duration(r.TookMS) * time.Millisecond), Cause: call.Normal}
	note := func(m sim.Moment, kind call.EventType, who, via string, data map[string]any) {
		p.Facts = append(p.Facts, call.Event{
			At: ten.Add(time.Duration(m.AtMS) * time.Millisecond), Call: "call_1", Type: kind, Lot: "sales", Actor: call.Actor{User: who, Via: via}, Data: data,
		})
	}
	rings := map[string]bool{}
	var since int64
	for _, m := range r.Timeline {
		switch m.What {
		case "rings":
			rings[m.Who] = true
			note(m, call.Dialled, m.Who, "offer", nil)
		case "missed":
			delete(rings, m.Who)
			note(m, call.DialResult, m.Who, "offer", map[string]any{"result": strings.TrimPrefix(m.Text, m.Who+": ")})
		case "answers":
			if p.ConnectedAt.IsZero() {
				p.ConnectedAt = ten.Add(time.Duration(m.AtMS) * time.Millisecond)
			}
			since = m.AtMS
			note(m, call.Connected, m.Who, "dial", nil)
			if !rings[m.Who] {
				note(m, call.ParkRetrieved, m.Who, "dial", nil)
			}
		case "parted":
			p.Talked = time.Duration(m.AtMS-since) * time.Millisecond
			note(m, call.Parted, m.Who, "dial", nil)
		case "hung_up":
			if strings.Contains(m.Text, "in conversation") {
				p.Talked = time.Duration(m.AtMS-since) * time.Millisecond
				note(m, call.Parted, "", "dial", nil)
			}
		}
	}
	return p
}

func dry(t *testing.T, ran, next *routing.Flow, p sim.Past) sim.Verdict {
	t.Helper()
	return sim.Dry(t.Context(), hub(), ran, next, p)
}

func TestDryRunOfTheSameFlow(t *testing.T) {
	files, err := filepath.Glob("../../routing/testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		if strings.Contains(strings.TrimSuffix(filepath.Base(file), ".json"), ".") {
			continue
		}
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f := parse(t, string(doc)).WithVersion(3)
		for seed := range uint64(200) {
			p := really(t, sim.Anywhere, f, anyone(rand.New(rand.NewPCG(seed, 2))), anything(rand.New(rand.NewPCG(seed, 3)))...)
			v := sim.Dry(t.Context(), sim.Anywhere, f, f, p)
			if v.Verdict != sim.Same || v.Becomes == nil || v.Becomes.Outcome != v.Was.Outcome || !slices.Equal(v.Becomes.Path, sim.PathOf(p.Run)) || len(v.Notes) > 0 {
				t.Fatalf("%s, seed %d: %+v", file, seed, v)
			}
			n++
		}
	}
	if n < 400 {
		t.Errorf("%d calls", n)
	}
}

// anyone is a random caller with a random hub.
func anyone(r *rand.Rand) routing.Imagined {
	words := []string{"available", "available:7s", "no_answer", "rejects:3s", "busy", "away", "offline", "unreachable"}
	g := routing.Imagined{From: "+34600000001", CRMOutcome: []string{"", "one", "none", "many", "error"}[r.IntN(5)], Agents: map[string]string{}, TalkS: float64(r.IntN(90))}
	if r.IntN(2) == 0 {
		g.CRM = map[string]any{"owner": "ann", "deal": map[string]any{"amount": r.IntN(100000)}}
	}
	for _, a := range []string{"ann", "team:enterprise", "team:sales", "queue:sales", "queue:enterprise"} {
		if r.IntN(2) == 0 {
			g.Agents[a] = words[r.IntN(len(words))]
		}
	}
	return g
}

func anything(r *rand.Rand) []routing.ImaginedEvent {
	var out []routing.ImaginedEvent
	for range r.IntN(5) {
		e := routing.ImaginedEvent{AtS: float64(r.IntN(400))}
		switch r.IntN(5) {
		case 0:
			e.Digits = []string{"1", "2", "3", "12#", "*"}[r.IntN(5)]
		case 1:
			e.Hangup = true
		case 2:
			e.RetrievedBy = "ben"
		case 3:
			e.AnsweredBy = "ann"
		case 4:
			e.Agent, e.Becomes = "ann", "available:2s"
		}
		out = append(out, e)
	}
	return out
}

func ladder(after int, to string) string {
	return fmt.Sprintf(`"p": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 120, "ladder": [
		{"after_s": %d, "do": "offer", "to": %q, "ring_s": 15}, {"after_s": 120, "do": "goto", "outcome": "expired"}]}, "on": {"retrieved": "bye", "default": "v"}},
		"v": {"type": "voicemail", "on": {"default": "bye"}}`, after, to)
}

func TestDryRun(t *testing.T) {
	late := flow(t, "p", ladder(60, "agent:ann"))
	early := flow(t, "p", ladder(10, "agent:ann"))
	t.Run("a caller who gave up would have been answered", func(t *testing.T) {
		// ann was asked at 60 s and would have answered after 30: the caller went at 65, her phone stopped.
		p := really(t, hub(), late, routing.Imagined{Agents: map[string]string{"ann": "available:4s"}}, routing.ImaginedEvent{AtS: 50, Hangup: true})
		v := dry(t, late, early, p)
		if v.Verdict != sim.Undecided || !strings.Contains(v.Why, "ann was not asked") {
			t.Errorf("nobody had asked ann: %+v", v)
		}
		p = really(t, hub(), late, routing.Imagined{Agents: map[string]string{"ann": "available:4s"}, TalkS: 40})
		v = dry(t, late, early, p)
		if v.Verdict != sim.Same || !v.Assumed || v.Parts == nil || v.Parts.Node != "p" || !strings.Contains(strings.Join(v.Notes, "\n"), "ann behaves as when they were really asked, 50s later") {
			t.Errorf("%+v", v)
		}
	})
	t.Run("what an agent did who was not asked is known", func(t *testing.T) {
		ann := func(at int, s queues.Status, st queues.State, in call.ID) queues.Moment {
			return queues.Moment{Agent: "ann", At: ten.Add(time.Duration(at) * time.Second), Status: s, State: st, Call: in}
		}
		p := really(t, hub(), late, routing.Imagined{}, routing.ImaginedEvent{AtS: 50, Hangup: true})
		for what, c := range map[string]struct {
			did     []queues.Moment
			verdict string
			why     string
		}{
			"she was away":              {[]queues.Moment{ann(-900, queues.Away, queues.Idle, "")}, sim.Same, ""},
			"she came back too late":    {[]queues.Moment{ann(-900, queues.Offline, queues.Idle, ""), ann(11, queues.Available, queues.Idle, "")}, sim.Same, ""},
			"she talked to another":     {[]queues.Moment{ann(-900, queues.Available, queues.Idle, ""), ann(-30, queues.Available, queues.Talking, "call_2")}, sim.Same, ""},
			"she wrote up another call": {[]queues.Moment{ann(5, queues.Available, queues.WrapUp, "call_2")}, sim.Same, ""},
			"she was free":              {[]queues.Moment{ann(-900, queues.Away, queues.Idle, ""), ann(9, queues.Available, queues.Idle, "")}, sim.Undecided, "ann was available then"},
			"nobody knows":              {nil, sim.Undecided, "ann was not asked"},
		} {
			p.Agents = c.did
			if v := dry(t, late, early, p); v.Verdict != c.verdict || !strings.Contains(v.Why, c.why) {
				t.Errorf("%s: %+v", what, v)
			}
		}
		again := flow(t, "p", `"p": {"type": "park", "cfg": {"lot": "sales", "max_park_s": 120, "ladder": [
			{"after_s": 10, "do": "offer", "to": "agent:ann", "ring_s": 5}, {"after_s": 30, "do": "offer", "to": "agent:ann", "ring_s": 15}, {"after_s": 120, "do": "goto", "outcome": "expired"}]}, "on": {"retrieved": "bye", "default": "v"}},
			"v": {"type": "voicemail", "on": {"default": "bye"}}`)
		p.Agents = []queues.Moment{ann(-900, queues.Away, queues.Idle, ""), ann(20, queues.Available, queues.Idle, "")}
		if v := dry(t, late, again, p); v.Verdict != sim.Undecided || !strings.Contains(v.Why, "ann was available then") {
			t.Errorf("away at 10 s and back at 30: %+v", v)
		}
	})
	t.Run("an offer that comes too late loses the caller, if they wait", func(t *testing.T) {
		p := really(t, hub(), early, routing.Imagined{Agents: map[string]string{"ann": "no_answer"}}, routing.ImaginedEvent{AtS: 40, Hangup: true})
		v := dry(t, early, late, p)
		if v.Verdict != sim.Same || v.Becomes.Outcome != "hangup" || v.Assumed {
			t.Errorf("the caller went at 40 s whatever happened: %+v", v)
		}
		p = really(t, hub(), early, routing.Imagined{Agents: map[string]string{"ann": "available:3s"}, TalkS: 30})
		v = dry(t, early, late, p)
		if v.Verdict != sim.Same || !strings.Contains(strings.Join(v.Notes, "\n"), "nobody knows how patient") {
			t.Errorf("%+v", v)
		}
	})
	t.Run("who helped themselves does so again", func(t *testing.T) {
		p := really(t, hub(), late, routing.Imagined{TalkS: 9}, routing.ImaginedEvent{AtS: 20, RetrievedBy: "cy"})
		v := dry(t, late, flow(t, "p", ladder(70, "agent:ann")), p)
		if v.Verdict != sim.Same || v.Becomes.Outcome != "retrieved" || !strings.Contains(strings.Join(v.Notes, "\n"), "cy takes the call from lot sales when they really did") {
			t.Errorf("%+v", v)
		}
	})
	t.Run("a flow that sends the caller away ends differently", func(t *testing.T) {
		p := really(t, hub(), late, routing.Imagined{Agents: map[string]string{"ann": "available"}})
		v := dry(t, late, flow(t, "bye", ``+ladder(70, "agent:ann")), p)
		if v.Verdict != sim.Changed || v.Was.Outcome != "retrieved" || v.Becomes.Outcome != "" || v.Assumed || v.Parts.Was != "p" {
			t.Errorf("%+v", v)
		}
	})
	menu := func(say string, more string) *routing.Flow {
		return flow(t, "m", `"m": {"type": "menu", "cfg": {"say": "`+say+`", "options": {"1": "sales"`+more+`}, "timeout_s": 5, "retries": 0}, "on": {"1": "p", "default": "v"}},`+ladder(60, "agent:ann"))
	}
	t.Run("a menu that never was cannot be decided", func(t *testing.T) {
		p := really(t, hub(), late, routing.Imagined{Agents: map[string]string{"ann": "available"}})
		v := dry(t, late, menu("press 1", ""), p)
		if v.Verdict != sim.Undecided || v.Becomes != nil || !strings.Contains(v.Why, `never asked "press 1"`) {
			t.Errorf("%+v", v)
		}
	})
	t.Run("a menu that asks the same gets the same key", func(t *testing.T) {
		ran := menu("press 1", "")
		p := really(t, hub(), ran, routing.Imagined{Agents: map[string]string{"ann": "available"}}, routing.ImaginedEvent{AtS: 3, Digits: "1"})
		v := dry(t, ran, flow(t, "w", `"w": {"type": "play", "cfg": {"say": "welcome"}, "on": {"next": "m"}},
			"m": {"type": "menu", "cfg": {"say": "press 1", "options": {"1": "sales"}, "timeout_s": 5, "retries": 0}, "on": {"1": "v", "default": "bye"}},`+ladder(60, "agent:ann")), p)
		if v.Verdict != sim.Changed || v.Becomes.Outcome != "left" || !v.Assumed || strings.Join(v.Becomes.Path, " ") != "w m v bye" {
			t.Errorf("%+v", v)
		}
	})
	t.Run("a queue that the call never waited in cannot be decided", func(t *testing.T) {
		p := really(t, hub(), late, routing.Imagined{Agents: map[string]string{"ann": "available"}})
		v := dry(t, late, flow(t, "q", `"q": {"type": "queue", "cfg": {"queue": "sales"}, "on": {"default": "bye"}}`), p)
		if v.Verdict != sim.Undecided || !strings.Contains(v.Why, "never waited in queue sales") {
			t.Errorf("%+v", v)
		}
	})
	t.Run("a run of which too little was kept is not judged", func(t *testing.T) {
		p := really(t, hub(), late, routing.Imagined{})
		p.Run.StartedAt = time.Time{}
		if v := dry(t, late, early, p); v.Verdict != sim.Undecided || !strings.Contains(v.Why, "did not keep") {
			t.Errorf("%+v", v)
		}
		p = really(t, hub(), late, routing.Imagined{})
		p.Run.Path[0].To = "elsewhere"
		if v := dry(t, late, late, p); v.Verdict != sim.Undecided || !strings.Contains(v.Why, "another release") {
			t.Errorf("%+v", v)
		}
	})
}

// A dry run of 10,000 calls is b.N/10,000 of this.
func BenchmarkDry(b *testing.B) {
	w := sim.World{Lots: []parking.Lot{{Name: "sales", First: 701, Last: 720}}}
	for i := range 50 {
		w.Agents = append(w.Agents, queues.Agent{Name: fmt.Sprintf("rep%d", i), Teams: []string{"sales"}})
	}
	w.Agents = append(w.Agents, queues.Agent{Name: "ann"})
	late, early := flow(b, "p", ladder(60, "agent:ann")), flow(b, "p", ladder(10, "agent:ann"))
	p := really(b, w, late, routing.Imagined{Agents: map[string]string{"ann": "available:4s"}, TalkS: 40})
	for b.Loop() {
		if v := sim.Dry(b.Context(), w, late, early, p); v.Verdict != sim.Same {
			b.Fatalf("%+v", v)
		}
	}
}

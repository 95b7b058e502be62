package routing_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/routing"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func parse(t testing.TB, doc string) *routing.Flow {
	t.Helper()
	f, err := routing.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func start(t testing.TB, f *routing.Flow) (routing.Run, []routing.Command) {
	t.Helper()
	run, cmds, err := routing.Start(f, routing.Caller{Call: "call_0", From: "+34600000001", At: noon}, noon)
	if err != nil {
		t.Fatal(err)
	}
	return run, cmds
}

func resume(t testing.TB, f *routing.Flow, run routing.Run, outcome string, vars map[string]any) (routing.Run, []routing.Command) {
	t.Helper()
	run, cmds, err := routing.Resume(f, run, routing.Event{Node: run.At, Outcome: outcome, At: noon.Add(time.Minute), Vars: vars})
	if err != nil {
		t.Fatal(err)
	}
	return run, cmds
}

func TestLimits(t *testing.T) {
	const circle = `{"schema": "callflow/v1", "name": "x", "entry": "a", "handlers": {"hangup": "bye"ERR}, "limits": {"max_node_visits": 20},
		"nodes": {"a": {"type": "set", "cfg": {"vars": {}}, "on": {"next": "b"}}, "b": {"type": "tag", "on": {"next": "a"}},
		"d": {"type": "play", "cfg": {"say": "sorry"}, "on": {"next": "d"}}, "bye": {"type": "hangup"}}}`
	t.Run("a circle without a wait ends the call", func(t *testing.T) {
		run, cmds := start(t, parse(t, strings.Replace(circle, "ERR", "", 1)))
		if h, ok := cmds[0].(routing.Hangup); len(cmds) != 1 || !ok || h.Cause != "failed" || !run.Ended || run.Visits != 20 {
			t.Errorf("%d visits, commands %v", run.Visits, cmds)
		}
		if last := run.Path[len(run.Path)-1]; last.Outcome != "error" || !strings.Contains(last.Reason, "20 nodes") {
			t.Errorf("last decision is %+v", last)
		}
	})
	t.Run("the error handler runs once, and it is bounded too", func(t *testing.T) {
		f := parse(t, strings.Replace(circle, "ERR", `, "error": "d"`, 1))
		run, _ := start(t, f)
		for range 1000 {
			if run.Ended {
				break
			}
			if run.At != "d" || !run.Failed {
				t.Fatalf("waits at %q", run.At)
			}
			run, _ = resume(t, f, run, "done", nil)
		}
		if !run.Ended || run.Visits != 70 {
			t.Errorf("ended %v after %d visits", run.Ended, run.Visits)
		}
	})
	t.Run("50 nodes without a wait", func(t *testing.T) {
		run, _ := start(t, parse(t, strings.Replace(strings.Replace(circle, "ERR", "", 1), `"max_node_visits": 20`, `"max_node_visits": 999`, 1)))
		if run.Visits != 50 || !run.Ended {
			t.Errorf("%d visits", run.Visits)
		}
	})
}

func TestHangup(t *testing.T) {
	f := load(t, "inbound_sales")
	t.Run("runs the handler once", func(t *testing.T) {
		run, _ := start(t, f)
		first, cmds := resume(t, f, run, "hangup", nil)
		n, ok := cmds[0].(routing.Notify)
		if len(cmds) != 1 || !ok || n.Template != "call_summary" || !first.Ended || !first.Hungup {
			t.Errorf("commands %v", cmds)
		}
		again, cmds := resume(t, f, first, "hangup", nil)
		if len(cmds) != 0 || len(again.Path) != len(first.Path) {
			t.Errorf("the handler ran twice: %v", cmds)
		}
	})
	t.Run("runs it for a caller who is gone after the flow has ended", func(t *testing.T) {
		run, _ := start(t, f)
		run, _ = resume(t, f, run, "none", nil)
		run, _ = resume(t, f, run, "expired", nil)
		run, cmds := resume(t, f, run, "left", nil)
		if !run.Ended || len(cmds) != 1 {
			t.Fatal(run, cmds)
		}
		_, cmds = resume(t, f, run, "hangup", nil)
		if _, ok := cmds[0].(routing.Notify); len(cmds) != 1 || !ok {
			t.Errorf("commands %v", cmds)
		}
	})
	t.Run("stops where the caller would be needed", func(t *testing.T) {
		f := parse(t, strings.Replace(with(`"a": {"type": "answer", "on": {"next": "bye"}}`,
			`"n": {"type": "notify", "cfg": {"channel": "chat", "template": "gone"}, "on": {"next": "v"}}`,
			`"v": {"type": "voicemail", "on": {"default": "n2"}}`,
			`"n2": {"type": "notify", "cfg": {"channel": "chat", "template": "never"}, "on": {"next": "bye"}}`), `"hangup": "bye"`, `"hangup": "n"`, 1))
		run, _ := start(t, f)
		run, cmds := resume(t, f, run, "hangup", nil)
		if n, ok := cmds[0].(routing.Notify); len(cmds) != 1 || !ok || n.Template != "gone" || !run.Ended || run.At != "" {
			t.Errorf("commands %v, waits at %q", cmds, run.At)
		}
	})
}

func TestEventsForOthers(t *testing.T) {
	f := load(t, "inbound_sales")
	run, _ := start(t, f)
	before, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"", "park", "hours", "nowhere"} {
		got, cmds, err := routing.Resume(f, run, routing.Event{Node: node, Outcome: "one", At: noon, Vars: map[string]any{"crm": 1}})
		after, _ := json.Marshal(got)
		if err != nil || len(cmds) != 0 || string(after) != string(before) {
			t.Errorf("an event for %q: %v, %v", node, cmds, err)
		}
	}
	if _, _, err := routing.Resume(load(t, "reception"), run, routing.Event{Node: run.At, Outcome: "one", At: noon}); err == nil {
		t.Error("a run of another flow went on")
	}
}

// What an event brought in stays the caller's to change, and two runs from one
// do not see each other.
func TestRunsAreApart(t *testing.T) {
	f := load(t, "inbound_sales")
	run, _ := start(t, f)
	deal := map[string]any{"amount": 10}
	crm := map[string]any{"owner": "ann", "deal": deal}
	one, _ := resume(t, f, run, "one", map[string]any{"crm": crm})
	deal["amount"] = 90000
	parked, _ := resume(t, f, one, "busy", nil)
	if parked.At != "park" {
		t.Errorf("waits at %s: the run changed with what the event brought", parked.At)
	}
	other, _ := resume(t, f, one, "answered", nil)
	if got := parked.Path[len(one.Path)]; got.Outcome != "busy" || other.Path[len(one.Path)].Outcome != "answered" {
		t.Errorf("two runs share a path: %+v", got)
	}
}

func TestTemplatesAreSafe(t *testing.T) {
	f := parse(t, with(`"l": {"type": "crm_lookup", "on": {"default": "d"}}`,
		`"d": {"type": "dial", "cfg": {"targets": ["owner"], "whisper": "<{{crm.company}}|{{crm.deal.amount}}|{{crm.vip}}|{{crm.none.x}}|{{ crm.deal }}>"}, "on": {"default": "bye"}}`))
	run, _ := start(t, f)
	_, cmds := resume(t, f, run, "one", map[string]any{"crm": map[string]any{
		"company": "A\r\nContact: <sip:x>\x00{{crm.vip}}" + strings.Repeat("é", 500), "deal": map[string]any{"amount": 1250.5}, "vip": true,
	}})
	got := cmds[0].(routing.Dial).Whisper
	if strings.ContainsAny(got, "\r\n\x00") || !strings.HasPrefix(got, "<AContact: <sip:x>{{crm.vip}}é") || !strings.HasSuffix(got, "é|1250.5|true||>") {
		t.Errorf("whisper is %q", got)
	}
	if n := strings.Count(got, "é"); n > 200 {
		t.Errorf("a value of %d characters was taken whole", n)
	}
}

func TestNextType(t *testing.T) {
	f := load(t, "inbound_sales")
	for _, c := range []struct{ node, outcome, want string }{
		{"owner", "answered", "disposition"},
		{"owner", "busy", "switch"},
		{"park_hot", "expired", "callback"},
		{"bye", "ended", ""},
		{"nowhere", "x", ""},
		{"queue", "timeout", "voicemail"},
	} {
		if got := routing.NextType(f, c.node, c.outcome); got != c.want {
			t.Errorf("%s of %s leads to %q, want %q", c.outcome, c.node, got, c.want)
		}
	}
}

func TestOverflow(t *testing.T) {
	for _, c := range []struct {
		do, arg string
		events  []string
		want    []string
	}{
		{"voicemail", "sales", []string{"left"}, []string{"voicemail", "bye"}},
		{"queue", "sales", []string{"timeout", "empty"}, []string{"queue", "voicemail", "bye"}},
		{"queue", "sales", []string{"answered"}, []string{"queue", "bye"}},
		{"hangup", "", nil, []string{"bye"}},
	} {
		f, err := routing.Overflow(c.do, c.arg)
		if err != nil {
			t.Fatal(err)
		}
		run, cmds := start(t, f)
		for _, e := range c.events {
			run, cmds = resume(t, f, run, e, nil)
		}
		var path []string
		for _, d := range run.Path {
			path = append(path, d.Node)
		}
		if _, ok := cmds[len(cmds)-1].(routing.Hangup); !ok || !run.Ended || !slices.Equal(path, c.want) {
			t.Errorf("%s: path %v, commands %v", c.do, path, cmds)
		}
	}
	if _, err := routing.Overflow("dance", ""); err == nil {
		t.Error("overflowing by a dance was taken")
	}
}

func TestBrokenFlowsDoNotRun(t *testing.T) {
	f, err := routing.Parse([]byte(with(`"a": {"type": "teleport", "on": {"default": "bye"}}`)))
	var bad *routing.ParseError
	if !errors.As(err, &bad) || f == nil {
		t.Fatalf("Parse: %v", err)
	}
	if _, _, err := routing.Start(f, routing.Caller{}, noon); !errors.Is(err, routing.ErrBroken) {
		t.Errorf("Start: %v", err)
	}
	if _, _, err := routing.Resume(f, routing.Run{At: "a"}, routing.Event{Node: "a"}); !errors.Is(err, routing.ErrBroken) {
		t.Errorf("Resume: %v", err)
	}
}

func TestScope(t *testing.T) {
	run := routing.Run{
		Flow: "x", Version: 3, Caller: routing.Caller{Call: "call_0", To: "+34910000000"},
		Vars: map[string]any{"vars": map[string]any{"a": 1.0}, "digits": "12", "rep": map[string]any{"name": "ben"}},
	}
	s := routing.Scope(run, time.Date(2026, 11, 3, 9, 5, 0, 0, time.UTC))
	for src, want := range map[string]bool{
		`call.version == 3 and call.flow == "x" and call.id == "call_0"`: true, `caller.withheld`: true,
		`time.weekday == "tue" and time.hour == 9 and time.minute == 5 and time.date == "2026-11-03"`: true,
		`vars.a == 1 and vars.digits == "12"`: true, `rep.name == "ben"`: true, `crm.owner == "ann"`: false, `call.campaign == ""`: false,
	} {
		if got, err := routing.EvalBool(src, s); err != nil || got != want {
			t.Errorf("%s is %v, %v", src, got, err)
		}
	}
	if _, changed := run.Vars["vars"].(map[string]any)["digits"]; changed {
		t.Error("the scope wrote into the run")
	}
}

func BenchmarkResume(b *testing.B) {
	f := load(b, "inbound_sales")
	run, _ := start(b, f)
	run, _ = resume(b, f, run, "one", map[string]any{"crm": map[string]any{"owner": "ann", "deal": map[string]any{"amount": 80000.0}}})
	e := routing.Event{Node: run.At, Outcome: "no_answer", At: noon}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := routing.Resume(f, run, e); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDirect(t *testing.T) {
	for outcome, cause := range map[string]string{"answered": "normal_clearing", "busy": "busy", "rejected": "rejected", "no_answer": "unavailable", "failed": "unavailable"} {
		f := routing.Direct("agent:ann")
		run, cmds := start(t, f)
		if d, ok := cmds[0].(routing.Dial); !ok || !slices.Equal(d.Targets, []string{"agent:ann"}) {
			t.Fatalf("commands %v", cmds)
		}
		run, cmds = resume(t, f, run, outcome, nil)
		if h, ok := cmds[0].(routing.Hangup); !ok || h.Cause != cause || !run.Ended {
			t.Errorf("%s: commands %v", outcome, cmds)
		}
	}
	// What a phone dials may be anything: it must be refused, not break the hub.
	if _, _, err := routing.Start(routing.Direct("number:"+strings.Repeat("1", 5000)), routing.Caller{}, noon); !errors.Is(err, routing.ErrBroken) {
		t.Errorf("a number of 5000 digits: %v", err)
	}
}

package routing_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/routing"
)

// askedFlow asks for a disposition after a conversation; then are the nodes that
// follow, from "then" on.
func askedFlow(t *testing.T, cfg, then string) *routing.Flow {
	t.Helper()
	return parse(t, `{"schema": "callflow/v1", "name": "x", "entry": "d", "handlers": {"hangup": "log"}, "nodes": {
		"d": {"type": "dial", "cfg": {"targets": ["agent:ann"]}, "on": {"answered": "mark", "default": "bye"}},
		"mark": {"type": "tag", "cfg": {"campaign": "fair"}, "on": {"next": "done"}},
		"done": {"type": "disposition", "cfg": {`+cfg+`}, "on": {"set": "then", "default": "bye"}},
		`+then+`,
		"log": {"type": "notify", "cfg": {"channel": "webhook", "template": "hung_up"}, "on": {"next": "bye"}},
		"bye": {"type": "hangup"}}}`)
}

const (
	tells = `"then": {"type": "switch", "cfg": {"cases": [{"when": "call.disposition == 'won'", "to": "tell"}]}, "on": {"default": "bye"}},
		"tell": {"type": "notify", "cfg": {"channel": "webhook", "template": "won"}, "on": {"next": "bye"}}`
	plays = `"then": {"type": "play", "cfg": {"say": "thank you"}, "on": {"next": "bye"}}`
)

func nodesOf(run routing.Run) (out []string) {
	for _, d := range run.Path {
		out = append(out, d.Node+":"+d.Outcome)
	}
	return out
}

func templates(cmds []routing.Command) (out []string) {
	for _, c := range cmds {
		if n, ok := c.(routing.Notify); ok {
			out = append(out, n.Template)
		}
	}
	return out
}

func TestDisposition(t *testing.T) {
	won := map[string]any{"disposition": map[string]any{"code": "won", "category": "positive", "by": "ann"}}
	hangUp := func(t *testing.T, f *routing.Flow, run routing.Run, talked string) (routing.Run, []routing.Command) {
		t.Helper()
		run, cmds, err := routing.Resume(f, run, routing.Event{Node: run.At, Outcome: routing.HangupOutcome, At: noon, Talked: talked})
		if err != nil {
			t.Fatal(err)
		}
		return run, cmds
	}
	t.Run("nothing after it needs the caller: they can be let go", func(t *testing.T) {
		f := askedFlow(t, `"required": true, "timeout_s": 60, "default_code": "none"`, tells)
		run, _ := start(t, f)
		run, cmds := resume(t, f, run, "answered", nil)
		want := routing.Disposition{Node: "done", Required: true, Timeout: time.Minute, Default: "none", LetGo: true}
		if got, _ := cmds[0].(routing.Disposition); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		run, cmds = resume(t, f, run, "set", won)
		if !run.Ended || !slices.Equal(templates(cmds), []string{"won"}) {
			t.Errorf("ended %v, commands %v", run.Ended, cmds)
		}
		d := run.Path[2]
		if d.Reason != "won, by ann" || d.Inputs["code"] != "won" {
			t.Errorf("decision %+v", d)
		}
	})
	t.Run("a node that the caller is to hear keeps them", func(t *testing.T) {
		f := askedFlow(t, "", plays)
		run, _ := start(t, f)
		_, cmds := resume(t, f, run, "answered", nil)
		if d, _ := cmds[0].(routing.Disposition); d.LetGo || d.Timeout != 90*time.Second || d.Default != "auto:not_set" {
			t.Errorf("%+v", d)
		}
	})
	t.Run("a caller who hangs up in conversation: asked all the same, and the handler runs at once", func(t *testing.T) {
		f := askedFlow(t, "", tells)
		run, _ := start(t, f)
		if d, ok := routing.AsksAfter(f, run, "answered", noon); !ok || d.Node != "done" {
			t.Errorf("asks after: %v %v", d, ok)
		}
		run, cmds := hangUp(t, f, run, "answered")
		if run.At != "done" || run.Ended || !run.Hungup || !slices.Equal(templates(cmds), []string{"hung_up"}) {
			t.Fatalf("waits at %q, ended %v, commands %v", run.At, run.Ended, cmds)
		}
		if !slices.ContainsFunc(cmds, func(c routing.Command) bool { _, ok := c.(routing.Disposition); return ok }) {
			t.Errorf("nobody is asked: %v", cmds)
		}
		run, cmds = resume(t, f, run, "set", won)
		if !run.Ended || !slices.Equal(templates(cmds), []string{"won"}) {
			t.Errorf("ended %v, commands %v", run.Ended, cmds)
		}
		want := []string{"d:answered", "mark:next", "done:hangup", "log:next", "bye:ended", "done:set", "then:case 1", "tell:next", "bye:ended"}
		if got := nodesOf(run); !slices.Equal(got, want) {
			t.Errorf("path\n%v, want\n%v", got, want)
		}
	})
	t.Run("a caller who hangs up while the rep chooses", func(t *testing.T) {
		f := askedFlow(t, "", plays)
		run, _ := start(t, f)
		run, _ = resume(t, f, run, "answered", nil)
		run, cmds := hangUp(t, f, run, "")
		if run.At != "done" || run.Ended || len(cmds) != 1 {
			t.Fatalf("waits at %q, ended %v, commands %v", run.At, run.Ended, cmds)
		}
		run, cmds = resume(t, f, run, "set", won)
		if last := run.Path[len(run.Path)-1]; !run.Ended || len(cmds) > 0 || last.Node != "then" || !strings.Contains(last.Reason, "cannot be carried out") {
			t.Errorf("last decision %+v, commands %v", last, cmds)
		}
	})
	t.Run("a caller who hangs up waiting is nobody's conversation", func(t *testing.T) {
		f := askedFlow(t, "", tells)
		run, _ := start(t, f)
		run, _ = hangUp(t, f, run, "")
		if got := nodesOf(run); !run.Ended || !slices.Equal(got, []string{"d:hangup", "log:next", "bye:ended"}) {
			t.Errorf("path %v", got)
		}
	})
	t.Run("a conversation that leads elsewhere asks nobody, and does nothing on the way", func(t *testing.T) {
		f := parse(t, with(`"d": {"type": "dial", "cfg": {"targets": ["owner"]}, "on": {"default": "n"}}`,
			`"n": {"type": "notify", "cfg": {"channel": "webhook", "template": "talked"}, "on": {"next": "v"}}`,
			`"v": {"type": "voicemail", "on": {"default": "bye"}}`))
		run, _ := start(t, f)
		if _, ok := routing.AsksAfter(f, run, "answered", noon); ok {
			t.Error("asks")
		}
		run, cmds := hangUp(t, f, run, "answered")
		if !run.Ended || len(cmds) > 0 || run.Path[0].Outcome != routing.HangupOutcome {
			t.Errorf("%v, commands %v", nodesOf(run), cmds)
		}
	})
	t.Run("replayed, the run is the same", func(t *testing.T) {
		f := askedFlow(t, "", tells)
		run, _ := start(t, f)
		run, _ = hangUp(t, f, run, "answered")
		run, _ = resume(t, f, run, "set", won)
		stands, err := routing.Replay(f, run)
		if err != nil || !reflect.DeepEqual(stands[len(stands)-1].Run, run) {
			t.Errorf("%v\n%+v\n%+v", err, stands, run)
		}
		if _, ok := stands[1].Waits.(routing.Disposition); !ok {
			t.Errorf("after the hang-up it waits for %v", stands[1].Waits)
		}
	})
	t.Run("lint knows the codes", func(t *testing.T) {
		k := known()
		k.Disposition = func(code string) bool { return code == "won" }
		for code, want := range map[string]int{"won": 0, "auto:missed": 0, "lost": 1} {
			doc := with(`"d": {"type": "dial", "cfg": {"targets": ["owner"]}, "on": {"default": "s"}}`,
				`"s": {"type": "disposition", "cfg": {"default_code": "`+code+`"}, "on": {"default": "bye"}}`)
			if got := routing.Lint(parse(t, doc), k).Errors(); len(got) != want {
				t.Errorf("%s: %v", code, got)
			}
		}
	})
}

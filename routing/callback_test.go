package routing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/routing"
)

func TestCallback(t *testing.T) {
	t.Run("what is promised, and why not", func(t *testing.T) {
		f := parse(t, with(`"c": {"type": "callback", "cfg": {"dial_first": "caller", "retry_s": 60}, "on": {"scheduled": "bye", "declined": "v"}}`,
			`"v": {"type": "voicemail", "on": {"default": "bye"}}`))
		run, cmds := start(t, f)
		want := routing.Callback{Node: "c", DialFirst: "caller", KeepPlace: true, Tries: 2, Retry: time.Minute, Lasts: 24 * time.Hour}
		if got, _ := cmds[0].(routing.Callback); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		run, _ = resume(t, f, run, "declined", map[string]any{"why": "the caller's number is withheld"})
		if d := run.Path[0]; run.At != "v" || d.Reason != "the caller's number is withheld" {
			t.Errorf("%+v", d)
		}
	})
	t.Run("the next time at which somebody may be called", func(t *testing.T) {
		f := parse(t, `{"schema": "callflow/v1", "name": "x", "entry": "c", "handlers": {"hangup": "bye"},
			"calendars": {"work": {"tz": "Europe/Madrid", "open": {"mon-fri": ["09:02", "19:00"]}, "holidays": ["2026-11-09"]}, "never": {"tz": "UTC", "open": {}}},
			"nodes": {"c": {"type": "callback", "cfg": {"calendar": "work"}, "on": {"default": "n"}},
				"n": {"type": "callback", "cfg": {"calendar": "never"}, "on": {"default": "a"}},
				"a": {"type": "callback", "on": {"default": "bye"}}, "bye": {"type": "hangup"}}}`)
		for _, c := range []struct{ node, at, want string }{
			{"c", "2026-11-03T12:00:30Z", "2026-11-03T12:00:30Z"},       // open
			{"c", "2026-11-03T18:30:00Z", "2026-11-04T08:02:00Z"},       // tomorrow, to the minute
			{"c", "2026-11-06T18:30:00Z", "2026-11-10T08:02:00Z"},       // over a weekend and a holiday
			{"c", "2026-10-23T18:00:00Z", "2026-10-26T08:02:00Z"},       // the clock goes back meanwhile
			{"c", "2026-03-27T19:00:00Z", "2026-03-30T07:02:00Z"},       // and forth
			{"a", "2026-11-08T03:00:00Z", "2026-11-08T03:00:00Z"},       // no calendar
			{"bye", "2026-11-08T03:00:00Z", "2026-11-08T03:00:00Z"},     // no callback
			{"nowhere", "2026-11-08T03:00:00Z", "2026-11-08T03:00:00Z"}, // of another flow
		} {
			at, _ := time.Parse(time.RFC3339, c.at)
			got, ok := routing.MayCallBack(f, c.node, at)
			if !ok || got.UTC().Format(time.RFC3339) != c.want {
				t.Errorf("%s at %s: %v %v, want %s", c.node, c.at, got.UTC(), ok, c.want)
			}
		}
		if _, ok := routing.MayCallBack(f, "n", noon); ok {
			t.Error("a calendar that never opens lets somebody be called")
		}
	})
	t.Run("who was called back first waits in the queue, or hears the agent's phone", func(t *testing.T) {
		_, cmds := start(t, routing.CalledBack("sales", "ann"))
		if q, ok := cmds[0].(routing.Queue); !ok || q.Queue != "sales" {
			t.Errorf("%v", cmds)
		}
		_, cmds = start(t, routing.CalledBack("", "ann"))
		if d, ok := cmds[0].(routing.Dial); !ok || d.Targets[0] != "agent:ann" {
			t.Errorf("%v", cmds)
		}
	})
	t.Run("a queue that offers it", func(t *testing.T) {
		queue := func(cfg string) string {
			return with(`"q": {"type": "queue", "cfg": {"queue": "sales", `+cfg+`}, "on": {"callback_requested": "c", "default": "bye"}}`,
				`"c": {"type": "callback", "on": {"default": "bye"}}`)
		}
		_, cmds := start(t, parse(t, queue(`"callback": {"say": "press one, {{caller.number}}"}`)))
		want := routing.CallbackOffer{After: time.Minute, Key: "1", Say: "press one, +34600000001"}
		if q, _ := cmds[0].(routing.Queue); q.Callback == nil || *q.Callback != want {
			t.Errorf("%+v", q.Callback)
		}
		for cfg, at := range map[string]string{
			`"callback": {}`: "callback.prompt", `"callback": {"prompt": "menu", "key": "x"}`: "callback.key",
			`"callback": {"prompt": "menu"}, "exit_keys": {"1": "timeout"}`: "callback.key", `"callback": {"prompt": "nowhere"}`: "callback.prompt",
		} {
			errs := routing.Lint(parse(t, queue(cfg)), known()).Errors()
			if len(errs) != 1 || !strings.HasSuffix(errs[0].Location, at) {
				t.Errorf("%s: %v, want one at %s", cfg, errs, at)
			}
		}
	})
	t.Run("a ladder that offers it", func(t *testing.T) {
		ladder := func(step string) string {
			return with(`"p": {"type": "park", "cfg": {"lot": "sales", "ladder": [`+step+`, {"after_s": 90, "do": "goto", "outcome": "expired"}]},
				"on": {"callback_requested": "c", "default": "bye"}}`, `"c": {"type": "callback", "on": {"default": "bye"}}`)
		}
		if errs := faultsOf(t, ladder(`{"after_s": 30, "do": "offer_callback", "to": "menu"}`)).Errors(); len(errs) > 0 {
			t.Error(errs)
		}
		for _, step := range []string{`{"after_s": 30, "do": "offer_callback"}`, `{"after_s": 30, "do": "offer_callback", "to": "nowhere"}`, `{"after_s": 30, "do": "announce", "to": "menu"}`} {
			if errs := faultsOf(t, ladder(step)).Errors(); len(errs) != 1 {
				t.Errorf("%s: %v", step, errs)
			}
		}
	})
}

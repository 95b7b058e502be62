package routing_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/routing"
)

func TestWiden(t *testing.T) {
	queue := func(cfg string) string {
		return with(`"q": {"type": "queue", "cfg": {"queue": "sales", ` + cfg + `}, "on": {"default": "bye"}}`)
	}
	for cfg, want := range map[string][]routing.Reach{
		`"max_wait_s": 60`: nil,
		`"widen": [{"after_s": 20, "tier": 1}, {"after_s": 40, "tier": 3}]`: {
			{Tier: 0}, {After: 20 * time.Second, Tier: 1}, {After: 40 * time.Second, Tier: 3},
		},
		`"skills": ["es", "vip"], "widen": [{"after_s": 20, "skills": ["es"]}, {"after_s": 40, "skills": []}]`: {
			{Tier: -1, Skills: []string{"es", "vip"}}, {After: 20 * time.Second, Tier: -1, Skills: []string{"es"}}, {After: 40 * time.Second, Tier: -1, Skills: []string{}},
		},
		`"skills": ["es"]`: {{Tier: -1, Skills: []string{"es"}}},
		`"skills": ["es"], "widen": [{"after_s": 20, "tier": 2}, {"after_s": 40, "skills": []}]`: {
			{Tier: 1, Skills: []string{"es"}}, {After: 20 * time.Second, Tier: 2, Skills: []string{"es"}}, {After: 40 * time.Second, Tier: 2, Skills: []string{}},
		},
	} {
		f := parse(t, queue(cfg))
		if errs := routing.Lint(f, known()).Errors(); len(errs) > 0 {
			t.Errorf("%s: %v", cfg, errs)
		}
		_, cmds := start(t, f)
		if q, _ := cmds[0].(routing.Queue); !reflect.DeepEqual(q.Reach, want) {
			t.Errorf("%s: %+v, want %+v", cfg, q.Reach, want)
		}
	}
	for cfg, at := range map[string]string{
		`"widen": [{"after_s": 20}]`:                                        "widen[0]",
		`"widen": [{"after_s": 20, "tier": 1}, {"after_s": 20, "tier": 2}]`: "widen[1].after_s",
		`"widen": [{"after_s": 20, "tier": 2}, {"after_s": 40, "tier": 1}]`: "widen[1].tier",
		`"skills": ["es"], "widen": [{"after_s": 20, "skills": ["es"]}]`:    "widen[0].skills",
		`"skills": ["es"], "widen": [{"after_s": 20, "skills": ["fr"]}]`:    "widen[0].skills",
	} {
		errs := routing.Lint(parse(t, queue(cfg)), known()).Errors()
		if len(errs) == 0 || !strings.HasSuffix(errs[0].Location, at) {
			t.Errorf("%s: %v, want one at %s", cfg, errs, at)
		}
	}
}

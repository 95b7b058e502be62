package routing_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/callyard/callyard/routing"
)

// known is a hub with the queues, lots and people of the example.
func known() routing.Known {
	one := func(names ...string) func(string) bool {
		return func(s string) bool { return slices.Contains(names, s) }
	}
	return routing.Known{
		Queue: one("sales", "enterprise"), Lot: one("sales"), Team: one("enterprise", "sales"),
		Agent: one("ann", "ben"), Skill: one("es"), Channel: one("webhook", "email", "chat"), Prompt: one("menu", "account", "welcome"),
		Calendar: func(name string) *routing.Calendar {
			if name != "holidays-es" {
				return nil
			}
			c, err := routing.ParseCalendar([]byte(`{"name": "holidays-es", "tz": "Europe/Madrid", "open": {"mon-fri": ["09:00", "19:00"]}}`))
			if err != nil {
				panic(err)
			}
			return c.WithRevision(1)
		},
		Names: func(kind string) []string {
			return map[string][]string{"calendar": {"holidays-es"}}[kind]
		},
	}
}

// faultsOf parses and lints.
func faultsOf(t *testing.T, doc string) routing.Findings {
	t.Helper()
	f, err := routing.Parse([]byte(doc))
	var bad *routing.ParseError
	if err != nil && !errors.As(err, &bad) {
		t.Fatalf("Parse: %v", err)
	}
	if f == nil {
		return bad.Findings
	}
	return routing.Lint(f, known())
}

// with is a sound flow with some nodes put in; the first is the entry.
func with(nodes ...string) string {
	entry := strings.Split(nodes[0], `"`)[1]
	return fmt.Sprintf(`{"schema": "callflow/v1", "name": "x", "entry": %q, "handlers": {"hangup": "bye"},
		"calendars": {"c": {"tz": "UTC", "open": {}}}, "nodes": {%s, "bye": {"type": "hangup"}}}`, entry, strings.Join(nodes, ","))
}

func park(cfg string) string {
	return with(`"p": {"type": "park", "cfg": {"lot": "sales", ` + cfg + `}, "on": {"default": "bye"}}`)
}

func TestExamples(t *testing.T) {
	for _, name := range []string{"inbound_sales", "reception"} {
		if errs := routing.Lint(load(t, name), known()).Errors(); len(errs) > 0 {
			t.Errorf("%s:\n%s", name, errs)
		}
	}
	got := routing.Lint(load(t, "inbound_sales"), known())
	if len(got) != 0 {
		t.Errorf("findings are %v", got)
	}
}

func TestLint(t *testing.T) {
	const bye = `, "on": {"default": "bye"}}`
	for _, c := range []struct{ name, doc, at, says string }{
		{"no JSON", `{"schema": `, "", "not JSON"},
		{"more than a document", `{} {}`, "", "follows"},
		{"no object", `[]`, "", "wants an object"},
		{"nothing at all", `{}`, "nodes", "is missing"},
		{"another schema", strings.Replace(park(""), "callflow/v1", "callflow/v9", 1), "schema", "callflow/v9"},
		{"unknown top key", `{"nods": {}}`, "nods", "unknown key"},
		{"key given twice", with(`"a": {"type": "play", "type": "answer"` + bye), "nodes.a.type", "twice"},
		{"node given twice", with(`"a": {"type": "answer"`+bye, `"a": {"type": "answer"`+bye), "nodes.a", "twice"},
		{"bad node name", with(`"a.b": {"type": "answer"` + bye), `nodes["a.b"]`, "no name"},
		{"unknown type", with(`"a": {"type": "teleport"` + bye), "nodes.a.type", "no node type"},
		{"no type", with(`"a": {"cfg": {}` + bye), "nodes.a.type", "is missing"},
		{"unknown key", with(`"a": {"type": "play", "cfg": {"promt": "x"}` + bye), "nodes.a.cfg.promt", "unknown key"},
		{"unknown node key", with(`"a": {"type": "answer", "next": "bye"` + bye), "nodes.a.next", "unknown key"},
		{"wrong kind of value", with(`"a": {"type": "dial", "cfg": {"targets": "owner"}` + bye), "nodes.a.cfg.targets", "wants a list"},
		{"null", with(`"a": {"type": "play", "cfg": {"prompt": null}` + bye), "nodes.a.cfg.prompt", "null"},
		{"too small", with(`"a": {"type": "dial", "cfg": {"targets": ["owner"], "ring_s": 0}` + bye), "nodes.a.cfg.ring_s", "less than"},
		{"no whole number", with(`"a": {"type": "menu", "cfg": {"prompt": "menu", "options": {"1": "a"}, "retries": 1.5}` + bye), "nodes.a.cfg.retries", "whole"},
		{"out of range", with(`"a": {"type": "menu", "cfg": {"prompt": "menu", "options": {"1": "a"}, "retries": 1e999}` + bye), "nodes.a.cfg.retries", "out of range"},
		{"number without a unit", with(`"a": {"type": "dial", "cfg": {"targets": ["owner"], "ring": 20}` + bye), "nodes.a.cfg.ring", `write "ring_s"`},
		{"milliseconds without a unit", with(`"a": {"type": "crm_lookup", "cfg": {"deadline": 20}` + bye), "nodes.a.cfg.deadline", `write "deadline_ms"`},
		{"unknown entry", strings.Replace(park(""), `"entry": "p"`, `"entry": "q"`, 1), "entry", "no node"},
		{"unknown target", with(`"a": {"type": "answer", "on": {"next": "nowhere", "default": "bye"}}`), "nodes.a.on.next", "no node"},
		{"unknown handler", strings.Replace(park(""), `"hangup": "bye"`, `"hangup": "bye", "error": "b"`, 1), "handlers.error", "no node"},
		{"no hang-up handler", strings.Replace(park(""), `"hangup": "bye"`, ``, 1), "handlers.hangup", "no handler"},
		{"unknown target of a case", with(`"a": {"type": "switch", "cfg": {"cases": [{"when": "crm.x", "to": "b"}]}` + bye), "nodes.a.cfg.cases[0].to", "no node"},
		{"unknown outcome", with(`"a": {"type": "dial", "cfg": {"targets": ["owner"]}, "on": {"yes": "bye", "default": "bye"}}`), "nodes.a.on.yes", "no outcome"},
		{"no default", with(`"a": {"type": "dial", "cfg": {"targets": ["owner"]}, "on": {"answered": "bye"}}`), "nodes.a.on.default", "needs a default"},
		{"switch without default", with(`"a": {"type": "switch", "cfg": {"cases": [{"when": "crm.x", "to": "bye"}]}}`), "nodes.a.on.default", "needs a default"},
		{"leads nowhere", with(`"a": {"type": "answer"}`), "nodes.a.on", "nowhere"},
		{"after the end", with(`"a": {"type": "hangup"` + bye), "nodes.a.on", "nothing comes after"},
		{"unknown queue", with(`"a": {"type": "queue", "cfg": {"queue": "support"}` + bye), "nodes.a.cfg.queue", "no queue"},
		{"unknown lot", with(`"a": {"type": "park", "cfg": {"lot": "b"}` + bye), "nodes.a.cfg.lot", "no lot"},
		{"unknown calendar", with(`"a": {"type": "hours", "cfg": {"calendar": "d"}` + bye), "nodes.a.cfg.calendar", "no calendar"},
		{"shared calendar by nearly its name", with(`"a": {"type": "hours", "cfg": {"calendar": "holiday-es"}` + bye), "nodes.a.cfg.calendar", `did you mean "holidays-es"?`},
		{"shared calendar of a callback", with(`"a": {"type": "callback", "cfg": {"calendar": "holidays"}` + bye), "nodes.a.cfg.calendar", `did you mean "holidays-es"?`},
		{"unknown prompt", with(`"a": {"type": "play", "cfg": {"prompt": "hello"}` + bye), "nodes.a.cfg.prompt", "no prompt"},
		{"unknown agent", with(`"a": {"type": "dial", "cfg": {"targets": ["owner", "agent:zoe"]}` + bye), "nodes.a.cfg.targets[1]", "no agent"},
		{"unknown team", with(`"a": {"type": "voicemail", "cfg": {"box": "team:x"}` + bye), "nodes.a.cfg.box", "no team"},
		{"unknown target kind", with(`"a": {"type": "dial", "cfg": {"targets": ["ann"]}` + bye), "nodes.a.cfg.targets[0]", "none of"},
		{"a skill that nobody has", with(`"a": {"type": "dial", "cfg": {"targets": ["sticky", "skill:de"]}` + bye), "nodes.a.cfg.targets[1]", "no agent with the skill"},
		{"sticky with a name", with(`"a": {"type": "dial", "cfg": {"targets": ["sticky:x"]}` + bye), "nodes.a.cfg.targets[0]", "none of"},
		{"sticky recall", park(`"ladder": [{"after_s": 5, "do": "recall", "to": "sticky"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].to", "cannot be for"},
		{"unknown kind of channel", with(`"a": {"type": "notify", "cfg": {"channel": "pigeon", "template": "x"}` + bye), "nodes.a.cfg.channel", "none of"},
		{"a room of e-mail", with(`"a": {"type": "notify", "cfg": {"channel": "email:x", "template": "x"}` + bye), "nodes.a.cfg.channel", "none of"},
		{"channel that is not configured", with(`"a": {"type": "notify", "cfg": {"channel": "chat:b", "template": "x"}` + bye), "nodes.a.cfg.channel", "not configured"},
		{"channel of an alert that is not configured", park(`"ladder": [{"after_s": 5, "do": "alert", "to": "manager", "channel": "chat:b"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].channel", "not configured"},
		{"channel of an offer", park(`"ladder": [{"after_s": 5, "do": "offer", "to": "owner", "channel": "chat"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].channel", "does not read"},
		{"no number", with(`"a": {"type": "dial", "cfg": {"targets": ["number:911 call"]}` + bye), "nodes.a.cfg.targets[0]", "no number"},
		{"nobody", with(`"a": {"type": "dial", "cfg": {"targets": []}` + bye), "nodes.a.cfg.targets", "nobody"},
		{"nothing to play", with(`"a": {"type": "play"` + bye), "nodes.a.cfg.prompt", "nothing to play"},
		{"menu without options", with(`"a": {"type": "menu", "cfg": {"options": {}}` + bye), "nodes.a.cfg.options", "at least one"},
		{"option that is no key", with(`"a": {"type": "menu", "cfg": {"options": {"12": "x"}}` + bye), "nodes.a.cfg.options.12", "no name"},
		{"min above max", with(`"a": {"type": "collect", "cfg": {"min": 5, "max": 4}` + bye), "nodes.a.cfg.min", "more than max"},
		{"no regular expression", with(`"a": {"type": "collect", "cfg": {"match": "["}` + bye), "nodes.a.cfg.match", "regular expression"},
		{"expression: unknown root", with(`"a": {"type": "switch", "cfg": {"cases": [{"when": "deal.amount > 1", "to": "bye"}]}` + bye), "nodes.a.cfg.cases[0].when", "there is no \"deal\""},
		{"expression: not a condition", with(`"a": {"type": "switch", "cfg": {"cases": [{"when": "time.hour", "to": "bye"}]}` + bye), "nodes.a.cfg.cases[0].when", "expected bool"},
		{"priority: not a number", with(`"a": {"type": "queue", "cfg": {"queue": "sales", "priority": "\"high\""}` + bye), "nodes.a.cfg.priority", "expected float64"},
		{"template: unknown root", with(`"a": {"type": "play", "cfg": {"say": "{{deal.name}}"}` + bye), "nodes.a.cfg.say", "no \"deal\""},
		{"template: not closed", with(`"a": {"type": "set", "cfg": {"vars": {"x": "{{crm.name"}}` + bye), "nodes.a.cfg.vars.x", "without"},
		{"template: no path", with(`"a": {"type": "play", "cfg": {"say": "{{1+1}}"}` + bye), "nodes.a.cfg.say", "no path"},
		{"exit key to nowhere is default", with(`"a": {"type": "queue", "cfg": {"queue": "sales", "exit_keys": {"1": "x"}}, "on": {"y": "bye", "default": "bye"}}`), "nodes.a.on.y", "no outcome"},
		{"unreachable", with(`"a": {"type": "answer"`+bye, `"b": {"type": "answer"`+bye), "nodes.b", "no way leads"},
		{"circle", with(`"a": {"type": "set", "cfg": {"vars": {}}, "on": {"default": "b"}}`, `"b": {"type": "crm_lookup", "on": {"one": "bye", "default": "a"}}`), "nodes.a", "circle"},
		{"circle of one", with(`"a": {"type": "switch", "cfg": {"cases": [{"when": "crm.x", "to": "a"}]}` + bye), "nodes.a", "circle"},

		{"ladder not sorted", park(`"ladder": [{"after_s": 60, "do": "remind", "to": "owner"}, {"after_s": 30, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[1].after_s", "not sorted"},
		{"ladder without end", park(`"ladder": [{"after_s": 60, "do": "remind", "to": "owner"}]`), "nodes.p.cfg.ladder[0].do", "no end"},
		{"ladder with an end that may not come", park(`"ladder": [{"after_s": 60, "do": "goto", "outcome": "expired", "when": "crm.x"}]`), "nodes.p.cfg.ladder[0].when", "no end"},
		{"ladder beyond the maximum", park(`"max_park_s": 50, "ladder": [{"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].after_s", "beyond max_park_s"},
		{"ladder: unknown outcome", park(`"ladder": [{"after_s": 60, "do": "goto", "outcome": "lost"}]`), "nodes.p.cfg.ladder[0].outcome", "no outcome"},
		{"ladder: steps never reached", park(`"ladder": [{"after_s": 6, "do": "goto", "outcome": "expired"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].do", "never reached"},
		{"ladder: missing what it needs", park(`"ladder": [{"after_s": 6, "do": "enqueue"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].queue", "needs"},
		{"ladder: key of another step", park(`"ladder": [{"after_s": 6, "do": "goto", "outcome": "expired", "ring_s": 5}]`), "nodes.p.cfg.ladder[0].ring_s", "does not read"},
		{"ladder: step of a later version", park(`"ladder": [{"after_s": 6, "do": "teleport"}]`), "nodes.p.cfg.ladder[0].do", "not one of"},
		{"ladder: widens no queue", park(`"ladder": [{"after_s": 6, "do": "widen", "tier": 1}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].do", "no step before it"},
		{"ladder: widens what is wide", park(`"ladder": [{"after_s": 6, "do": "enqueue", "queue": "sales"}, {"after_s": 9, "do": "widen", "tier": 1}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[1].do", "give the enqueue step"},
		{"ladder: widens to nobody", park(`"ladder": [{"after_s": 6, "do": "enqueue", "queue": "sales", "tier": 1}, {"after_s": 9, "do": "widen", "tier": 1}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[1].tier", "nobody is let in"},
		{"ladder: widens by nothing", park(`"ladder": [{"after_s": 6, "do": "enqueue", "queue": "sales", "tier": 1}, {"after_s": 9, "do": "widen"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[1]", "give a tier or skills"},
		{"ladder: widens by a tier what has all", park(`"ladder": [{"after_s": 6, "do": "enqueue", "queue": "sales", "skills": ["es"]}, {"after_s": 9, "do": "widen", "tier": 1}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[1].tier", "every tier"},
		{"ladder: number without a unit", park(`"ladder": [{"after": 6, "do": "alert", "to": "manager"}]`), "nodes.p.cfg.ladder[0].after", `write "after_s"`},
		{"ladder: wrong person", park(`"ladder": [{"after_s": 6, "do": "offer", "to": "parker"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].to", "cannot be for"},
		{"ladder: unknown queue", park(`"ladder": [{"after_s": 6, "do": "enqueue", "queue": "q"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].queue", "no queue"},
		{"ladder: bad condition", park(`"ladder": [{"after_s": 6, "do": "remind", "to": "owner", "when": "crm."}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].when", "expression"},
		{"ladder: leaving the slot for nothing", park(`"ladder": [{"after_s": 6, "do": "alert", "to": "manager", "stay_parked": false}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].stay_parked", "does not read"},
		{"ladder: unknown announcement", park(`"ladder": [{"after_s": 6, "do": "announce", "to": "soon"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]`), "nodes.p.cfg.ladder[0].to", "no prompt"},
		{"slot", park(`"slot": "last"`), "nodes.p.cfg.slot", "number of a slot"},
		{"test of another time", strings.Replace(park(""), `"name": "x"`, `"name": "x", "tests": [{"name": "t", "given": {"at": "noon"}, "expect": {}}]`, 1), "tests[0].given.at", "no time"},
		{"test of a node that is not there", strings.Replace(park(""), `"name": "x"`, `"name": "x", "tests": [{"name": "t", "given": {"at": "2026-11-03T10:00:00Z"}, "expect": {"path": ["p", "zz"]}}]`, 1), "tests[0].expect.path[1]", "no node"},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := strings.ReplaceAll(c.doc, ", }", "}")
			for _, f := range faultsOf(t, doc).Errors() {
				if f.Location == c.at && strings.Contains(f.Message, c.says) {
					if strings.HasPrefix(c.at, "nodes.") && (f.Node == "" || f.Key == "") {
						t.Errorf("node and key are not named: %+v", f)
					}
					return
				}
			}
			t.Errorf("no error at %s with %q among\n%s", c.at, c.says, faultsOf(t, doc))
		})
	}
}

func TestWarnings(t *testing.T) {
	const bye = `, "on": {"default": "bye"}}`
	for _, c := range []struct{ name, doc, at, says string }{
		{"long way to a human", park(`"ladder": [{"after_s": 100, "do": "offer", "to": "owner"}, {"after_s": 120, "do": "goto", "outcome": "expired"}]`), "entry", "1m40s"},
		{"long way through a menu", with(`"m": {"type": "menu", "cfg": {"prompt": "menu", "options": {"1": "x"}, "timeout_s": 25}, "on": {"default": "d"}}`, `"d": {"type": "dial", "cfg": {"targets": ["owner"]}`+bye), "entry", "1m40s"},
		{"recording", with(`"a": {"type": "dial", "cfg": {"targets": ["owner"], "record": true}` + bye), "nodes.a.cfg.record", "without an announcement"},
		{"parker only", park(`"visibility": "parker"`), "nodes.p.cfg.visibility", "only the parker"},
		{"handler that needs the caller", strings.Replace(with(`"a": {"type": "answer"`+bye), `"hangup": "bye"`, `"hangup": "a"`, 1), "nodes.a", "the caller has gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := faultsOf(t, strings.ReplaceAll(c.doc, ", }", "}"))
			if errs := found.Errors(); len(errs) > 0 {
				t.Fatalf("errors:\n%s", errs)
			}
			for _, f := range found.Warnings() {
				if f.Location == c.at && strings.Contains(f.Message, c.says) {
					return
				}
			}
			t.Errorf("no warning at %s with %q among\n%s", c.at, c.says, found)
		})
	}
	quiet := with(`"a": {"type": "play", "cfg": {"prompt": "welcome"}, "on": {"next": "b"}}`, `"b": {"type": "dial", "cfg": {"targets": ["agent:ann"], "record": true}`+bye)
	if found := faultsOf(t, quiet); len(found) > 0 {
		t.Errorf("a recording that was announced: %s", found)
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	doc := with(`"a": {"type": "dial", "cfg": {"targets": ["owner"], "ring": 3}, "on": {"answered": "x"}}`,
		`"b": {"type": "queue", "cfg": {"queue": "support"}, "on": {"default": "bye"}}`, `"c": {"type": "teleport", "on": {"default": "bye"}}`)
	var got []string
	for _, f := range faultsOf(t, doc).Errors() {
		got = append(got, f.Location)
	}
	want := []string{"nodes.a.cfg.ring", "nodes.a.on.answered", "nodes.a.on.default", "nodes.b", "nodes.b.cfg.queue", "nodes.c", "nodes.c.type"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNodeTypes(t *testing.T) {
	types := routing.NodeTypes()
	if len(types) < 21 || types[0].Type != "answer" {
		t.Errorf("%d types, the first %s", len(types), types[0].Type)
	}
	b, err := json.Marshal(types)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"additionalProperties":false`, `"format":"queue"`, `"default":20`, `"required":["lot"]`, `"propertyNames":{"pattern":"^[0-9*#A-D]$"}`,
		`"enum":["announce","remind","recall","offer","enqueue","widen","alert","offer_callback","goto"]`, `"outcomes":["retrieved","expired","full","failed"]`,
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in the schemas", want)
		}
	}
	for _, n := range types {
		if n.Doc == "" || n.Cfg == nil || n.Outcomes == nil {
			t.Errorf("%s is not described", n.Type)
		}
	}
}

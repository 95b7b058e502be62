package setup_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/disposition/dispositionpg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/parking/parkingpg"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/queues/queuespg"
	"github.com/callyard/callyard/routing/routingpg"
)

const whole = `
trunks: [{name: carrier, sources: ["192.0.2.0/24"]}]
agents: [{name: ann, password: one, extension: "201", teams: [sales]}]
lots: [{name: sales, first: 701, last: 703}]
queues: [{name: sales, agents: [{agent: ann}]}]
contacts: [{name: A customer, phones: ["+12025550142"]}]
flows:
  - {schema: callflow/v1, name: in, entry: park, handlers: {hangup: bye, error: bye}, nodes: {
      park: {type: park, cfg: {lot: sales}, on: {default: bye}}, bye: {type: hangup}}}
numbers: [{number: "+12025550100", flow: in}]
dispositions: [{code: sold, label: Sold, category: positive}, {code: lost}]
calendars:
  - {name: office, tz: Europe/Madrid, open: {mon-fri: ["09:00", "19:00"]}, holidays: [2026-12-25], labels: {2026-12-25: Christmas}}
`

func stores(t *testing.T) setup.Stores {
	t.Helper()
	db := pgtest.New(t)
	return setup.Stores{
		Lots: parkingpg.New(db), Agents: queuespg.New(db), Routes: routingpg.New(db), Contacts: crmpg.NewContacts(db), Realm: "callyard",
		Prompt: func(string) bool { return true }, Dispositions: dispositionpg.New(db, nil),
	}
}

func apply(t *testing.T, s setup.Stores, doc string) ([]string, error) {
	t.Helper()
	d, err := setup.Read([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := setup.Apply(t.Context(), s, d, setup.Options{}, time.Now())
	var out []string
	for _, c := range changes {
		out = append(out, c.Kind+" "+c.Action)
	}
	return out, err
}

func TestApply(t *testing.T) {
	t.Parallel()
	s := stores(t)
	got, err := apply(t, s, whole)
	if err != nil || len(got) != 9 || slices.ContainsFunc(got, func(c string) bool { return !strings.HasSuffix(c, " created") && c != "dispositions changed" }) {
		t.Fatal(got, err)
	}
	t.Run("again changes nothing", func(t *testing.T) {
		got, err := apply(t, s, whole)
		if err != nil || slices.ContainsFunc(got, func(c string) bool { return !strings.HasSuffix(c, " unchanged") }) {
			t.Fatal(got, err)
		}
	})
	t.Run("what changed is changed, and no more", func(t *testing.T) {
		got, err := apply(t, s, strings.NewReplacer("last: 703", "last: 704", "password: one", "password: two").Replace(whole))
		if err != nil || !slices.Contains(got, "lot changed") || !slices.Contains(got, "agent changed") || !slices.Contains(got, "flow unchanged") {
			t.Fatal(got, err)
		}
		a, err := s.Agents.Agents(t.Context())
		if err != nil || len(a) != 1 || a[0].HA1 != queues.NewHA1("ann", "callyard", "two") {
			t.Fatal(a, err)
		}
	})
	t.Run("a fault anywhere changes nothing", func(t *testing.T) {
		_, err := apply(t, s, strings.NewReplacer("last: 703", "last: 600", "lot: sales", "lot: nowhere").Replace(whole))
		if err == nil || !strings.Contains(err.Error(), "last") {
			t.Fatal(err)
		}
		lots, err := s.Lots.Lots(t.Context())
		if err != nil || lots[0].Last != 704 {
			t.Fatal(lots, err)
		}
	})
}

// Whatever the order in the document, a flow is published after those it calls.
func TestApplyFlowsThatCallEachOther(t *testing.T) {
	t.Parallel()
	s := stores(t)
	flow := func(name, other string) string {
		return "\n  - {schema: callflow/v1, name: " + name + ", entry: s, nodes: {s: {type: subflow, cfg: {flow: " + other + "}, on: {default: r}}, r: {type: return}}}"
	}
	doc := "flows:" + flow("a", "b") + flow("b", "c") + "\n  - {schema: callflow/v1, name: c, entry: r, nodes: {r: {type: return}}}"
	got, err := apply(t, s, doc)
	if err != nil || !slices.Equal(got, []string{"flow created", "flow created", "flow created"}) {
		t.Fatal(got, err)
	}
	_, err = apply(t, s, "flows:"+flow("d", "nowhere")+flow("c", "a"))
	for _, want := range []string{`flows[0].nodes.s.cfg.flow: there is no published flow "nowhere"`, "flows[1]", "c → a → b → c"} {
		found, _ := errors.AsType[*setup.FlowsError](err)
		if found == nil || !strings.Contains(found.Findings.String(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestApplyChecksReferencesFirst(t *testing.T) {
	t.Parallel()
	s := stores(t)
	if _, err := apply(t, s, whole); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, doc, want string }{
		{"a flow that is nowhere", `numbers: [{number: "+12025550101", flow: out}]`, `numbers[0].flow: there is no flow "out"`},
		{"an agent who is nowhere", `queues: [{name: new, agents: [{agent: bob}]}]`, `queues[0].agents[0]: there is no agent "bob"`},
		{"a source that is no network", `trunks: [{name: new, sources: [nowhere]}]`, `trunks[0].sources[0]: "nowhere" is no CIDR`},
		{"a trunk's account that is an agent", `trunks: [{name: new, username: ann}]`, `trunk "new": username ann is agent "ann"`},
		{"an agent who is a trunk's account", `{trunks: [{name: new, username: bob}], agents: [{name: bob, password: one}]}`, `username bob is agent "bob"`},
		{"a slot that is taken", `lots: [{name: new, first: 703, last: 709}]`, `slots 703 to 709 overlap those of lot "sales"`},
		{"an agent's code that is a slot", `agents: [{name: bob, password: one, extension: "702"}]`, `extension 702 is a slot of lot "sales"`},
		{"an extension of two", `agents: [{name: bob, password: one, extension: "201"}]`, `extension 201 is that of agent "ann"`},
		{"a disposition that is none of the list", `{dispositions: [{code: won}], flows: [{schema: callflow/v1, name: x, entry: d, handlers: {hangup: b}, nodes: {d: {type: disposition, cfg: {default_code: sold}, on: {default: b}}, b: {type: hangup}}}]}`, `there is no disposition "sold"`},
		{"a code twice", `dispositions: [{code: won}, {code: won}]`, `dispositions[1].code: "won" is there twice`},
		{"a policy for SRTP that is none", `agents: [{name: bob, password: one, srtp: always}]`, `agents[0].srtp: "always" is none of off`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc := tt.doc + "\ncontacts: [{name: Another, phones: [\"+12025550143\"]}]"
			got, err := apply(t, s, doc)
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(got) != 0 {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	t.Run("every fault is named", func(t *testing.T) {
		_, err := apply(t, s, `
agents: [{name: bob, password: one, extension: "201"}]
lots: [{name: new, first: 703, last: 709}]
numbers: [{number: "+12025550101", flow: out}]`)
		if err == nil || strings.Count(err.Error(), "\n") != 2 {
			t.Error(err)
		}
		lots, _ := s.Lots.Lots(t.Context())
		agents, _ := s.Agents.Agents(t.Context())
		if len(lots) != 1 || len(agents) != 1 {
			t.Errorf("something was written: %v, %v", lots, agents)
		}
	})
	t.Run("what is stored counts, and what is replaced does not", func(t *testing.T) {
		if _, err := apply(t, s, `
agents: [{name: ann, extension: "202"}, {name: bob, password: one, extension: "201"}]
lots: [{name: sales, first: 801, last: 809}, {name: new, first: 701, last: 709}]
queues: [{name: new, agents: [{agent: ann}]}]
numbers: [{number: "+12025550101", flow: in}]`); err != nil {
			t.Error(err)
		}
	})
}

func TestConflicts(t *testing.T) {
	sales := parking.Lot{Name: "sales", Extension: "700", First: 701, Last: 709}
	ann := queues.Agent{Name: "ann", Extension: "201"}
	for _, tt := range []struct {
		name  string
		lot   parking.Lot
		agent queues.Agent
		want  string
	}{
		{"none", parking.Lot{Name: "b", Extension: "710", First: 711, Last: 719}, queues.Agent{Name: "bob", Extension: "202"}, ""},
		{"nobody needs an extension", parking.Lot{Name: "b", First: 711, Last: 719}, queues.Agent{Name: "bob"}, ""},
		{"an agent called like their extension", parking.Lot{Name: "b", First: 711, Last: 719}, queues.Agent{Name: "202", Extension: "202"}, ""},
		{"slots overlap", parking.Lot{Name: "b", First: 709, Last: 719}, queues.Agent{}, `lot "b": slots 709 to 719 overlap those of lot "sales", 701 to 709`},
		{"an extension of two lots", parking.Lot{Name: "b", Extension: "700", First: 711, Last: 719}, queues.Agent{}, `lot "b": extension 700 is that of lot "sales"`},
		{"an extension that is another lot's slot", parking.Lot{Name: "b", Extension: "705", First: 711, Last: 719}, queues.Agent{}, `lot "b": extension 705 is a slot of lot "sales"`},
		{"a slot that is another lot's extension", parking.Lot{Name: "b", First: 600, Last: 700}, queues.Agent{}, `lot "sales": extension 700 is a slot of lot "b"`},
		{"an agent's extension is a slot", parking.Lot{Name: "b", First: 711, Last: 719}, queues.Agent{Name: "bob", Extension: "705"}, `agent "bob": extension 705 is a slot of lot "sales"`},
		{"an agent is called like a slot", parking.Lot{Name: "b", First: 711, Last: 719}, queues.Agent{Name: "705"}, `agent "705": name 705 is a slot of lot "sales"`},
		{"an agent's extension is a lot's", parking.Lot{Name: "b", First: 711, Last: 719}, queues.Agent{Name: "bob", Extension: "700"}, `agent "bob": extension 700 is the extension of lot "sales"`},
		{"a lot's extension is a feature code", parking.Lot{Name: "b", Extension: "*98", First: 711, Last: 719}, queues.Agent{}, `lot "b": extension *98 is the code by which reps hear their messages`},
		{"an agent's extension is a feature code", parking.Lot{Name: "b", First: 711, Last: 719}, queues.Agent{Name: "bob", Extension: "*98"}, `agent "bob": extension *98 is the code by which reps hear their messages`},
		{"an extension of two agents", parking.Lot{Name: "b", First: 711, Last: 719}, queues.Agent{Name: "bob", Extension: "201"}, `agent "bob": extension 201 is that of agent "ann"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := setup.Conflicts([]parking.Lot{sales, tt.lot}, []queues.Agent{ann, tt.agent}); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestReadNamesUnknownKeys(t *testing.T) {
	for doc, key := range map[string]string{
		"lots: [{name: x, first: 1, last: 2, max_park: 20}]":                  `"max_park"`,
		"lots: [{name: x, ladder: [{after_s: 20, do: remind, too: parker}]}]": `"too"`,
		"queues: [{name: x, ring: 20}]":                                       `"ring"`,
	} {
		if _, err := setup.Read([]byte(doc)); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", doc, err)
		}
	}
	if _, err := setup.Read([]byte("trunk: []")); err == nil || !strings.Contains(err.Error(), `"trunk"`) {
		t.Error(err)
	}
	if _, err := setup.Read(nil); err == nil {
		t.Error("an empty file should be refused")
	}
}

package setup_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/internal/setup"
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
`

func stores(t *testing.T) setup.Stores {
	t.Helper()
	db := pgtest.New(t)
	return setup.Stores{
		Lots: parkingpg.New(db), Agents: queuespg.New(db), Routes: routingpg.New(db), Contacts: crmpg.NewContacts(db), Realm: "callyard",
		Prompt: func(string) bool { return true },
	}
}

func apply(t *testing.T, s setup.Stores, doc string) ([]string, error) {
	t.Helper()
	d, err := setup.Read([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := setup.Apply(t.Context(), s, d, time.Now())
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
	if err != nil || len(got) != 7 || slices.ContainsFunc(got, func(c string) bool { return !strings.HasSuffix(c, " created") }) {
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

func TestReadNamesUnknownKeys(t *testing.T) {
	if _, err := setup.Read([]byte("trunk: []")); err == nil || !strings.Contains(err.Error(), `"trunk"`) {
		t.Error(err)
	}
	if _, err := setup.Read(nil); err == nil {
		t.Error("an empty file should be refused")
	}
}

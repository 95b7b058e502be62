package demo

import (
	"testing"

	"github.com/callyard/callyard/internal/sim"
	"github.com/callyard/callyard/routing"
)

func TestSet(t *testing.T) {
	d, err := Set()
	if err != nil {
		t.Fatal(err)
	}

	t.Run("its flow has no fault and its tests pass", func(t *testing.T) {
		names := map[string]bool{}
		for _, l := range d.Lots {
			names["lot "+l.Name] = true
		}
		for _, q := range d.Queues {
			names["queue "+q.Name] = true
		}
		for _, a := range d.Agents {
			names["agent "+a.Name] = true
			for _, team := range a.Teams {
				names["team "+team] = true
			}
		}
		has := func(kind string) func(string) bool { return func(n string) bool { return names[kind+" "+n] } }
		known := routing.Known{Lot: has("lot"), Queue: has("queue"), Agent: has("agent"), Team: has("team"), Prompt: func(string) bool { return false }}
		if len(d.Flows) == 0 {
			t.Fatal("no flow")
		}
		for _, doc := range d.Flows {
			f, err := routing.Parse(doc)
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range routing.Lint(f, known) {
				t.Error(finding)
			}
			results := sim.Tests(t.Context(), f)
			if len(results) < 4 {
				t.Errorf("%d tests", len(results))
			}
			for _, finding := range routing.TestFindings(results) {
				t.Error(finding)
			}
		}
	})

	t.Run("lots and queues are in order", func(t *testing.T) {
		for _, l := range d.Lots {
			if err := l.WithDefaults().Validate(); err != nil {
				t.Error(err)
			}
			if l.Extension != Extension || l.First != 701 || l.Last != 720 {
				t.Errorf("lot %s: extension %s, slots %d to %d", l.Name, l.Extension, l.First, l.Last)
			}
		}
		for _, q := range d.Queues {
			if err := q.WithDefaults().Validate(); err != nil {
				t.Error(err)
			}
		}
	})

	t.Run("the number, the caller and the rep that others speak of are in it", func(t *testing.T) {
		if d.Numbers[0].Number != Number {
			t.Errorf("number %q", string(d.Numbers[0].Number))
		}
		if d.Contacts[0].Phones[0] != Caller {
			t.Errorf("caller %q", string(d.Contacts[0].Phones[0]))
		}
		if Password(Rep) == "" {
			t.Errorf("%s has no password", Rep)
		}
		if got := Password("nobody"); got != "" {
			t.Errorf("nobody has the password %q", got)
		}
	})
}

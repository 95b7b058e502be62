package queuestest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/callyard/callyard/queues"
)

func testMoments(t *testing.T, open func(t *testing.T) Hub) {
	t.Run("what agents did is remembered", func(t *testing.T) {
		t.Parallel()
		s := open(t).Store
		noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
		at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"ann", "ben"} {
			must(s.SaveAgent(t.Context(), queues.Agent{Name: name, Status: queues.Away, StatusSince: noon, Since: noon}))
			must(s.SaveDevice(t.Context(), queues.Device{Agent: name, Contact: "sip:" + name, Expires: time.Now().Add(time.Hour)}))
		}
		must(s.SetStatus(t.Context(), "ann", queues.Available, "", at(10)))
		o, err := s.Reserve(t.Context(), queues.Offer{ID: "ofr_1", Call: "call_1", Agents: []string{"ann"}, At: at(20), Until: at(60)}, false)
		must(err)
		must(s.Rang(t.Context(), o.ID, "ann", at(21)))
		must(s.Answer(t.Context(), o.ID, "ann", at(25)))
		must(s.Free(t.Context(), "ann", "call_1", 30*time.Second, at(40)))
		must(s.EndWrapUp(t.Context(), "ann", at(40), at(50)))
		must(s.SaveAgent(t.Context(), queues.Agent{Name: "ann", Display: "Ann"})) // is no moment
		told := func(list []queues.Moment) (out []string) {
			for _, m := range list {
				out = append(out, fmt.Sprintf("%d %s %s %s %s", m.At.Second(), m.Agent, m.Status, m.State, m.Call))
			}
			return out
		}
		for _, c := range []struct {
			from, to int
			want     []string
		}{
			{20, 45, []string{"0 ben away idle ", "20 ann available reserved call_1", "25 ann available talking call_1", "40 ann available wrap_up call_1"}},
			{15, 16, []string{"0 ben away idle ", "10 ann available idle "}},
			{-9, 5, []string{"0 ann away idle ", "0 ben away idle "}},
			{-9, -5, nil},
		} {
			list, err := s.Moments(t.Context(), at(c.from), at(c.to))
			if err != nil || !slices.Equal(told(list), c.want) {
				t.Errorf("from %d to %d: %q, %v; want %q", c.from, c.to, told(list), err, c.want)
			}
		}
		var pages []string
		for before, n := int64(0), 0; n < 10; n++ {
			list, err := s.MomentsOf(t.Context(), "ann", before, 2)
			must(err)
			if len(list) == 0 {
				break
			}
			pages, before = append(pages, told(list)...), list[len(list)-1].Seq
		}
		if len(pages) != 6 || pages[0] != "50 ann available idle " || pages[5] != "0 ann away idle " {
			t.Errorf("%q", pages)
		}
	})
}

package analytics_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/analytics"
	"github.com/callyard/callyard/analytics/analyticstest"
	"github.com/callyard/callyard/internal/call"
)

var (
	nine   = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	window = analytics.Window{From: nine, To: nine.Add(time.Hour)}
)

// at is an event of a call, so many seconds after nine.
func at(id call.ID, s int, kind call.EventType, change ...func(*call.Event)) call.Event {
	e := call.Event{Call: id, At: nine.Add(time.Duration(s) * time.Second), Type: kind}
	for _, f := range change {
		f(&e)
	}
	return e
}

func by(user string) func(*call.Event)    { return func(e *call.Event) { e.Actor.User = user } }
func park(id string) func(*call.Event)    { return func(e *call.Event) { e.Park, e.Lot = id, "sales" } }
func flow(name string) func(*call.Event)  { return func(e *call.Event) { e.Flow = name } }
func why(reason string) func(*call.Event) { return with("reason", reason) }
func came(of string) func(*call.Event)    { return with("outcome", of) }
func with(key string, v any) func(*call.Event) {
	return func(e *call.Event) {
		if e.Data == nil {
			e.Data = map[string]any{}
		}
		e.Data[key] = v
	}
}

func of(events ...call.Event) iter.Seq2[call.Event, error] {
	return func(yield func(call.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func summarize(t *testing.T, o analytics.Options, events ...call.Event) analytics.Report {
	t.Helper()
	r, err := analytics.Summarize(of(events...), window, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// stay is an attempt that was retrieved after so many seconds.
func stay(id string, began, lasted int) []call.Event {
	c := call.ID("call_" + id)
	return []call.Event{
		at(c, began, call.Parked, park(id)),
		at(c, began+lasted, call.ParkRetrieved, park(id), by("ann"), why("retrieved_other")),
	}
}

// gone is an attempt that was abandoned after so many seconds.
func gone(id string, began, lasted int) []call.Event {
	c := call.ID("call_" + id)
	return []call.Event{
		at(c, began, call.Parked, park(id)),
		at(c, began+lasted, call.ParkAbandoned, park(id), why("abandoned")),
	}
}

func same(t *testing.T, what string, got *int64, want int64) {
	t.Helper()
	if got == nil || *got != want {
		g := "nothing"
		if got != nil {
			g = time.Duration(*got * 1e6).String()
		}
		t.Errorf("%s: got %s, want %s", what, g, time.Duration(want*1e6))
	}
}

func near(t *testing.T, what string, got *float64, want float64) {
	t.Helper()
	if got == nil || *got < want-1e-9 || *got > want+1e-9 {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestParkToAnswer(t *testing.T) {
	t.Run("percentiles are values that occurred, by nearest rank", func(t *testing.T) {
		var events []call.Event
		for i := range 20 {
			events = append(events, stay(string(rune('a'+i)), i, 20-i)...) // 1 … 20 s
		}
		p := summarize(t, analytics.Options{}, events...).Parks
		same(t, "p50", p.Answer.P50, 10_000)
		same(t, "p90", p.Answer.P90, 18_000)
		same(t, "p95", p.Answer.P95, 19_000)
		same(t, "mean", p.Answer.Mean, 10_500)
		if p.Answer.N != 20 || p.Answer.Few || p.Median != nil {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("fewer than 20 are said to be few, none have no percentile", func(t *testing.T) {
		p := summarize(t, analytics.Options{}, stay("a", 0, 7)...).Parks
		same(t, "p95", p.Answer.P95, 7_000)
		if !p.Answer.Few {
			t.Error("not marked")
		}
		if p := summarize(t, analytics.Options{}).Parks; p.Answer.P50 != nil || p.Attempts != 0 || p.Outcomes["moved"] != 0 || len(p.Outcomes) != 12 {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("the age that the ledger holds is the time parked", func(t *testing.T) {
		events := stay("a", 0, 7)
		events[1].Age = 90*time.Second + 400*time.Microsecond // it kept its clock over a restart
		same(t, "p50", summarize(t, analytics.Options{}, events...).Parks.Answer.P50, 90_000)
	})
	t.Run("those who gave up make the median longer", func(t *testing.T) {
		// Answered after 10 and 30 s, gave up after 20 and 40: S(10) = ¾, S(30) = ⅜.
		p := summarize(t, analytics.Options{}, slices.Concat(stay("a", 0, 10), gone("b", 0, 20), stay("c", 0, 30), gone("d", 0, 40))...).Parks
		same(t, "p50", p.Answer.P50, 10_000)
		same(t, "Kaplan–Meier", p.Median, 30_000)
	})
	t.Run("who leaves at the moment of an answer waited until then", func(t *testing.T) {
		p := summarize(t, analytics.Options{}, slices.Concat(stay("a", 0, 10), gone("b", 0, 10))...).Parks
		same(t, "Kaplan–Meier", p.Median, 10_000) // S(10) = ½
	})
	t.Run("no median when fewer than half would be answered", func(t *testing.T) {
		p := summarize(t, analytics.Options{}, slices.Concat(stay("a", 0, 10), gone("b", 0, 20), gone("c", 0, 30))...).Parks
		if p.Median != nil {
			t.Errorf("got %d", *p.Median)
		}
	})
	t.Run("those who still wait have waited until now", func(t *testing.T) {
		events := slices.Concat(stay("a", 0, 10), gone("b", 0, 5), stay("d", 0, 12), []call.Event{at("call_c", 0, call.Parked, park("c"))})
		without := summarize(t, analytics.Options{}, events...).Parks
		same(t, "without a moment", without.Median, 10_000) // ½
		p := summarize(t, analytics.Options{Now: nine.Add(time.Minute)}, events...).Parks
		same(t, "with", p.Median, 12_000) // ⅔, then ⅓
		if p.Waiting != 1 || p.Attempts != 4 {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("at 5 % abandoned there is no estimate yet", func(t *testing.T) {
		events := gone("z", 0, 3)
		for i := range 19 {
			events = append(events, stay(string(rune('a'+i)), 0, 10+i)...)
		}
		if p := summarize(t, analytics.Options{}, events...).Parks; p.Median != nil {
			t.Error("1 of 20 is not more than 5 %")
		}
		if p := summarize(t, analytics.Options{}, events[:len(events)-2]...).Parks; p.Median == nil {
			t.Error("1 of 19 is")
		}
	})
}

func TestAttempts(t *testing.T) {
	t.Run("parked again is two attempts of one call", func(t *testing.T) {
		a, b := stay("a", 0, 10), stay("b", 60, 20)
		b[0].Call, b[1].Call = a[0].Call, a[0].Call
		p := summarize(t, analytics.Options{}, append(a, b...)...).Parks
		if p.Attempts != 2 || p.Calls != 1 || p.Answer.N != 2 {
			t.Errorf("got %+v", p)
		}
	})
	t.Run("an attempt belongs to the window in which it began", func(t *testing.T) {
		p := summarize(t, analytics.Options{}, slices.Concat(stay("before", -10, 60), stay("first", 0, 10), stay("last", 3599, 600), stay("after", 3600, 10))...).Parks
		if p.Attempts != 2 || p.Answer.N != 2 || p.Waiting != 0 {
			t.Errorf("got %+v", p)
		}
		same(t, "the end outside counts", p.Answer.P95, 600_000)
	})
	t.Run("the first end is the end", func(t *testing.T) {
		events := append(stay("a", 0, 10), at("call_a", 20, call.ParkAbandoned, park("a"), why("abandoned")))
		if p := summarize(t, analytics.Options{}, events...).Parks; p.Outcomes["abandoned"] != 0 || p.Outcomes["retrieved_other"] != 1 {
			t.Errorf("got %+v", p.Outcomes)
		}
	})
	t.Run("an end without a known reason is counted by its kind", func(t *testing.T) {
		for kind, want := range map[call.EventType]string{
			call.ParkRetrieved: "retrieved_other", call.ParkAbandoned: "abandoned", call.ParkExpired: "expired_transfer",
			call.ParkMoved: "moved", call.ParkFailed: "failed",
		} {
			p := summarize(t, analytics.Options{}, at("call_a", 0, call.Parked, park("a")), at("call_a", 9, kind, park("a"), why("bored"))).Parks
			if p.Outcomes[want] != 1 {
				t.Errorf("%s: got %v", kind, p.Outcomes)
			}
		}
	})
	t.Run("escalating is not abandoning, and a save is a retrieve after the step", func(t *testing.T) {
		step := func(id string, s, n int, do string) call.Event {
			return at(call.ID("call_"+id), s, call.ParkStep, park(id), with("step", n), with("do", do))
		}
		a, b, c := stay("a", 0, 100), gone("b", 0, 80), stay("c", 0, 30)
		d := []call.Event{
			at("call_d", 0, call.Parked, park("d")),
			step("d", 45, 0, "remind"), step("d", 60, 1, "recall"),
			at("call_d", 300, call.ParkExpired, park("d"), why("expired_voicemail")),
		}
		p := summarize(t, analytics.Options{}, slices.Concat(
			[]call.Event{a[0], step("a", 45, 0, "remind"), step("a", 60, 1, "offer"), a[1]},
			[]call.Event{b[0], step("b", 45, 0, "remind"), b[1]}, c, d)...).Parks
		if p.Outcomes["abandoned"] != 1 || p.Outcomes["expired_voicemail"] != 1 || p.Outcomes["retrieved_other"] != 2 {
			t.Errorf("outcomes %v", p.Outcomes)
		}
		if len(p.Steps) != 2 {
			t.Fatalf("steps %+v", p.Steps)
		}
		one, two := p.Steps[0], p.Steps[1]
		if one.Step != 1 || one.Do != "remind" || one.Fired != 3 || one.Saved != 1 || two.Do != "mixed" || two.Fired != 2 || two.Saved != 1 {
			t.Errorf("steps %+v", p.Steps)
		}
		near(t, "fired", one.FiredRate, 0.75)
		near(t, "saved", two.SavedRate, 0.5)
	})
}

func TestGroups(t *testing.T) {
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	a, b := stay("a", 0, 10), gone("b", 1800, 20)
	a[0].Actor.User = "bob"
	b[0].Lot, b[1].Lot = "service", "service"
	events := slices.Concat([]call.Event{at("call_a", 0, call.FlowStarted, flow("day"))}, a, b)
	for group, want := range map[analytics.By][]string{
		analytics.ByNone:        {},
		analytics.ByLot:         {"sales", "service"},
		analytics.ByFlow:        {"", "day"},
		analytics.ByAgent:       {"", "ann"},
		analytics.ByParker:      {"", "bob"},
		analytics.ByHour:        {"2026-03-02T10:00:00+01:00"},
		analytics.ByWeekdayHour: {"1 Mon 10"},
	} {
		t.Run(string(group), func(t *testing.T) {
			r := summarize(t, analytics.Options{GroupBy: group, Zone: madrid}, events...)
			keys, attempts := []string{}, 0
			for _, g := range r.Groups {
				keys = append(keys, g.Key)
				attempts += g.Attempts
			}
			if !reflect.DeepEqual(keys, want) || len(want) > 0 && attempts != 2 {
				t.Errorf("groups %q with %d attempts, want %q", keys, attempts, want)
			}
		})
	}
	t.Run("the hour that comes twice in autumn is two", func(t *testing.T) {
		change := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC) // 02:30, an hour later again 02:30
		one, two := stay("a", 0, 10), stay("b", 0, 10)
		one[0].At, two[0].At = change, change.Add(time.Hour)
		r, err := analytics.Summarize(of(append(one, two...)...), analytics.Window{From: change, To: change.Add(2 * time.Hour)}, analytics.Options{GroupBy: analytics.ByHour, Zone: madrid})
		if err != nil || len(r.Groups) != 2 || r.Groups[0].Key != "2026-10-25T02:00:00+01:00" || r.Groups[1].Key != "2026-10-25T02:00:00+02:00" {
			t.Errorf("groups %+v, %v", r.Groups, err)
		}
	})
	t.Run("an unknown grouping is an error", func(t *testing.T) {
		if _, err := analytics.Summarize(of(), window, analytics.Options{GroupBy: "moon"}); err == nil {
			t.Error("no error")
		}
	})
}

func TestCalls(t *testing.T) {
	answered := func(id call.ID, began, waits, talks int) []call.Event {
		return []call.Event{
			at(id, began, call.Offered), at(id, began+1, call.AnsweredBy), // by the system: no answer
			at(id, waits, call.QueueJoined), at(id, talks, call.Connected, by("ann")), at(id, talks, call.QueueLeft, came("answered")),
			at(id, talks+60, call.Ended, came("answered")),
		}
	}
	lost := func(id call.ID, began, left int, between ...call.Event) []call.Event {
		return slices.Concat([]call.Event{at(id, began, call.Offered)}, between, []call.Event{at(id, left, call.Ended, came("abandoned"))})
	}
	events := slices.Concat(
		answered("in_time", 0, 10, 25),  // 15 s in line, 25 s in all
		answered("late", 100, 110, 150), // 40 s in line
		lost("short", 200, 203),
		lost("queue", 300, 360, at("queue", 310, call.QueueJoined)),
		lost("queue2", 300, 312, at("queue2", 305, call.QueueJoined), at("queue2", 312, call.QueueLeft, came("abandoned"))), // 7 s in line
		lost("parked", 400, 460, at("parked", 410, call.Parked, park("p")), at("parked", 415, call.QueueJoined), at("parked", 460, call.ParkAbandoned, park("p"), why("abandoned"))),
		lost("ringing", 500, 540, at("ringing", 505, call.Dialled)),
		lost("rang", 500, 540, at("rang", 505, call.Dialled), at("rang", 520, call.DialResult)), // gave up in the flow again
		[]call.Event{at("mail", 600, call.Offered), at("mail", 660, call.Ended, came("voicemail"))},
		[]call.Event{at("live", 700, call.Offered)},
		[]call.Event{at("out", 800, call.Offered, by("ann")), at("out", 810, call.Connected), at("out", 820, call.Ended, came("answered"))},
		[]call.Event{at("early", -5, call.Offered), at("early", 10, call.Ended, came("abandoned"))},
	)
	c := summarize(t, analytics.Options{}, events...).Calls
	if c.Offered != 10 || c.Answered != 2 || c.Abandoned != 6 || c.Short != 1 || c.Other != 1 || c.Waiting != 1 {
		t.Errorf("got %+v", c)
	}
	if want := map[string]int{"flow": 2, "queue": 2, "parked": 1, "ringing": 1}; !reflect.DeepEqual(c.AbandonedIn, want) {
		t.Errorf("abandoned in %v, want %v", c.AbandonedIn, want)
	}
	near(t, "abandon rate", c.AbandonRate, 5.0/9)
	near(t, "service level", c.ServiceLevel.Rate, 1.0/7)
	near(t, "of all abandons", c.ServiceLevel.AllAbandons, 1.0/8)
	near(t, "of the answered", c.ServiceLevel.AnsweredOnly, 1.0/2)
	near(t, "early abandons met", c.ServiceLevel.EarlyCount, 3.0/8) // short and queue2 left within 20 s
	same(t, "from the start", c.FromStart.Mean, 37_500)
	same(t, "from the queue", c.FromWaiting.Mean, 27_500)

	t.Run("nothing of nothing is no rate", func(t *testing.T) {
		c := summarize(t, analytics.Options{}).Calls
		if c.AbandonRate != nil || c.ServiceLevel.Rate != nil || c.FromStart.Mean != nil {
			t.Errorf("got %+v", c)
		}
	})
	t.Run("a rep who answered and then parked the caller answered at once", func(t *testing.T) {
		c := summarize(t, analytics.Options{}, at("a", 0, call.Offered), at("a", 8, call.Connected, by("ann")), at("a", 60, call.Parked, park("p")),
			at("a", 200, call.ParkRetrieved, park("p"), by("bob"), why("retrieved_other")), at("a", 300, call.Ended, came("answered"))).Calls
		same(t, "from the start", c.FromStart.P50, 8_000)
		if c.FromWaiting.N != 0 || c.ServiceLevel.Met != 1 {
			t.Errorf("got %+v", c)
		}
	})
}

func TestRandomLedgers(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		l := analyticstest.Random(rng, 1+rng.IntN(120))
		o := analytics.Options{GroupBy: analytics.ByLot, Now: l.Window.To.Add(3 * time.Hour)}
		r, err := analytics.Summarize(of(slices.Concat(l.Calls...)...), l.Window, o)
		if err != nil {
			t.Fatal(err)
		}
		if p := r.Parks; p.Attempts != l.Attempts || p.Waiting != l.Waiting || !reflect.DeepEqual(p.Outcomes, l.Outcomes) {
			t.Fatalf("seed %d: got %d attempts, %d waiting, %v; want %d, %d, %v", seed, p.Attempts, p.Waiting, p.Outcomes, l.Attempts, l.Waiting, l.Outcomes)
		}
		if c := r.Calls; c.Offered != l.Offered || c.Answered != l.Answered || c.Offered != c.Answered+c.Abandoned+c.Other+c.Waiting {
			t.Fatalf("seed %d: calls %+v; want %d offered, %d answered", seed, c, l.Offered, l.Answered)
		}
		attempts := 0
		for _, g := range append(r.Groups, analytics.Group{Parks: r.Parks}) {
			sum := g.Waiting
			for _, n := range g.Outcomes {
				sum += n
			}
			if sum != g.Attempts {
				t.Fatalf("seed %d: group %q: outcomes sum to %d of %d", seed, g.Key, sum, g.Attempts)
			}
			attempts += g.Attempts
			lo, hi := l.Shortest.Milliseconds(), l.Longest.Milliseconds()
			if a := g.Answer; a.N > 0 && (lo > *a.P50 || *a.P50 > *a.P90 || *a.P90 > *a.P95 || *a.P95 > hi || *a.Mean < lo || *a.Mean > hi) {
				t.Fatalf("seed %d: group %q: %d, %d, %d, mean %d not within %d and %d", seed, g.Key, *a.P50, *a.P90, *a.P95, *a.Mean, lo, hi)
			}
			for _, s := range g.Steps {
				if s.Saved > s.Fired || s.Fired > g.Attempts {
					t.Fatalf("seed %d: step %+v of %d attempts", seed, s, g.Attempts)
				}
			}
		}
		if attempts != 2*r.Parks.Attempts {
			t.Fatalf("seed %d: the groups do not sum to the whole", seed)
		}
		mixed, err := analytics.Summarize(of(interleave(rng, l.Calls)...), l.Window, o)
		if err != nil || !reflect.DeepEqual(r, mixed) {
			t.Fatalf("seed %d: the order of the calls matters: %v\n%+v\n%+v", seed, err, r, mixed)
		}
	}
}

// interleave mixes calls at random, each staying in its order.
func interleave(rng *rand.Rand, calls [][]call.Event) (out []call.Event) {
	rest := slices.Clone(calls)
	for len(rest) > 0 {
		i := rng.IntN(len(rest))
		out = append(out, rest[i][0])
		if rest[i] = rest[i][1:]; len(rest[i]) == 0 {
			rest = slices.Delete(rest, i, i+1)
		}
	}
	return out
}

func TestSummarizeStopsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	_, err := analytics.Summarize(func(yield func(call.Event, error) bool) { yield(call.Event{}, broken) }, window, analytics.Options{})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestShapes(t *testing.T) {
	a, b := stay("a", 0, 10), gone("b", 1800, 20)
	b[0].Lot = "=1+1"
	for _, code := range []string{"lost", "won"} { // the newest word counts
		a = append(a, call.Event{Call: a[0].Call, At: a[len(a)-1].At, Type: call.Disposed, Data: map[string]any{"code": code}})
	}
	r := summarize(t, analytics.Options{GroupBy: analytics.ByLot}, append(a, b...)...)
	t.Run("JSON names the unit, and says null for what is not known", func(t *testing.T) {
		doc, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"definition":1`, `"park_to_answer":{"n":1,"p50_ms":10000,`, `"key":"sales","attempts":1`, `"mean_ms":null`, `"rate":null`, `"retrieved_other":1`, `"steps":[]`, `"dispositions":{"won":1}`, `"dispositions":{}`} {
			if !strings.Contains(string(doc), want) {
				t.Errorf("no %s in %s", want, doc)
			}
		}
	})
	t.Run("CSV has a line of all and one of each group, without formulas", func(t *testing.T) {
		var out bytes.Buffer
		if err := analytics.WriteCSV(&out, r); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 4 || !strings.HasPrefix(lines[0], "group_by,group,attempts,") || !strings.HasSuffix(lines[0], ",failed,disposition_won") ||
			lines[1] != "lot,*,2,2,1,10000,10000,10000,10000,10000,0,0,1,0,0,0,1,0,0,0,0,0,0,1" ||
			!strings.HasPrefix(lines[2], "lot,'=1+1,1,1,0,,,,,,0,") || !strings.HasPrefix(lines[3], "lot,sales,1,1,1,10000,") {
			t.Errorf("got\n%s", out.String())
		}
	})
}

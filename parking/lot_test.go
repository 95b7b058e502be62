package parking

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	sales := Lot{Name: "sales", First: 701, Last: 720, Extension: "700"}
	t.Run("a lot with nothing set is whole and valid", func(t *testing.T) {
		l := sales.WithDefaults()
		if err := l.Validate(); err != nil {
			t.Fatal(err)
		}
		if l.MaxPark != sec(300) || l.Claim != sec(10) || l.CoolDown != sec(30) || l.Bounce != sec(5) || l.OnExpired != "voicemail:sales" {
			t.Errorf("got %+v", l)
		}
		if !reflect.DeepEqual(l.WithDefaults(), l) {
			t.Error("twice is not the same as once")
		}
	})
	t.Run("a longer maximum moves the end of the ladder", func(t *testing.T) {
		l := sales
		l.MaxPark = sec(600)
		l = l.WithDefaults()
		if end := l.Ladder[len(l.Ladder)-1]; end.After != sec(600) {
			t.Errorf("ends at %s", end.After)
		}
	})
	t.Run("what is off stays off, but never the maximum", func(t *testing.T) {
		l := sales
		l.CoolDown, l.Bounce, l.Ladder = Off, Off, []Step{}
		l = l.WithDefaults()
		if l.CoolDown != Off || l.Bounce != Off || l.MaxPark != sec(300) || len(l.Ladder) != 1 {
			t.Errorf("got %+v", l)
		}
	})
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Lot)
		want   string
	}{
		{"name", func(l *Lot) { l.Name = "" }, "name: is missing"},
		{"slots turned round", func(l *Lot) { l.Last = 700 }, "last: 700 is before the first slot, 701"},
		{"slot zero", func(l *Lot) { l.First = 0 }, "first: 0 is not a slot number"},
		{"too many", func(l *Lot) { l.Last = 5000 }, "last: 4300 slots are more than 1000"},
		{"a long number", func(l *Lot) { l.First, l.Last = 100_000_000, 100_000_001 }, "last: 100000001 is above 99999999"},
		{"extension is a slot", func(l *Lot) { l.Extension = "705" }, "extension: 705 is one of the lot's own slots"},
		{"maximum", func(l *Lot) { l.MaxPark = sec(9) }, "max_park_s: 9 is not within 10 and 9999 seconds"},
		{"maximum", func(l *Lot) { l.MaxPark = sec(10000) }, "max_park_s: 10000"},
		{"claim", func(l *Lot) { l.Claim = sec(31) }, "claim_s: 31"},
		{"cool-down", func(l *Lot) { l.CoolDown = sec(301) }, "cool_down_s: 301"},
		{"bounce", func(l *Lot) { l.Bounce = sec(16) }, "bounce_s: 16"},
		{"destination", func(l *Lot) { l.OnExpired = "queue:" }, `on_expired: "queue:" is none of`},
		{"unknown", func(l *Lot) { l.Ladder[0].OnUnknown = "maybe" }, `ladder[0].on_unknown: "maybe" is none of`},
		{"no end", func(l *Lot) { l.Ladder = l.Ladder[:1] }, "ladder: the last step does not end the park"},
		{"order", func(l *Lot) { l.Ladder[0].After = sec(70) }, "ladder[1].after_s: 60 comes before the step above, 70"},
		{"beyond", func(l *Lot) { l.Ladder[2].After = sec(301) }, "ladder[2].after_s: 301 is beyond max_park_s, 300"},
		{"goto midway", func(l *Lot) { l.Ladder[1].Do = Goto }, "ladder[1].do: goto ends the park, but steps follow"},
		{"reminder", func(l *Lot) { l.Ladder[0].After = sec(4) }, "ladder[0].after_s: 4 is not within 5 and 600 seconds"},
		{"repeat", func(l *Lot) { l.Ladder[0].Repeat = sec(9) }, "ladder[0].repeat_s: 9"},
		{"repeated recall", func(l *Lot) { l.Ladder[1].Repeat = sec(20) }, "ladder[1].repeat_s: only reminders repeat"},
		{"recall of whom", func(l *Lot) { l.Ladder[1].To = "bob" }, `ladder[1].to: "bob" is none of ["parker" "owner"]`},
		{"ring", func(l *Lot) { l.Ladder[1].Ring = sec(61) }, "ladder[1].ring_s: 61"},
		{"offer to whom", func(l *Lot) { l.Ladder[1] = Step{After: sec(60), Do: Offer, Ring: sec(15), To: "team:"} }, `ladder[1].to: "team:" is none of`},
		{"which queue", func(l *Lot) { l.Ladder[1] = Step{After: sec(60), Do: Enqueue} }, "ladder[1].queue: is missing"},
		{"widens no queue", func(l *Lot) { l.Ladder[1] = Step{After: sec(60), Do: Widen, Skills: []string{}} }, "ladder[1].do: everybody who serves the queue"},
		{"widens to nobody", func(l *Lot) {
			one := 1
			l.Ladder = []Step{{After: sec(30), Do: Enqueue, Queue: "desk", Tier: &one}, {After: sec(60), Do: Widen}, l.Ladder[2]}
		}, "ladder[1].tier: is missing, and so are skills"},
		{"leaves for nothing", func(l *Lot) { l.Ladder[1].Leaves = true }, "ladder[1].stay_parked: only who joins a queue"},
		{"skills of a recall", func(l *Lot) { l.Ladder[1].Skills = []string{"es"} }, "ladder[1].tier: only steps about a queue"},
		{"no step", func(l *Lot) { l.Ladder[1].Do = "sing" }, `ladder[1].do: "sing" is not a step`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := Lot{Name: "sales", First: 701, Last: 720}.WithDefaults()
			tt.change(&l)
			err := l.Validate()
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "lot \"") {
				t.Errorf("got %v; want %s", err, tt.want)
			}
		})
	}
	t.Run("all faults are told at once", func(t *testing.T) {
		err := Lot{Name: "x"}.Validate()
		if n := strings.Count(err.Error(), "\n"); n < 3 {
			t.Errorf("got %v", err)
		}
	})
}

func TestJSON(t *testing.T) {
	t.Run("there and back", func(t *testing.T) {
		l := Lot{ID: "lot_1", Name: "sales", First: 701, Last: 720, Bounce: Off}.WithDefaults()
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"max_park_s":300`, `"claim_s":10`, `"cool_down_s":30`, `"bounce_s":0`, `"after_s":45`, `"repeat_s":30`, `"ring_s":20`} {
			if !strings.Contains(string(b), want) {
				t.Errorf("no %s in %s", want, b)
			}
		}
		var back Lot
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, l) {
			t.Errorf("back: %+v, %v", back, err)
		}
	})
	t.Run("steps about queues, there and back", func(t *testing.T) {
		two := 2
		was := []Step{
			{After: sec(5), Do: Enqueue, Queue: "desk", Tier: &two, Skills: []string{"es"}},
			{After: sec(6), Do: Widen, Skills: []string{}},
			{After: sec(7), Do: Enqueue, Queue: "desk", Leaves: true},
		}
		b, err := json.Marshal(was)
		if err != nil {
			t.Fatal(err)
		}
		var back []Step
		if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, was) || strings.Count(string(b), `"stay_parked":false`) != 1 {
			t.Errorf("back: %+v, %v, from %s", back, err, b)
		}
	})
	t.Run("what is absent stays", func(t *testing.T) {
		l := Defaults
		if err := json.Unmarshal([]byte(`{"name": "hot", "claim_s": 7.5, "cool_down_s": 0}`), &l); err != nil {
			t.Fatal(err)
		}
		if l.Claim != 7500*time.Millisecond || l.CoolDown != Off || l.MaxPark != Defaults.MaxPark || len(l.Ladder) != len(Defaults.Ladder) {
			t.Errorf("got %+v", l)
		}
	})
	t.Run("a ladder is replaced whole", func(t *testing.T) {
		was := Defaults.Ladder[0]
		l := Defaults
		if err := json.Unmarshal([]byte(`{"ladder": [{"after_s": 7, "do": "announce"}]}`), &l); err != nil {
			t.Fatal(err)
		}
		if want := []Step{{After: sec(7), Do: Announce}}; !reflect.DeepEqual(l.Ladder, want) {
			t.Errorf("got %+v", l.Ladder)
		}
		if !reflect.DeepEqual(Defaults.Ladder[0], was) {
			t.Error("the defaults were written to")
		}
	})
	t.Run("a duration that is no number is an error", func(t *testing.T) {
		var l Lot
		if err := json.Unmarshal([]byte(`{"claim_s": "10s"}`), &l); err == nil {
			t.Error("no error")
		}
	})
}

func TestUnknownKeys(t *testing.T) {
	for _, tt := range []struct{ doc, key string }{
		{`{"name": "x", "first": 1, "last": 2, "max_park": 20}`, `"max_park"`},
		{`{"name": "x", "ladder": [{"after_s": 20, "do": "remind", "too": "parker"}]}`, `"too"`},
	} {
		var l Lot
		if err := json.Unmarshal([]byte(tt.doc), &l); err == nil || !strings.Contains(err.Error(), tt.key) {
			t.Errorf("%s: %v", tt.doc, err)
		}
	}
	t.Run("what was written can be read", func(t *testing.T) {
		want := Lot{ID: "lot_1", Name: "x", First: 1, Last: 2, Extension: "9", Music: "calm", CoolDown: Off}.WithDefaults()
		want.Ladder[0].OnUnknown, want.Ladder[0].When = "skip", "vip"
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Lot
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v: %v", got, want, err)
		}
	})
}

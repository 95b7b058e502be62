package routing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/callyard/callyard/routing"
)

func scope() map[string]any {
	return map[string]any{
		"call": map[string]any{"id": "call_1", "to": "+34910000000"}, "caller": map[string]any{"number": "+34600000001"},
		"crm": map[string]any{
			"tier": "gold", "vip": true, "deal": map[string]any{"amount": 80000.0, "stage": nil},
			"tags": []any{"eu", "renewal"}, "visits": 3,
		},
		"time": map[string]any{"hour": 10, "weekday": "tue"},
		"vars": map[string]any{"zero": 0.0},
	}
}

func TestConditions(t *testing.T) {
	for src, want := range map[string]bool{
		`crm.deal.amount >= 50000.0`:             true,
		`crm.deal.amount >= 80000`:               true,
		`crm.deal.amount < 80000`:                false,
		`crm.tier == "gold" and time.hour < 18`:  true,
		`crm.tier != "gold"`:                     false,
		`crm.tier in ["gold", "silver"]`:         true,
		`"renewal" in crm.tags`:                  true,
		`crm.tags[1] == "renewal"`:               true,
		`crm.vip`:                                true,
		`not crm.vip`:                            false,
		`caller.number startsWith "+34"`:         true,
		`caller.number matches "^[+]34[67]"`:     true,
		`lower(" GOLD ") contains crm.tier`:      true,
		`len(crm.tags) == 2`:                     true,
		`crm.visits * 2 + 1 == 7`:                true,
		`-crm.visits < 0`:                        true,
		`crm.visits % 2 == 1`:                    true,
		`crm["tier"] == "gold"`:                  true,
		`crm?.deal?.amount > 1`:                  true,
		`(crm.vip ? 1 : 2) == 1`:                 true,
		`"tier" in crm`:                          true,
		`vars.zero == 0`:                         true,
		`crm.tier == "gold" ? crm.vip : false`:   true,
		`crm.deal.amount > 1 && !(crm.no.way>1)`: true,

		// What is missing makes a comparison false, wherever it stands.
		`crm.deal.age >= 5`:                    false,
		`crm.deal.age < 5`:                     false,
		`5 > crm.deal.age`:                     false,
		`crm.nothing.at.all.here == 1`:         false,
		`crm.nothing.at.all.here != 1`:         false,
		`crm.deal.stage != "won"`:              false, // null is missing too
		`crm.deal.age == crm.deal.youth`:       false,
		`crm.deal.age + 1 > 0`:                 false,
		`-crm.deal.age < 1`:                    false,
		`crm.nope`:                             false,
		`not crm.nope`:                         true,
		`crm.nope or crm.vip`:                  true,
		`crm.nope and crm.vip`:                 false,
		`crm.deal.age > 1 or crm.tier=="gold"`: true,
		`crm.nope in crm.tags`:                 false,
		`"x" in crm.nope`:                      false,
		`crm.nope contains "x"`:                false,
		`lower(crm.nope) == "x"`:               false,
		`len(crm.nope) == 0`:                   false,
		`crm.tags[7] == "x"`:                   false,
		`queue.waiting > 3`:                    false, // the whole root is not there
		`crm.nope == nil`:                      true,  // asked for by name
		`crm.tier != nil`:                      true,
		`(crm.nope ?? "gold") == crm.tier`:     true,

		// What cannot be compared is not equal, and has no order.
		`crm.tier > 5`:            false,
		`crm.tier == 5`:           false,
		`crm.tier != 5`:           true,
		`crm.tier.length > 1`:     false,
		`crm.visits / 0 > 1`:      true, // +Inf, as floats have it
		`crm.visits % 0 == 0`:     false,
		`crm.deal > 1`:            false,
		`crm.tier * 2 == 2`:       false,
		`crm.tier matches crm.no`: false,
	} {
		t.Run(src, func(t *testing.T) {
			got, err := routing.EvalBool(src, scope())
			if err != nil || got != want {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		})
	}
}

func TestConditionsThatAreNone(t *testing.T) {
	for src, why := range map[string]string{
		``:                          "empty",
		`crm.deal.amount >`:         "unexpected token",
		`customer.tier == "gold"`:   "unknown name customer",
		`"yes"`:                     "expected bool",
		`time.hour`:                 "expected bool",
		`time.hour == "ten"`:        "mismatched types",
		`caller.nmber == "1"`:       "nmber",
		`now() > 1`:                 "unknown name now",
		`any(crm.tags, # == "eu")`:  "",
		`1..1000000 == []`:          "",
		`let x = crm; x.vip`:        "",
		`crm.f()`:                   "no place in a flow",
		`{"a": 1} == crm`:           "no place in a flow",
		`crm.tags[0:1] == []`:       "no place in a flow",
		`_eq(1, 1)`:                 "unknown name _eq",
		`caller.number matches "("`: "missing closing",
		`crm.vip or ` + strings.Repeat("crm.vip or ", 200) + "true":  "longer than",
		`from == "` + strings.Repeat("ñ", 1000) + `"`:                "longer than 1000 characters",
		strings.Repeat("(", 400) + "true" + strings.Repeat(")", 300): "",
	} {
		t.Run(src[:min(len(src), 40)], func(t *testing.T) {
			got, err := routing.EvalBool(src, scope())
			if err == nil {
				t.Fatalf("it was taken for a condition, %v", got)
			}
			if !strings.Contains(err.Error(), why) {
				t.Errorf("error is %q, without %q", err, why)
			}
		})
	}
}

func TestPriorities(t *testing.T) {
	for src, want := range map[string]int{
		`90`:                                90,
		`crm.deal.amount / 1000`:            80,
		`crm.tier == "gold" ? 90.4 : 50`:    90,
		`(crm.deal.age ?? 10) + crm.visits`: 13,
		`-2.5`:                              -3,
		`crm.deal.amount * 1000000`:         2147483647,
	} {
		if got, err := routing.EvalInt(src, scope()); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", src, got, err, want)
		}
	}
	for _, src := range []string{`crm.deal.age`, `crm.deal.age * 2`, `crm.tier`, `0 / vars.zero`} {
		if got, err := routing.EvalInt(src, scope()); !errors.Is(err, routing.ErrNoValue) {
			t.Errorf("%s is %d, %v; want ErrNoValue", src, got, err)
		}
	}
	for _, src := range []string{`"high"`, `crm.vip ==`, `true`, `deal.amount`} {
		if got, err := routing.EvalInt(src, scope()); err == nil || errors.Is(err, routing.ErrNoValue) {
			t.Errorf("%s is %d, %v; want that it is no number", src, got, err)
		}
	}
}

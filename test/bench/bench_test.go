//go:build linux

package main

import (
	"encoding/json"
	"testing"

	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/routing"
)

// A hub takes the set-up file: what it does not know is an error, and each flow is sound.
func TestDocument(t *testing.T) {
	d, err := setup.Read(document(sizesOf(true), 3))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.Flows {
		if _, err := routing.Parse(f); err != nil {
			t.Error(err)
		}
	}
	for _, l := range d.Lots {
		if err := l.WithDefaults().Validate(); err != nil {
			t.Error(err)
		}
	}
	for _, q := range d.Queues {
		if err := q.WithDefaults().Validate(); err != nil {
			t.Error(err)
		}
	}
	if n := len(d.Numbers); n == 0 || string(d.Numbers[n-1].Number) != lastNumber {
		t.Errorf("%s does not come last: it tells that the rest is there", lastNumber)
	}
}

func TestVerdict(t *testing.T) {
	for want, f := range map[string]figure{"": {Value: 3}, "met": {Value: 3, Goal: 3}, "missed": {Value: 3.1, Goal: 3}} {
		if got := f.verdict(); got != want {
			b, _ := json.Marshal(f)
			t.Errorf("%s is %q, want %q", b, got, want)
		}
	}
}

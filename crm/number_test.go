package crm_test

import (
	"slices"
	"testing"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
)

func TestNormalize(t *testing.T) {
	for _, c := range []struct {
		in, region string
		want       call.Number // "": not a number to look up
	}{
		{"+14155552671", "US", "+14155552671"},
		{"(415) 555-2671", "US", "+14155552671"},
		{"1 415 555 2671", "US", "+14155552671"},
		{"415.555.2671 x123", "US", "+14155552671"},
		{"0014155552671", "US", "+14155552671"},
		{"0014155552671", "GB", "+14155552671"},
		{"001 415 555 2671", "US", "+14155552671"},
		{"011442079460958", "US", "+442079460958"},
		{"011 44 20 7946 0958", "US", "+442079460958"},
		{"0044 20 7946 0958", "US", "+442079460958"},
		{"442079460958", "US", "+442079460958"},
		{"sip:+14155552671@pbx;user=phone", "US", "+14155552671"},
		{"SIPS:+14155552671@pbx", "US", "+14155552671"},
		{"tel:+1-415-555-2671;ext=9", "US", "+14155552671"},
		{"\u202a+14155552671\u202c", "US", "+14155552671"},
		{"1-800-FLOWERS", "US", "+18003569377"},
		{"06 1234 5678", "IT", "+390612345678"}, // the zero belongs to it
		{"020 7946 0958", "GB", "+442079460958"},
		{"600 000 001", "ES", "+34600000001"},

		{"", "US", ""},
		{"anonymous", "US", ""},
		{"Restricted", "US", ""},
		{"+266696687", "US", ""},
		{"sip:anonymous@anonymous.invalid", "US", ""},
		{"sip:alice@x", "US", ""},
		{"911", "US", ""},
		{"201", "ES", ""},
		{"12345", "US", ""},
		{"5552671", "US", ""}, // local only
	} {
		got, ok := crm.Normalize(c.in, c.region)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Normalize(%q, %s) = %q, %v; want %q", c.in, c.region, string(got), ok, string(c.want))
		}
	}
}

func TestSplit(t *testing.T) {
	got := crm.Split("020 7946 0958 / 020 7946 0959;+34600000001")
	want := []string{"020 7946 0958 ", " 020 7946 0959", "+34600000001"}
	if !slices.Equal(got, want) {
		t.Errorf("Split = %q, want %q", got, want)
	}
}

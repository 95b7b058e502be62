package sipua

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLegible(t *testing.T) {
	for in, want := range map[string]string{
		"José Muñoz":             "José Muñoz",
		"Jos\xe9 Mu\xf1oz":       "José Muñoz", // Latin-1, as carriers send it
		"a\x00b\x1bc\r\nd":       "abcd",
		"\x00\xffab":             "ÿab",
		strings.Repeat("é", 500): strings.Repeat("é", longest),
	} {
		if got := legible(in); got != want || !utf8.ValidString(got) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

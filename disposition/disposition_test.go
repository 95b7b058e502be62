package disposition_test

import (
	"strings"
	"testing"

	"github.com/callyard/callyard/disposition"
)

func TestList(t *testing.T) {
	t.Run("the codes that ship are sound", func(t *testing.T) {
		if err := disposition.Defaults().Validate(); err != nil {
			t.Error(err)
		}
	})
	t.Run("every fault is found, each with its place", func(t *testing.T) {
		err := disposition.List{
			{Code: "won"}, {Code: "won", Category: "good"}, {Code: "auto:x"}, {Code: "Call again"}, {Code: "x", Label: strings.Repeat("x", 201)},
		}.Validate()
		for _, want := range []string{"[1].code", "[1].category", "[2].code", "[3].code", "[4].label"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("no fault at %s in: %v", want, err)
			}
		}
	})
	t.Run("what is left out", func(t *testing.T) {
		l := disposition.List{{Code: "won"}}
		got, _ := l.WithDefaults().Find("won")
		if got != (disposition.Code{Code: "won", Label: "won", Category: disposition.Uncategorized}) || l[0].Label != "" {
			t.Errorf("%+v", got)
		}
	})
}

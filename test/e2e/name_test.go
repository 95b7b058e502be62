package e2e

import (
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/softphone"
)

// Carriers send names in Latin-1, and worse. The call is parked and logged like
// any other, and its name can be read.
func TestCallerWithANameThatIsNoUTF8(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	d, err := h.callers().Call(within(t, 15*time.Second), parks, softphone.From("+12025550155", "Jos\xe9 Mu\xf1oz\x01"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WaitAnswered(within(t, 15*time.Second)); err != nil {
		t.Fatal(err)
	}
	id := h.newCall()
	h.told(id, call.Parked)
	d.Hangup()
	h.over(id, "abandoned")
	if row, err := h.Book.Call(t.Context(), id); err != nil || row.FromName != "José Muñoz" {
		t.Errorf("%q %v", row.FromName, err)
	}
}

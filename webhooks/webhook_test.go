package webhooks_test

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/webhooks"
)

func TestWants(t *testing.T) {
	for _, c := range []struct {
		events string
		fact   call.EventType
		want   bool
	}{
		{"*", call.Ended, true},
		{"park.*", call.Parked, true},
		{"park.*", call.Ended, false},
		{"call.ended", call.Ended, true},
		{"call.ended", call.Offered, false},
		{"queue.*,offer.made", call.OfferMade, true},
	} {
		if got := (webhooks.Webhook{Events: strings.Split(c.events, ",")}).Wants(c.fact); got != c.want {
			t.Errorf("%s wants %s: %v", c.events, c.fact, got)
		}
	}
}

func TestValidate(t *testing.T) {
	good := webhooks.Webhook{URL: "https://desk.example.com/hook?x=1", Events: []string{"*", "park.*", "call.ended"}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, url := range []string{"", "desk.example.com", "ftp://desk.example.com", "https://", "https://u:p@desk.example.com", "https://desk.example.com/#x", "https://[::1"} {
		if (webhooks.Webhook{URL: url, Events: good.Events}).Validate() == nil {
			t.Errorf("%q is taken for an address", url)
		}
	}
	for _, e := range []string{"", "park", "park*", "*.*", "Park.*", "park.*.x", "park.*,call.*"} {
		if (webhooks.Webhook{URL: good.URL, Events: []string{e}}).Validate() == nil {
			t.Errorf("%q is taken for a type of facts", e)
		}
	}
	if err := (webhooks.Webhook{}).Validate(); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not all faults at once: %v", err)
	}
}

func TestRotate(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	w := webhooks.Webhook{Secret: webhooks.NewSecret()}
	r := w.Rotate(time.Hour, now)
	if s := r.Secrets(now.Add(59 * time.Minute)); len(s) != 2 || s[0] == w.Secret || s[1] != w.Secret {
		t.Error("not both sign while receivers change over")
	}
	if s := r.Secrets(now.Add(time.Hour)); len(s) != 1 || s[0] != r.Secret {
		t.Error("the old secret signs too long")
	}
	if s := w.Rotate(0, now).Secrets(now); len(s) != 1 || s[0] == w.Secret {
		t.Error("a secret that has leaked must not sign on")
	}
}

func TestPauses(t *testing.T) {
	total, n := time.Duration(0), 0
	for tries := 1; ; tries++ {
		d, more := webhooks.Pause(tries)
		if !more {
			break
		}
		total, n = total+d, n+1
	}
	if n != 7 || total != 31*time.Hour+35*time.Minute+5*time.Second {
		t.Errorf("%d pauses, %s in all", n, total)
	}
	if _, more := webhooks.Pause(0); more {
		t.Error("a pause before the first attempt")
	}
}

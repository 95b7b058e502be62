package egress_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/egress"
)

func TestVerify(t *testing.T) {
	// The vector that the reference libraries of Standard Webhooks are tested with.
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	const body = `{"test": 2432232314}`
	sent := time.Unix(1614265330, 0)
	example := func() http.Header {
		return http.Header{
			"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
			"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		}
	}
	for _, c := range []struct {
		name   string
		secret string
		change func(http.Header)
		body   string
		now    time.Time
		ok     bool
	}{
		{name: "the reference vector", ok: true},
		{name: "one of several signatures", ok: true, change: func(h http.Header) { h.Set("webhook-signature", "v1a,x v1,AAAA "+h.Get("webhook-signature")) }},
		{name: "another body", body: `{"test": 2432232315}`},
		{name: "another id", change: func(h http.Header) { h.Set("webhook-id", "msg_2") }},
		{name: "another secret", secret: egress.NewSecret()},
		{name: "no signature", change: func(h http.Header) { h.Del("webhook-signature") }},
		{name: "no timestamp", change: func(h http.Header) { h.Del("webhook-timestamp") }},
		{name: "replayed later", now: sent.Add(6 * time.Minute)},
		{name: "from the future", now: sent.Add(-6 * time.Minute)},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := example()
			if c.change != nil {
				c.change(h)
			}
			s, b, now := secret, body, sent
			if c.secret != "" {
				s = c.secret
			}
			if c.body != "" {
				b = c.body
			}
			if !c.now.IsZero() {
				now = c.now
			}
			err := egress.Verify(s, h, []byte(b), now)
			if (err == nil) != c.ok || !c.ok && !errors.Is(err, egress.ErrSignature) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestSigner(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	t.Run("each of its secrets verifies", func(t *testing.T) {
		old, fresh := egress.NewSecret(), egress.NewSecret()
		s, err := egress.NewSigner(fresh, "", old)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		s.Sign(h, "call_1.lookup", now, []byte("{}"))
		for _, secret := range []string{old, fresh} {
			if err := egress.Verify(secret, h, []byte("{}"), now); err != nil {
				t.Error(err)
			}
		}
		if id := h.Get("webhook-id"); id != "call_1-lookup" {
			t.Errorf("id %q", id)
		}
	})

	t.Run("neither it nor its errors show a secret", func(t *testing.T) {
		secret := egress.NewSecret()
		s, _ := egress.NewSigner(secret)
		shown := fmt.Sprintf("%v %+v %#v", s, s, s)
		_, err := egress.NewSigner(secret + "!")
		if err == nil {
			t.Fatal("no error")
		}
		if key := strings.TrimPrefix(secret, "whsec_"); strings.Contains(shown+err.Error(), key[:8]) {
			t.Errorf("shown: %s; %v", shown, err)
		}
	})

	for name, secret := range map[string]string{"none": "", "no prefix": "Y2FsbHlhcmQ=", "a short one": "whsec_c2hvcnQ="} {
		t.Run("refused: "+name, func(t *testing.T) {
			if _, err := egress.NewSigner(secret); err == nil {
				t.Error("no error")
			}
		})
	}
}

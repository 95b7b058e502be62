package sender_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/callyard/callyard/internal/egress"
	"github.com/callyard/callyard/webhooks"
	"github.com/callyard/callyard/webhooks/sender"
)

// post sends one message to a receiver.
func post(t *testing.T, w webhooks.Webhook, d webhooks.Delivery, now time.Time, receive http.HandlerFunc) (webhooks.Answer, error) {
	t.Helper()
	srv := httptest.NewServer(receive)
	defer srv.Close()
	w.URL = srv.URL
	return sender.Sender{Client: egress.New(egress.Config{Allow: egress.Everywhere()})}.Post(t.Context(), w, d, now)
}

func TestWhatIsSentIsVerifiedByTheOfficialLibrary(t *testing.T) {
	now := time.Now()
	w := webhooks.Webhook{Secret: webhooks.NewSecret()}.Rotate(time.Hour, now)
	d := webhooks.Delivery{Message: "evt_7", Body: []byte(`{"type":"call.ended"}`)}
	a, err := post(t, w, d, now, func(res http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || string(body) != string(d.Body) || req.Header.Get("webhook-id") != "evt_7" || req.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v %s %v", req.Header, body, err)
		}
		for _, secret := range []webhooks.Secret{w.Secret, w.OldSecret} {
			wh, err := standardwebhooks.NewWebhook(string(secret))
			if err != nil {
				t.Fatal(err)
			}
			if err := wh.Verify(body, req.Header); err != nil {
				t.Errorf("the library refuses it: %v", err)
			}
			if err := egress.Verify(string(secret), req.Header, body, now); err != nil {
				t.Errorf("our own receiver refuses it: %v", err)
			}
		}
		if other, _ := standardwebhooks.NewWebhook(string(webhooks.NewSecret())); other.Verify(body, req.Header) == nil {
			t.Error("any secret will do")
		}
		res.WriteHeader(http.StatusAccepted)
	})
	if err != nil || a.Status != http.StatusAccepted {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestAnswers(t *testing.T) {
	now := time.Now()
	w, d := webhooks.Webhook{Secret: webhooks.NewSecret()}, webhooks.Delivery{Message: "evt_7"}
	t.Run("a refusal is kept, as much as helps", func(t *testing.T) {
		a, err := post(t, w, d, now, func(res http.ResponseWriter, _ *http.Request) {
			res.Header().Set("Retry-After", "120")
			res.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(res, "slow\x00down\xff\n"+strings.Repeat("x", 1000))
		})
		if err != nil || a.Status != 429 || a.RetryAfter != 2*time.Minute || !strings.HasPrefix(a.Excerpt, "slow down ") || len(a.Excerpt) > 300 {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("a date to come again", func(t *testing.T) {
		a, err := post(t, w, d, now, func(res http.ResponseWriter, _ *http.Request) {
			res.Header().Set("Retry-After", now.Add(time.Hour).UTC().Format(http.TimeFormat))
			res.WriteHeader(http.StatusServiceUnavailable)
		})
		if err != nil || a.RetryAfter < 59*time.Minute || a.RetryAfter > time.Hour {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("a redirect is an answer", func(t *testing.T) {
		a, err := post(t, w, d, now, func(res http.ResponseWriter, req *http.Request) {
			http.Redirect(res, req, "/elsewhere", http.StatusFound)
		})
		if err != nil || a.Status != http.StatusFound {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("what is inside is not reached unless allowed", func(t *testing.T) {
		inside := w
		inside.URL = "http://127.0.0.1:1/hook"
		_, err := sender.Sender{Client: egress.New(egress.Config{})}.Post(t.Context(), inside, d, now)
		if _, ok := errors.AsType[*egress.ForbiddenAddressError](err); !ok {
			t.Error(err)
		}
	})
	t.Run("a receiver that is slow does not take all the room", func(t *testing.T) {
		client, held, reached := egress.New(egress.Config{Allow: egress.Everywhere(), PerHost: 1}), make(chan struct{}), make(chan struct{})
		srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(reached); <-held }))
		defer srv.Close()
		slow := w
		slow.URL = srv.URL
		done := make(chan error)
		go func() { _, err := sender.Sender{Client: client}.Post(t.Context(), slow, d, now); done <- err }()
		<-reached
		if _, err := (sender.Sender{Client: client}).Post(t.Context(), slow, d, now); !errors.Is(err, webhooks.ErrCrowded) {
			t.Error(err)
		}
		close(held)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("an address that does not answer is not told", func(t *testing.T) {
		gone := w
		gone.URL = "http://127.0.0.1:1/hook?token=s3cr3t"
		_, err := sender.Sender{Client: &http.Client{}}.Post(t.Context(), gone, d, now)
		if err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Error(err)
		}
	})
}

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/softphone"
)

// A receiver that loses its first answer has every fact of a call, each under one
// id, signed.
func TestFactsReachAWebhookOnceEach(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var wh *standardwebhooks.Webhook
	got, seqs := map[string]int{}, map[float64]string{} // by webhook-id; of the call's facts
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if err := wh.Verify(body, req.Header); err != nil {
			t.Errorf("the official library refuses it: %v", err)
		}
		var m struct {
			Type string
			Data struct{ Seq float64 }
		}
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		id := req.Header.Get("webhook-id")
		if got[id]++; len(got) == 1 && got[id] == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if m.Type != "webhook.test" {
			seqs[m.Data.Seq] = m.Type
		}
	}))
	t.Cleanup(srv.Close)
	h := start(t, "", func(c *config.Config) { c.HTTPOut.AllowNets = []string{"127.0.0.0/8"} })
	var made struct{ ID, Secret string }
	h.post(http.StatusCreated, "/v1/webhooks", map[string]any{"url": srv.URL, "events": []string{"call.*", "park.*"}}, &made)
	mu.Lock()
	var err error
	wh, err = standardwebhooks.NewWebhook(made.Secret)
	mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	rep := h.rep("rep1", softphone.Manual)
	k := h.talks(h.callers(), rep, repHz["rep1"])
	k.caller.Hangup()
	h.over(k.id, "answered")

	var want []float64
	var line struct {
		Data []struct {
			Seq  float64
			Type string
		}
	}
	h.get("/v1/calls/"+string(k.id)+"/timeline", &line)
	for _, e := range line.Data {
		if e.Type[:5] == "call." || e.Type[:5] == "park." {
			want = append(want, e.Seq)
		}
	}
	eventually(t, "every fact", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, seq := range want {
			if seqs[seq] == "" {
				return false
			}
		}
		return len(want) > 3
	})
	mu.Lock()
	defer mu.Unlock()
	twice := 0
	for _, n := range got {
		twice += n - 1
	}
	if twice != 1 || len(got) != len(seqs) {
		t.Errorf("%d messages of %d facts, %d of them sent again", len(got), len(seqs), twice)
	}
}

package crmtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/egress"
)

// Secret is what Receiver checks signatures with. It is not one of anybody's.
const Secret = "whsec_Y2FsbHlhcmQtdGVzdC1zZWNyZXQtMDEyMzQ1Njc4OQ=="

// Receiver takes webhooks as a careful customer would: it checks the signature,
// drops what it has seen by webhook-id, and keeps the highest revision.
type Receiver struct {
	URL string

	mu         sync.Mutex
	requests   int
	seen       map[string]bool // webhook-id
	activities map[string]crm.Activity
	refused    []error
	lose       int // this many next answers are never given
	hanging    chan struct{}
}

// NewReceiver listens on 127.0.0.1 until the test ends, and fails it if anything
// came with a wrong signature.
func NewReceiver(t *testing.T) *Receiver {
	t.Helper()
	r := &Receiver{seen: map[string]bool{}, activities: map[string]crm.Activity{}, hanging: make(chan struct{})}
	srv := httptest.NewServer(http.HandlerFunc(r.receive))
	r.URL = srv.URL + "/calls"
	t.Cleanup(func() {
		close(r.hanging)
		srv.Close()
		for _, err := range r.refused {
			t.Errorf("receiver: %v", err)
		}
	})
	return r
}

// Lose makes the receiver accept the next requests and never answer them.
func (r *Receiver) Lose(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lose = n
}

// Requests counts what came, doubles included.
func (r *Receiver) Requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// Activities lists what it holds of a call.
func (r *Receiver) Activities(key string) []crm.Activity {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.activities[key]; ok {
		return []crm.Activity{a}
	}
	return nil
}

func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = egress.Verify(Secret, req.Header, body, time.Now())
	}
	lose, err := r.keep(req.Header.Get("webhook-id"), body, err)
	switch {
	case lose:
		select { // the sender gives up
		case <-req.Context().Done():
		case <-r.hanging:
		}
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (r *Receiver) keep(id string, body []byte, err error) (lose bool, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	var m struct {
		Data struct {
			Key         string      `json:"call"`
			Rev         int         `json:"rev"`
			Direction   string      `json:"direction"`
			From        call.Number `json:"from"`
			To          call.Number `json:"to"`
			StartedAt   time.Time   `json:"started_at"`
			ConnectedAt *time.Time  `json:"connected_at"`
			EndedAt     time.Time   `json:"ended_at"`
			ParkedMS    int64       `json:"parked_ms"`
			TalkedMS    int64       `json:"talked_ms"`
			Outcome     string      `json:"outcome"`
			Agent       string      `json:"agent"`
			About       []crm.Ref   `json:"about"`
			Recording   string      `json:"recording"`
			Task        *crm.Task   `json:"task"`
			Notes       string      `json:"notes"`
		} `json:"data"`
	}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		r.refused = append(r.refused, err)
		return false, err
	}
	if d := m.Data; !r.seen[id] && d.Rev >= r.activities[d.Key].Rev {
		r.activities[d.Key] = crm.Activity{
			Key: d.Key, Rev: d.Rev, Direction: d.Direction, From: d.From, To: d.To,
			StartedAt: d.StartedAt, ConnectedAt: d.ConnectedAt, EndedAt: d.EndedAt,
			Parked: time.Duration(d.ParkedMS) * time.Millisecond, Talked: time.Duration(d.TalkedMS) * time.Millisecond,
			Outcome: d.Outcome, Agent: d.Agent, About: d.About, Recording: d.Recording, Task: d.Task, Notes: d.Notes,
		}
	}
	r.seen[id] = true
	if r.lose > 0 {
		r.lose--
		return true, nil
	}
	return false, nil
}

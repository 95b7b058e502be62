package httpapi_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/webhooks"
)

func TestWhatWasGivenUpIsTriedAgain(t *testing.T) {
	h := newHub(t)
	t.Run("a delivery to a CRM", func(t *testing.T) {
		outbox := crmpg.NewOutbox(h.db)
		err := h.db.In(t.Context(), func(tx *pg.Tx) error {
			return crmpg.Put(t.Context(), tx, []crm.Activity{{Key: "call_1", Rev: 1}}, "webhook")
		})
		if err != nil {
			t.Fatal(err)
		}
		id := h.must(200, "GET", "/v1/crm_deliveries?call=call_1", nil).data()[0]["id"]
		if err := outbox.Dead(t.Context(), int64(id.(float64)), "refused", time.Now()); err != nil {
			t.Fatal(err)
		}
		if a := h.must(202, "POST", fmt.Sprintf("/v1/crm_deliveries/%v/resend", id), nil); a.doc["state"] != "pending" {
			t.Error(a.body)
		}
		h.problem(404, "crm_delivery_not_found", "POST", "/v1/crm_deliveries/999/resend", nil)
	})
	t.Run("a job", func(t *testing.T) {
		var ids []int64
		err := h.db.In(t.Context(), func(tx *pg.Tx) (err error) {
			ids, err = tx.Enqueue(t.Context(), job.Job{Args: webhooks.Deliver{Delivery: "whd_1"}, Attempts: 1})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.db.Pool.Exec(t.Context(), `update river_job set state = 'discarded', finalized_at = now(), attempt = 1,
			errors = array['{"at":"2026-03-02T09:00:00Z","attempt":1,"error":"no","trace":""}'::jsonb] where id = $1`, ids[0])
		if err != nil {
			t.Fatal(err)
		}
		if list := h.must(200, "GET", "/v1/jobs/discarded", nil).data(); len(list) != 1 || list[0]["id"] != float64(ids[0]) {
			t.Error(list)
		}
		h.must(202, "POST", fmt.Sprintf("/v1/jobs/discarded/%d/retry", ids[0]), nil)
		if list := h.must(200, "GET", "/v1/jobs/discarded", nil).data(); len(list) != 0 {
			t.Error(list)
		}
		h.problem(404, "job_not_found", "POST", "/v1/jobs/discarded/999999/retry", nil)
	})
}

func TestSmallChanges(t *testing.T) {
	h := newHub(t)
	flow, err := os.ReadFile("../../routing/testdata/reception.json")
	if err != nil {
		t.Fatal(err)
	}
	h.must(200, "PUT", "/v1/flows/reception/draft", string(flow), "If-None-Match", "*")
	h.must(200, "PUT", "/v1/numbers/+34910000001", map[string]any{"flow": "reception"})
	if a := h.must(200, "PATCH", "/v1/numbers/+34910000001", `{"label":"main"}`); a.doc["flow"] != "reception" || a.doc["label"] != "main" {
		t.Error(a.body)
	}
	h.must(200, "PUT", "/v1/agents/ann", map[string]any{"password": "correct horse"})
	h.must(204, "DELETE", "/v1/agents/ann", nil)
	h.problem(404, "agent_not_found", "GET", "/v1/agents/ann", nil)
	made := h.must(201, "POST", "/v1/webhooks", map[string]any{"url": "https://desk.example.com/hook", "events": []string{"*"}, "description": "desk"})
	a := h.must(200, "PUT", "/v1/webhooks/"+fmt.Sprint(made.doc["id"]), map[string]any{"url": "https://desk.example.com/other", "events": []string{"call.*"}})
	if a.doc["url"] != "https://desk.example.com/other" || a.doc["description"] != nil || a.doc["secret"] != nil {
		t.Error(a.body)
	}
}

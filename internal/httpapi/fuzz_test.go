package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/httpapi"
	"github.com/callyard/callyard/internal/media/clip"
	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
)

// target is an operation that writes, with one of the types of body it takes.
type target struct{ id, method, path, takes string }

// targets are all operations that write.
func targets(t testing.TB) []target {
	t.Helper()
	doc, err := httpapi.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			RequestBody struct {
				Content map[string]any `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(doc, &api); err != nil {
		t.Fatal(err)
	}
	var list []target
	for _, path := range slices.Sorted(maps.Keys(api.Paths)) {
		for _, method := range []string{"post", "put", "patch"} {
			o, ok := api.Paths[path][method]
			if !ok {
				continue
			}
			types := slices.Sorted(maps.Keys(o.RequestBody.Content))
			if len(types) == 0 {
				types = []string{"application/json"} // is sent what it does not read
			}
			for _, takes := range types {
				list = append(list, target{o.OperationID, strings.ToUpper(method), path, takes})
			}
		}
	}
	return list
}

// sound are bodies that are taken, from which mutations get far.
var sound = map[string]string{
	"save_agent":            `{"display":"Ann","extension":"201","teams":["sales"],"skills":["fr"],"srtp":"required"}`,
	"change_agent":          `{"teams":null,"display":"Ann"}`,
	"set_agent_status":      `{"status":"away","reason":"lunch"}`,
	"apply":                 `{"lots":[{"name":"sales","first":701,"last":705}]}`,
	"save_calendar":         `{"tz":"Europe/Madrid","open":{"mon-fri":["09:00","14:00","16:00","19:00"]},"holidays":["2026-12-25"],"overrides":{"2026-12-24":["09:00","12:00"]},"labels":{"2026-12-25":"Christmas"}}`,
	"change_calendar":       `{"overrides":{"2026-12-31":[]},"labels":{"2026-12-31":"New Year's Eve"},"holidays":null}`,
	"cancel_callback":       `{"reason":"sold","agent":"ann"}`,
	"dispose_call":          `{"code":"sold","note":"by Friday","agent":"ann"}`,
	"switch_recording":      `{"do":"pause","agent":"ann"}`,
	"transfer_call":         `{"to":"bea"}`,
	"add_contact":           `{"name":"Ana","phones":["600 000 001"],"fields":{"tier":"gold","deal":{"amount":10}},"tags":["a"]}`,
	"change_contact":        `{"fields":{"tier":null,"age":7}}`,
	"import_contacts":       `[{"name":"Ben","phones":["600000002"]}]`,
	"save_dispositions":     `{"data":[{"code":"sold","label":"Sold","category":"positive"},{"code":"lost"}]}`,
	"check_flow":            small,
	"save_draft":            small,
	"set_alias":             `{"version":1,"canary":1,"percent":10,"guard":{"abandon_rate":0.15}}`,
	"dry_run_flow":          `{"from":"2026-11-03T00:00:00Z","to":"2026-11-04T00:00:00Z","limit":2,"doc":` + small + `}`,
	"publish_flow":          `{"message":"first","live":false}`,
	"roll_back_flow":        `{"to":1,"message":"too busy"}`,
	"simulate_flow":         `{"given":{"at":"2026-11-03T10:00:00Z","from":"+34600000001","agents":{"ann":"available:4s"},"talk_s":30},"doc":` + small + `}`,
	"test_flow":             `{"version":1}`,
	"create_key":            `{"name":"dialler","scopes":["flows:write"],"expires_at":"2036-01-01T00:00:00Z"}`,
	"save_lot":              `{"first":701,"last":709,"extension":"700","claim_s":7.5,"ladder":[{"after_s":20,"do":"offer","to":"team:sales"}]}`,
	"change_lot":            `{"music":"jazz","ladder":null}`,
	"save_number":           `{"flow":"small","label":"main"}`,
	"change_number":         `{"label":"second"}`,
	"park_call":             `{"call_id":"call_1","lot":"sales","slot":701,"agent":"ann"}`,
	"retrieve_parked_call":  `{"agent":"ann"}`,
	"annotate_parked_call":  `{"note":"wants a quote","agent":"ann"}`,
	"move_parked_call":      `{"lot":"sales","slot":702,"agent":"ann"}`,
	"speak_prompt":          `{"text":"We are closed.","lang":"en"}`,
	"change_entry":          `{"priority":50,"first":true,"agent":"ann"}`,
	"move_entry":            `{"queue":"help","agent":"ann"}`,
	"save_queue":            `{"strategy":"longest_idle","ring_s":12,"wrap_up_s":-1,"max_len":9,"agents":[{"agent":"ann","tier":1}]}`,
	"change_queue":          `{"agents":[],"ring_s":null}`,
	"change_password":       `{"old_password":"a","password":"b"}`,
	"sign_in":               `{"name":"nobody","password":"c"}`,
	"save_trunk":            `{"host":"192.0.2.1","username":"u1","password":"correct horse","sources":["192.0.2.0/24"],"codecs":["PCMA"],"max_calls":30}`,
	"change_trunk":          `{"priority":2,"hosts":[{"host":"192.0.2.2"}]}`,
	"test_trunk":            `{"to":"+34911234567","ring_s":20}`,
	"create_user":           `{"name":"ben","role":"rep","agent":"ann","email":"ben@example.com"}`,
	"change_user":           `{"display":"Eva","email":null}`,
	"set_user_password":     `{"password":"short"}`,
	"add_webhook":           `{"url":"https://desk.example.com/hook","events":["park.*"],"description":"desk"}`,
	"save_webhook":          `{"url":"https://desk.example.com/other","events":["call.*"],"enabled":false}`,
	"change_webhook":        `{"events":["*"]}`,
	"rotate_webhook_secret": `{"overlap_s":3600}`,

	"mark_voicemail_message": `{"heard":true,"by":"ann"}`,
	"set_voicemail_greeting": string(wav.Linear(tone.Generate(500, 20*time.Millisecond, clip.Rate), clip.Rate)),
}

// great numbers are what schemas without a maximum let through.
var great = regexp.MustCompile(`\b[0-9]+\b`)

// Whatever is sent to an operation that writes, it is never our fault, and who is
// refused learns why and where.
func FuzzBody(f *testing.F) {
	h := newHub(f)
	id := h.call()
	h.agent("ann")
	h.must(200, "PUT", "/v1/agents/ann", `{"password":"correct horse"}`)
	h.must(200, "PUT", "/v1/lots/sales", `{"first":701,"last":709}`)
	h.must(200, "PUT", "/v1/queues/sales", `{}`)
	h.must(200, "PUT", "/v1/trunks/carrier", `{"host":"192.0.2.1"}`)
	h.must(200, "PUT", "/v1/calendars/sales", `{"tz":"Europe/Madrid","open":{"mon-fri":["09:00","19:00"]}}`)
	h.must(200, "PUT", "/v1/flows/small/draft", small, "If-None-Match", "*")
	h.must(200, "POST", "/v1/flows/small/publish", `{"message":"first"}`)
	h.must(200, "PUT", "/v1/numbers/+34910000001", `{"flow":"small"}`)
	h.message("msg_1", id)
	h.must(201, "POST", "/v1/users", `{"name":"eva","role":"manager"}`)
	contact := h.must(201, "POST", "/v1/contacts", `{"name":"Ana"}`).doc["id"]
	hook := h.must(201, "POST", "/v1/webhooks", `{"url":"https://desk.example.com/hook","events":["*"]}`).doc["id"]
	fill := strings.NewReplacer(
		"/calls/{id}", "/calls/"+string(id), "/contacts/{id}", fmt.Sprint("/contacts/", contact), "/webhooks/{id}", fmt.Sprint("/webhooks/", hook), "/users/{id}", "/users/eva",
		"/voicemail_messages/{id}", "/voicemail_messages/msg_1", "/agents/{name}", "/agents/ann", "/flows/{name}", "/flows/small", "/trunks/{name}", "/trunks/carrier", "{number}", "+34910000001", "{name}", "sales", "{id}", "1",
	)
	list := targets(f)
	for n, o := range list {
		for _, body := range []string{sound[o.id], great.ReplaceAllString(sound[o.id], "3000000000"), strings.ReplaceAll(sound[o.id], `":"`, `":"\u0000`), `{}`, "\xff\x00"} {
			f.Add(uint16(n), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, n uint16, body []byte) {
		o := list[int(n)%len(list)]
		h.live.mu.Lock()
		h.live.calls[id] = true // the one before may have hung up
		h.live.mu.Unlock()
		h.mu.Lock()
		h.log.Reset()
		h.mu.Unlock()
		req, err := http.NewRequestWithContext(t.Context(), o.method, h.url+fill.Replace(o.path), bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+h.key)
		req.Header.Set("Content-Type", o.takes)
		if o.id == "save_draft" {
			req.Header.Set("If-Match", "*")
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode >= 500 {
			t.Fatalf("%s: %d %s\n%s", o.id, res.StatusCode, got, h.logged())
		}
		if res.StatusCode >= 400 {
			if fault := unlikeAProblem(res, got); fault != "" {
				t.Errorf("%s: %s: %s", o.id, fault, got)
			}
		}
	})
}

// unlikeAProblem says what a refusal lacks.
func unlikeAProblem(res *http.Response, body []byte) string {
	var p struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
		Errors []struct{ Location string }
	}
	switch err := json.Unmarshal(body, &p); {
	case err != nil:
		return err.Error()
	case res.Header.Get("Content-Type") != "application/problem+json":
		return "content type " + res.Header.Get("Content-Type")
	case p.Status != res.StatusCode || p.Code == "":
		return "no code, or another status"
	case res.StatusCode == http.StatusUnprocessableEntity && (len(p.Errors) == 0 || p.Errors[0].Location == ""):
		return "no place"
	}
	return ""
}

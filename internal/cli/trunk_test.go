package cli

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTrunk(t *testing.T) {
	status := `{"name":"my carrier","calls":2,"max_calls":30,"down":"not registered: 403 Forbidden",
		"registration":{"state":"failed","status":403,"error":"403 Forbidden"},
		"gateways":[{"address":"192.0.2.1:5060","name":"gw","up":true,"rtt_ms":12.5},{"address":"192.0.2.2:5060","name":"gw","up":false,"error":"no answer"}],
		"since_start":{"in":7,"out":9,"shed":1,"failed":3,"failovers":2,"failures":{"timeout":2,"dns":1}}}`
	trial := `{"trunk":"my carrier","ok":false,"verdict":"answered, but no audio came back","cure":"check rtp.advertise",
		"steps":[{"at_ms":12,"what":"options","gateway":"192.0.2.1:5060","status":200,"text":"OPTIONS answered 200 OK"},
		{"at_ms":900,"what":"answered","gateway":"192.0.2.1:5060","status":200,"codec":"PCMA","srtp":"off","text":"answered; a tone is played"}]}`
	asked := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		asked <- r.Method + " " + r.URL.EscapedPath() + " " + string(b)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == http.MethodPost && strings.Contains(string(b), "+34999"):
			_, _ = io.WriteString(w, strings.Replace(trial, `"ok":false`, `"ok":true`, 1))
		case r.Method == http.MethodPost:
			_, _ = io.WriteString(w, trial)
		case strings.HasSuffix(r.URL.Path, "/status"):
			_, _ = io.WriteString(w, status)
		default:
			_, _ = io.WriteString(w, `{"data":[{"name":"my carrier"}]}`)
		}
	}))
	t.Cleanup(s.Close)
	at := []string{"--url", s.URL, "--key", "ck_x"}
	run := func(args ...string) said { return sh(t, append(append([]string{"trunk"}, args...), at...)...) }

	run("list").must(t, OK, "my carrier", "failed", "1/2", "2/30", "not registered")
	run("list", "-o", "json").must(t, OK, `"rtt_ms": 12.5`)
	run("status", "my carrier").must(t, OK, "failed: 403 Forbidden", "2/30 now; 7 in and 9 out", "3 failed (dns 1, timeout 2), 2 failovers, 1 shed", "12.5 ms", "no answer")
	run("status", "my carrier", "-o", "json").must(t, OK, `"failovers": 2`)
	for range 5 {
		<-asked // the list asks twice each time
	}
	if got := <-asked; got != "GET /v1/trunks/my%20carrier/status " {
		t.Errorf("asked %q", got)
	}
	run("test", "my carrier", "+34911234567", "--ring", "20").must(t, Failure, "12 ms", "192.0.2.1:5060", "[PCMA, srtp off]", "failed: answered, but no audio", "try: check rtp.advertise")
	if got := <-asked; !strings.HasPrefix(got, "POST /v1/trunks/my%20carrier/test-call {") || !strings.Contains(got, `"ring_s":20`) || !strings.Contains(got, `"to":"+34911234567"`) {
		t.Errorf("asked %q", got)
	}
	run("test", "my carrier", "+34999").must(t, OK, "ok: ")
	run("test", "my carrier").must(t, Misuse, "NUMBER is missing")
	run("test", "--help").must(t, OK, "callyard trunk test carrier +34911234567")
}

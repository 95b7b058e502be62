package client

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func hub(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &Client{URL: s.URL + "/", Key: "ck_test"}
}

func TestClient(t *testing.T) {
	t.Run("sends the key and JSON, reads JSON", func(t *testing.T) {
		c := hub(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if r.URL.Path != "/v1/apply" || r.Header.Get("Authorization") != "Bearer ck_test" || string(b) != `{"a":1}` {
				t.Errorf("%s %q %s", r.URL.Path, r.Header.Get("Authorization"), b)
			}
			_, _ = io.WriteString(w, `{"data":["x"]}`)
		})
		var got struct{ Data []string }
		if _, err := c.Do(t.Context(), Request{Method: "POST", Path: "/v1/apply", Body: map[string]int{"a": 1}}, &got); err != nil || len(got.Data) != 1 {
			t.Errorf("%v, %v", got, err)
		}
	})

	t.Run("a refusal keeps its code and says every fault", func(t *testing.T) {
		c := hub(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(422)
			_, _ = io.WriteString(w, `{"status":422,"title":"Unprocessable","detail":"the flow has faults","code":"flow_faults","errors":[{"location":"nodes.park","message":"is broken"}]}`)
		})
		var p *Problem
		err := c.Get(t.Context(), "/v1/x", nil)
		if !errors.As(err, &p) || p.Code != "flow_faults" || err.Error() != "the flow has faults\n  nodes.park: is broken" {
			t.Errorf("%v", err)
		}
	})

	t.Run("a refusal that is no problem document still has its status", func(t *testing.T) {
		c := hub(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) })
		if err := c.Get(t.Context(), "/v1/x", nil); err == nil || !strings.Contains(err.Error(), "502 Bad Gateway") {
			t.Errorf("%v", err)
		}
	})

	t.Run("a missing key is told how to be given", func(t *testing.T) {
		c := hub(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) })
		if err := c.Get(t.Context(), "/v1/x", nil); err == nil || !strings.Contains(err.Error(), "CALLYARD_KEY") {
			t.Errorf("%v", err)
		}
	})

	t.Run("nobody there", func(t *testing.T) {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		_ = l.Close()
		var gone *UnreachableError
		if err := (&Client{URL: "http://" + addr}).Get(t.Context(), "/v1/x", nil); !errors.As(err, &gone) || !strings.Contains(err.Error(), "is it running?") {
			t.Errorf("%v", err)
		}
	})
}

func TestEvents(t *testing.T) {
	c := hub(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("Accept %q", r.Header.Get("Accept"))
		}
		_, _ = io.WriteString(w, "event: snapshot\nid: 7-1\ndata: {\"cursor\":\"7-1\",\"parked_calls\":[]}\n\n"+
			": ping\n\n"+
			"event: board\ndata: {\"agents\":[]}\n\n"+
			"id: 8-2\nevent: park.parked\ndata: {\"seq\":3,\"call\":\"call_1\",\ndata: \"type\":\"park.parked\",\"slot\":\"701\",\"age_ms\":20}\n\n")
	})
	e, err := c.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()

	t.Run("facts come whole, all else is passed over", func(t *testing.T) {
		f, err := e.Next()
		if err != nil || f.Call != "call_1" || f.Slot != "701" || f.Seq != 3 || f.AgeMS != 20 {
			t.Errorf("%+v, %v", f, err)
		}
	})

	t.Run("the end is an error with a name", func(t *testing.T) {
		if _, err := e.Next(); !errors.Is(err, ErrStreamEnded) {
			t.Errorf("%v", err)
		}
	})
}

package queues_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/queues"
)

func TestQueueJSON(t *testing.T) {
	q := queues.Queue{
		ID: "que_1", Name: "sales", Strategy: queues.RingAll, Ring: 15 * time.Second, Retry: 2500 * time.Millisecond,
		WrapUp: 30 * time.Second, MaxWait: 5 * time.Minute, MaxLen: 20, Music: "calm", Target: 20 * time.Second,
		Agents: []queues.Assignment{{Agent: "ann", Tier: 1, Order: 2}},
	}
	b, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"que_1","name":"sales","strategy":"ring_all","max_len":20,"music":"calm","agents":[{"agent":"ann","tier":1,"order":2}],` +
		`"ring_s":15,"retry_s":2.5,"wrap_up_s":30,"max_wait_s":300,"target_s":20}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	var back queues.Queue
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, q) {
		t.Errorf("got %+v, want %+v", back, q)
	}
	t.Run("a patch leaves the rest", func(t *testing.T) {
		if err := json.Unmarshal([]byte(`{"ring_s": 8}`), &back); err != nil {
			t.Fatal(err)
		}
		want := q
		want.Ring = 8 * time.Second
		if !reflect.DeepEqual(back, want) {
			t.Errorf("got %+v, want %+v", back, want)
		}
	})
}

func TestQueueUnknownKeys(t *testing.T) {
	for doc, key := range map[string]string{
		`{"name": "x", "ring": 20}`:                   `"ring"`,
		`{"name": "x", "agents": [{"agnet": "ann"}]}`: `"agnet"`,
	} {
		var q queues.Queue
		if err := json.Unmarshal([]byte(doc), &q); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func TestWithDefaults(t *testing.T) {
	got := queues.Queue{Name: "sales"}.WithDefaults()
	want := queues.Queue{
		Name: "sales", Strategy: queues.LongestIdle, Ring: 15 * time.Second, Retry: 5 * time.Second, WrapUp: 30 * time.Second,
		MaxWait: 300 * time.Second, Target: 20 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name, says string
		change     func(*queues.Queue)
	}{
		{"no name", "name", func(q *queues.Queue) { q.Name = "" }},
		{"a name with spaces", "name", func(q *queues.Queue) { q.Name = "our sales" }},
		{"an unknown strategy", "longest_idle, ordered, ring_all", func(q *queues.Queue) { q.Strategy = "guess" }},
		{"ringing backwards", "ring_s", func(q *queues.Queue) { q.Ring = -time.Second }},
		{"ringing for ever", "ring_s", func(q *queues.Queue) { q.Ring = time.Hour }},
		{"no maximum wait", "max_wait_s", func(q *queues.Queue) { q.MaxWait = -1 }},
		{"a bound below zero", "max_len", func(q *queues.Queue) { q.MaxLen = -1 }},
		{"a bound that bounds nothing", "max_len", func(q *queues.Queue) { q.MaxLen = 3_000_000_000 }},
		{"an agent twice", "twice", func(q *queues.Queue) { q.Agents = staff("ann/ann") }},
		{"an agent without a name", "no name", func(q *queues.Queue) { q.Agents = []queues.Assignment{{}} }},
		{"a tier below zero", "tier -1", func(q *queues.Queue) { q.Agents = []queues.Assignment{{Agent: "ann", Tier: -1}} }},
		{"an order that no store takes", "order of ann", func(q *queues.Queue) { q.Agents = []queues.Assignment{{Agent: "ann", Order: 3_000_000_000}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := queues.Queue{Name: "sales"}.WithDefaults()
			c.change(&q)
			if err := q.Validate(); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want something about %s", err, c.says)
			}
		})
	}
}

func TestNewHA1(t *testing.T) {
	// RFC 7616 §3.9.1: user, realm and password of the example; its MD5 and SHA-256.
	got := queues.NewHA1("Mufasa", "http-auth@example.org", "Circle of Life")
	want := queues.HA1{
		MD5:    "3d78807defe7de2157e2b0b6573a855f",
		SHA256: "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232",
	}
	if got != want {
		t.Errorf("got %q and %q", got.MD5, got.SHA256)
	}
	for _, s := range []string{fmt.Sprint(got), fmt.Sprintf("%+v", queues.Agent{HA1: got}), fmt.Sprintf("%#v", got)} {
		if strings.Contains(s, got.MD5) || strings.Contains(s, got.SHA256) {
			t.Errorf("the secret prints: %s", s)
		}
	}
}

func TestService(t *testing.T) {
	svc := queues.NewService(queues.NewMemory())
	ctx := t.Context()
	t.Run("a job for a queue that is gone does nothing", func(t *testing.T) {
		if offers, err := svc.Distribute(ctx, "gone", noon); err != nil || len(offers) > 0 {
			t.Errorf("got %v, %v", offers, err)
		}
	})
	t.Run("a job for an agent who is gone does nothing", func(t *testing.T) {
		if err := svc.EndWrapUp(ctx, queues.WrapUpOver{Agent: "gone"}, noon); err != nil {
			t.Error(err)
		}
		if err := svc.Forgive(ctx, queues.ForgiveAgent{Agent: "gone"}, noon); err != nil {
			t.Error(err)
		}
	})
}

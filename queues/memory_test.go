package queues_test

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/queues/queuestest"
)

func TestMemory(t *testing.T) {
	queuestest.TestStore(t, func(*testing.T) queuestest.Hub {
		var mu sync.Mutex
		var jobs []queuestest.Job
		ledger := map[call.ID][]call.Event{}
		m := queues.NewMemory()
		m.Note = func(e call.Event) {
			mu.Lock()
			defer mu.Unlock()
			ledger[e.Call] = append(ledger[e.Call], e)
		}
		m.Enqueue = func(j job.Job) {
			mu.Lock()
			defer mu.Unlock()
			args, err := json.Marshal(j.Args)
			if err != nil {
				t.Error(err)
			}
			jobs = append(jobs, queuestest.Job{Kind: j.Args.Kind(), Args: args, Queue: j.Queue, At: j.At})
		}
		return queuestest.Hub{
			Store: m,
			Call:  func(*testing.T, call.ID, call.NodeID) {},
			End:   func(_ *testing.T, c call.ID, at time.Time) { m.CallEnded(c, at) },
			Jobs: func(*testing.T) []queuestest.Job {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(jobs)
			},
			Facts: func(_ *testing.T, c call.ID) []call.Event {
				mu.Lock()
				defer mu.Unlock()
				return slices.Clone(ledger[c])
			},
		}
	})
}

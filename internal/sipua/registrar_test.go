package sipua

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/callyard/callyard/queues"
)

// away is a store that does not answer in time.
type away struct{ asked int }

func (a *away) SaveDevice(context.Context, queues.Device) error { return nil }
func (a *away) Devices(context.Context, string, time.Time) ([]queues.Device, error) {
	return nil, nil
}

func (a *away) DropDevice(context.Context, queues.Device) error {
	a.asked++
	return errors.New("no answer in two seconds")
}

// Registrations run out on the goroutine that keeps flows through NATs open: a
// database that is away must not hold it up once for each.
func TestRegistrationsRunOutWithoutTheStore(t *testing.T) {
	now, store := time.Unix(1e9, 0), &away{}
	r := newRegistrar(Config{Bindings: store, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}, &counters{})
	for i := range 100 {
		agent := fmt.Sprint("a", i)
		r.m[agent] = []queues.Device{{Agent: agent, Expires: now}}
	}
	r.expire()
	if store.asked != 1 || r.len() != 0 {
		t.Errorf("asked %d times, %d are left", store.asked, r.len())
	}
}

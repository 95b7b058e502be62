package e2e

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/pg/embedded"
	"github.com/callyard/callyard/internal/softphone"
	"github.com/callyard/callyard/parking"
)

// ownCluster is a database server that only this test uses, and may kill.
func ownCluster(t *testing.T) (dir string, c *embedded.Cluster) {
	t.Helper()
	dir, err := os.MkdirTemp("", "callyard-e2e-pg-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the account of the server enters it
		t.Fatal(err)
	}
	return dir, runCluster(t, dir)
}

func runCluster(t *testing.T, dir string) *embedded.Cluster {
	t.Helper()
	c, err := embedded.Start(within(t, 60*time.Second), dir, "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return c
}

// The database is killed while callers wait and talk, and comes back: nobody is
// cut off, nothing is lost, nothing is counted twice.
func TestDatabaseIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	dir, cluster := ownCluster(t)
	h := start(t, "", func(c *config.Config) { c.Database = cluster.URL() })
	rep1, rep2 := h.rep("rep1", softphone.Manual), h.rep("rep2", softphone.Manual)
	trunk := h.callers()
	parked := h.calls(trunk, parks)
	id := h.newCall()
	slot := h.told(id, call.Parked).Slot
	k := h.talks(trunk, rep1, callerHz)
	before := h.onlyPark(id)

	died := time.Now()
	if err := syscall.Kill(cluster.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the database is gone", func() bool { return h.DB.Pool.Ping(within(t, time.Second)) != nil })
	hears(t, "the parked caller", parked, musicHz)
	k.together(t)

	t.Run("to retrieve is refused politely", func(t *testing.T) {
		var refused *softphone.StatusError
		err := h.dials(rep2, slot).WaitAnswered(within(t, 20*time.Second))
		if !errors.As(err, &refused) || refused.Status < 500 {
			t.Fatalf("refused with 5xx: %v", err)
		}
		for _, inside := range []string{"/tmp", "SQLSTATE", "dial ", "user="} {
			if text := refused.Header.Get("Reason") + refused.Header.Get("Warning"); strings.Contains(text, inside) {
				t.Errorf("what the rep is shown tells of our insides: %q", text)
			}
		}
		if _, err := h.Hub.Retrieve(within(t, 15*time.Second), parking.Target{Lot: before.Lot, Slot: before.Slot}, "rep2"); err == nil {
			t.Error("nobody can have retrieved the call")
		}
		hears(t, "the parked caller", parked, musicHz)
	})
	t.Run("to park is refused and both stay together", func(t *testing.T) {
		if r := k.refers(t, "700"); r.Status < 500 {
			t.Errorf("%+v", r)
		}
		k.together(t)
	})
	k.caller.Hangup() // nobody is there to write it down
	ends(t, "rep1", k.rep)

	runCluster(t, dir)
	back := time.Now()
	eventually(t, "the database is back", func() bool { return h.DB.Pool.Ping(within(t, time.Second)) == nil })
	hears(t, "the parked caller", parked, musicHz)
	after := h.onlyPark(id)
	if after.ID != before.ID || !after.ParkedAt.Equal(before.ParkedAt) {
		t.Errorf("the park goes on: was %+v, is %+v", before, after)
	}
	d := h.dialled(rep2, "rep2", slot)
	hears(t, "the caller", parked, repHz["rep2"])
	hears(t, "rep2", d, callerHz)
	d.Hangup()
	ends(t, "the caller", parked)
	h.over(id, "answered")
	if got := h.parkReasons(id); !slices.Equal(got, []string{"retrieved_other"}) {
		t.Error(got)
	}

	events := h.over(k.id, "answered")
	if got := h.parkReasons(k.id); len(got) != 0 {
		t.Error("was never parked:", got)
	}
	for _, want := range []call.EventType{call.ParkRequested, call.Parted, call.Ended} {
		if !slices.ContainsFunc(events, func(e call.Event) bool { return e.Type == want && e.At.After(died) && e.At.Before(back) }) {
			t.Errorf("the ledger should know of %s while the database was away", want)
		}
	}
	eventuallyFor(t, 20*time.Second, "both calls in the address book: jobs run again", func() bool {
		var n int
		if err := h.DB.Pool.QueryRow(t.Context(), `select count(*) from contact_activities where key in ($1, $2)`, id, k.id).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 2
	})
}

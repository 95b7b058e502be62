package queues_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/callyard/callyard/queues"
)

func TestLoad(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	q := queues.Queue{Name: "sales", Agents: []queues.Assignment{{Agent: "ann"}, {Agent: "ben"}, {Agent: "cy"}, {Agent: "dan"}, {Agent: "eve"}}}
	agents := []queues.Agent{
		{Name: "ann", Status: queues.Available, State: queues.Idle, Devices: 1},
		{Name: "ben", Status: queues.Available, State: queues.Talking, Devices: 2},
		{Name: "cy", Status: queues.Away, State: queues.Idle, Devices: 1},
		{Name: "dan", Status: queues.Offline, State: queues.Idle, Devices: 1},
		{Name: "eve", Status: queues.Available, State: queues.Idle},
		{Name: "zoe", Status: queues.Available, State: queues.Idle, Devices: 1}, // serves another
	}
	l := queues.LoadOf(q, nil, agents, now)
	if l != (queues.Load{Free: 1, LoggedIn: 3}) {
		t.Errorf("%+v", l)
	}
	if got := fmt.Sprint(l.Words("sales")); got != "map[agents_free:1 agents_logged_in:3 est_wait_s:0 longest_wait_s:0 name:sales waiting:0]" {
		t.Error(got)
	}
	l = queues.LoadOf(q, []queues.Entry{{JoinedAt: now.Add(-5 * time.Second)}, {JoinedAt: now.Add(-90 * time.Second)}}, agents, now)
	if l != (queues.Load{Waiting: 2, Longest: 90 * time.Second, Free: 1, LoggedIn: 3}) || l.Words("sales")["est_wait_s"] != nil {
		t.Errorf("%+v", l)
	}
	a := queues.Agent{Name: "ann", Extension: "201", Teams: []string{"east", "vip"}, Status: queues.Available, State: queues.WrapUp}
	if got := fmt.Sprint(a.Words()); got != "map[display: extension:201 name:ann state:wrap_up status:available team:east teams:[east vip]]" {
		t.Error(got)
	}
}

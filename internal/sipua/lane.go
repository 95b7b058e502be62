package sipua

import (
	"log/slog"
	"runtime/debug"
	"sync"
)

// lanes run tasks of one key one after the other, in order, and those of
// different keys side by side. The key is a Call-ID: everything that concerns a
// dialog (messages, timers, orders from the live call) runs in its lane, so a
// dialog needs no lock and an idle one no goroutine.
type lanes struct {
	log   *slog.Logger
	bound int // tasks from the network that may wait in one lane
	stats *counters

	mu   sync.Mutex
	busy map[string]*lane
	wg   sync.WaitGroup
	shut bool
}

type lane struct {
	tasks []func()
}

func newLanes(log *slog.Logger, bound int, stats *counters) *lanes {
	return &lanes{log: log, bound: bound, stats: stats, busy: map[string]*lane{}}
}

// do runs f in the lane of key, after everything put there before. It is for
// our own work and never refused until the lanes are shut.
func (l *lanes) do(key string, f func()) { l.put(key, f, 0) }

// offer is do for a message from the network: false when too many wait already.
func (l *lanes) offer(key string, f func()) bool { return l.put(key, f, l.bound) }

func (l *lanes) put(key string, f func(), bound int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return false
	}
	ln := l.busy[key]
	if ln == nil {
		ln = &lane{tasks: []func(){f}}
		l.busy[key] = ln
		l.wg.Add(1)
		go l.drain(key, ln)
		return true
	}
	if bound > 0 && len(ln.tasks) >= bound {
		return false
	}
	ln.tasks = append(ln.tasks, f)
	return true
}

// drain runs until its lane is empty; the lane is then forgotten.
func (l *lanes) drain(key string, ln *lane) {
	defer l.wg.Done()
	for {
		l.mu.Lock()
		if len(ln.tasks) == 0 {
			delete(l.busy, key)
			l.mu.Unlock()
			return
		}
		f := ln.tasks[0]
		ln.tasks[0] = nil
		ln.tasks = ln.tasks[1:]
		l.mu.Unlock()
		l.run(f)
	}
}

// run keeps a panic in one message from ending the process.
func (l *lanes) run(f func()) {
	defer func() {
		if r := recover(); r != nil {
			l.stats.panics.Add(1)
			l.log.Error("panic while handling SIP", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// len counts the lanes with work in them.
func (l *lanes) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.busy)
}

// close refuses new tasks and waits for those under way.
func (l *lanes) close() {
	l.mu.Lock()
	l.shut = true
	l.mu.Unlock()
	l.wg.Wait()
}

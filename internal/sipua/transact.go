package sipua

import (
	"log/slog"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// transactions is an ordered transaction layer: sipgo's transports and state
// machines, with one lane per Call-ID instead of one goroutine per message. In
// sipgo's own layer a CANCEL overtakes its INVITE and a 200 its 180.
type transactions struct {
	tp    *transports
	lanes *lanes
	log   *slog.Logger // for sipgo
	stats *counters
	now   func() time.Time
	core  core

	mu     sync.Mutex
	server map[string]*serverTx
	client map[string]*clientTx
	first  map[string]*serverTx // INVITEs from outside a dialog, by mergeKey
}

// core is who uses the transactions. All but admit are called in the lane of
// the message's Call-ID.
type core interface {
	// admit decides in the socket's reader whether a new INVITE may enter at all.
	admit(req *sip.Request, over sip.Connection) bool
	request(req *sip.Request, tx *serverTx)
	ack(req *sip.Request)
	cancel(req *sip.Request, tx *serverTx)
	stray(res *sip.Response)
}

func newTransactions(tp *transports, lanes *lanes, log *slog.Logger, stats *counters, now func() time.Time, c core) *transactions {
	t := &transactions{tp: tp, lanes: lanes, log: log, stats: stats, now: now, core: c, server: map[string]*serverTx{}, client: map[string]*clientTx{}, first: map[string]*serverTx{}}
	tp.message = t.arrived // called by the socket's reader: in order of arrival
	return t
}

// arrived must not block the socket.
func (t *transactions) arrived(m sip.Message, over sip.Connection) {
	key := ""
	if c := m.CallID(); c != nil {
		key = c.Value()
	}
	var f func()
	switch m := m.(type) {
	case *sip.Response:
		t.stats.responses.Add(1)
		f = func() { t.response(m) }
	case *sip.Request:
		t.stats.requests.Add(1)
		if !t.known(m) && !t.core.admit(m, over) {
			return
		}
		f = func() { t.request(m, over) }
	default:
		return
	}
	if !sip.IsReliable(m.Transport()) {
		if !t.lanes.offer(key, f) {
			t.stats.laneFull.Add(1)
		}
		return
	}
	// What follows on a stream may be broken and end the connection: the answer
	// to what was whole gets a moment to be written first.
	done := make(chan struct{})
	if !t.lanes.offer(key, func() { defer close(done); f() }) {
		t.stats.laneFull.Add(1)
		return
	}
	wait := time.NewTimer(streamPause)
	defer wait.Stop()
	select {
	case <-done:
	case <-wait.C:
	}
}

// streamPause is how long a stream's reader waits for one message to be handled.
const streamPause = 10 * time.Millisecond

// known says whether a request repeats one that is being answered.
func (t *transactions) known(req *sip.Request) bool {
	if req.Via() == nil || req.CSeq() == nil || req.From() == nil || req.CallID() == nil {
		return false
	}
	key := serverKey(req, req.Method)
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.server[key]
	return ok
}

func (t *transactions) request(req *sip.Request, over sip.Connection) {
	normalise(&req.MessageData)
	if bad := screen(req); bad != nil {
		if !req.IsAck() && req.Via() != nil {
			_ = t.reply(over, bad.response(req))
		}
		return
	}
	if req.IsCancel() {
		t.cancelled(req, over)
		return
	}
	key := serverKey(req, req.Method)
	t.mu.Lock()
	tx := t.server[key]
	t.mu.Unlock()
	if req.IsAck() {
		if tx != nil && tx.final >= 300 {
			_ = tx.Receive(req)
			return
		}
		t.core.ack(req)
		return
	}
	if tx != nil {
		_ = tx.Receive(req) // a repetition: the state machine repeats the last response
		return
	}
	if bad := validate(req); bad != nil {
		t.begin(key, req, over, func(tx *serverTx) { _ = tx.respond(bad.response(req)) })
		return
	}
	if t.merged(req) {
		t.begin(key, req, over, func(tx *serverTx) { tx.status(482) })
		return
	}
	t.begin(key, req, over, func(tx *serverTx) { t.core.request(req, tx) })
}

func (t *transactions) len() (server, client int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.server), len(t.client)
}

// close ends every transaction without a word.
func (t *transactions) close() {
	t.mu.Lock()
	var end []interface{ Terminate() }
	for _, tx := range t.server {
		end = append(end, tx)
	}
	for _, tx := range t.client {
		end = append(end, tx)
	}
	t.mu.Unlock()
	for _, tx := range end {
		tx.Terminate()
	}
}

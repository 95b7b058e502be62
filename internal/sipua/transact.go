package sipua

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

// serverTx is a request we answer.
type serverTx struct {
	*sip.ServerTx
	req   *sip.Request
	flow  Flow
	tag   string // ours, the same in every response (RFC 3261 §8.2.6.2)
	at    time.Time
	final int  // status of the final response; lane only, but see owned
	owned bool // a leg answers it when it likes; lane only
}

// clientTx is a request of ours. handle is called in the lane with each
// response, and once with an error when no final response came.
type clientTx struct {
	*sip.ClientTx
	req    *sip.Request
	handle func(*sip.Response, error)
	again  *sip.Response // a repeated or forked 2xx, see receive
	final  bool          // lane only
}

func newTransactions(tp *transports, lanes *lanes, log *slog.Logger, stats *counters, now func() time.Time, c core) *transactions {
	t := &transactions{tp: tp, lanes: lanes, log: log, stats: stats, now: now, core: c, server: map[string]*serverTx{}, client: map[string]*clientTx{}}
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
	t.begin(key, req, over, func(tx *serverTx) { t.core.request(req, tx) })
}

// begin makes the transaction of a new request and passes it on.
func (t *transactions) begin(key string, req *sip.Request, over sip.Connection, f func(*serverTx)) {
	tx := &serverTx{
		ServerTx: sip.NewServerTx(key, req, over, t.log),
		req:      req, tag: newTag(), at: t.now(),
		flow: Flow{Transport: sip.NetworkToLower(req.Transport()), Local: over.LocalAddr().String(), Remote: req.Source()},
	}
	if err := tx.Init(); err != nil {
		return
	}
	t.mu.Lock()
	t.server[key] = tx
	t.mu.Unlock()
	if !tx.OnTerminate(func(k string, _ error) { t.forgetServer(k) }) {
		t.forgetServer(key)
	}
	f(tx)
}

func (t *transactions) forgetServer(key string) {
	t.mu.Lock()
	delete(t.server, key)
	t.mu.Unlock()
}

// cancelled matches a CANCEL with its INVITE (RFC 3261 §9.2): 200 for itself,
// whatever becomes of the other.
func (t *transactions) cancelled(req *sip.Request, over sip.Connection) {
	t.mu.Lock()
	tx := t.server[serverKey(req, sip.INVITE)]
	t.mu.Unlock()
	if tx == nil {
		_ = t.reply(over, newResponse(req, 481, "", newTag()))
		return
	}
	_ = t.reply(over, newResponse(req, 200, "", tx.tag))
	if tx.final == 0 {
		t.core.cancel(req, tx)
	}
}

// respond sends a response and remembers a final one. A second final response
// other than a repeated 2xx is refused: whoever came first has decided.
func (tx *serverTx) respond(res *sip.Response) error {
	if tx.final >= 300 || (tx.final >= 200 && res.StatusCode != tx.final) {
		return fmt.Errorf("answer %d to %s: already answered %d", res.StatusCode, tx.req.Method, tx.final)
	}
	if res.StatusCode >= 200 {
		tx.final = res.StatusCode
	}
	if err := tx.Respond(res); err != nil && !errors.Is(err, sip.ErrTransactionTerminated) {
		return fmt.Errorf("answer %d to %s: %w", res.StatusCode, tx.req.Method, err)
	}
	return nil
}

// status answers without anything more to say.
func (tx *serverTx) status(code int, headers ...sip.Header) {
	res := newResponse(tx.req, code, "", tx.tag)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	_ = tx.respond(res)
}

// reply sends a response outside any transaction, the way its request came.
func (t *transactions) reply(over sip.Connection, res *sip.Response) error {
	if err := over.WriteMsg(res); err != nil {
		return fmt.Errorf("send %d: %w", res.StatusCode, err)
	}
	return nil
}

func (t *transactions) response(res *sip.Response) {
	normalise(&res.MessageData)
	if res.Via() == nil || res.CSeq() == nil || res.CallID() == nil || res.From() == nil || res.To() == nil {
		return
	}
	key, err := sip.ClientTxKeyMake(res)
	if err != nil {
		return
	}
	t.mu.Lock()
	tx := t.client[key]
	t.mu.Unlock()
	if tx == nil {
		t.core.stray(res)
		return
	}
	tx.receive(res, t.lanes.run)
}

// receive passes a response through the state machine, which hands it on over an
// unbuffered channel: it runs beside us, so that the lane keeps the order.
func (c *clientTx) receive(res *sip.Response, run func(func())) {
	if c.final && res.StatusCode >= 300 {
		// A repeated final response. The state machine may sleep before it
		// repeats the ACK; nothing is handed on.
		go run(func() { c.Receive(res) })
		return
	}
	done := make(chan struct{})
	c.again = nil
	go run(func() {
		defer close(done)
		c.Receive(res)
	})
	select {
	case r := <-c.Responses():
		<-done
		c.deliver(r, nil)
	case <-done:
		if c.again != nil {
			c.deliver(c.again, nil)
		}
	}
}

func (c *clientTx) deliver(res *sip.Response, err error) {
	if err != nil && c.final {
		return
	}
	c.final = c.final || err != nil || res.StatusCode >= 200
	c.handle(res, err)
}

// send starts a client transaction. It may block while a TCP connection is
// made, and must be called in the lane of the request's Call-ID.
func (t *transactions) send(req *sip.Request, handle func(*sip.Response, error)) (*clientTx, error) {
	key, err := sip.ClientTxKeyMake(req)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", req.Method, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	conn, err := t.tp.connection(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", req.Method, err)
	}
	c := &clientTx{ClientTx: sip.NewClientTx(key, req, conn, t.log), req: req, handle: handle}
	t.mu.Lock()
	t.client[key] = c
	t.mu.Unlock()
	lane := req.CallID().Value()
	c.OnRetransmission(func(r *sip.Response) { c.again = r })
	c.OnTerminate(func(k string, err error) {
		// Called under the state machine's lock.
		t.mu.Lock()
		delete(t.client, k)
		t.mu.Unlock()
		t.lanes.do(lane, func() { c.deliver(nil, err) })
	})
	if err := c.Init(); err != nil {
		c.Terminate()
		return nil, fmt.Errorf("send %s: %w", req.Method, err)
	}
	return c, nil
}

// write sends a request without a transaction: the ACK of a 2xx.
func (t *transactions) write(req *sip.Request) error {
	if err := t.tp.write(req); err != nil {
		return fmt.Errorf("send %s: %w", req.Method, err)
	}
	return nil
}

// watch ends server transactions that a handler forgot (RFC 3261 §8.2.7: a
// request is always answered).
func (t *transactions) watch(limit time.Duration) {
	now := t.now()
	var late []*serverTx
	t.mu.Lock()
	for _, tx := range t.server {
		if now.Sub(tx.at) > limit {
			late = append(late, tx)
		}
	}
	t.mu.Unlock()
	for _, tx := range late {
		t.lanes.do(tx.req.CallID().Value(), func() {
			if tx.final == 0 && !tx.owned {
				t.stats.watchdog.Add(1)
				tx.status(500)
			}
		})
	}
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

// serverKey is how repetitions find their transaction (RFC 3261 §17.2.3). Peers
// older than RFC 3261 give no usable branch, perhaps not even a tag.
func serverKey(req *sip.Request, method sip.RequestMethod) string {
	if method == sip.ACK {
		method = sip.INVITE
	}
	via := req.Via()
	if b, ok := via.Params.Get("branch"); ok && len(b) > len(sip.RFC3261BranchMagicCookie) && strings.HasPrefix(b, sip.RFC3261BranchMagicCookie) {
		return fmt.Sprintf("%s %s:%d %s", b, via.Host, via.Port, method)
	}
	tag, _ := req.From().Params.Get("tag")
	return fmt.Sprintf("2543 %s %s %d %s %s:%d", tag, req.CallID().Value(), req.CSeq().SeqNo, method, via.Host, via.Port)
}

package sipua

import (
	"context"
	"fmt"

	"github.com/emiago/sipgo/sip"
)

// clientTx is a request of ours. handle is called in the lane with each
// response, and once with an error when no final response came.
type clientTx struct {
	*sip.ClientTx
	req    *sip.Request
	handle func(*sip.Response, error)
	again  *sip.Response // a repeated or forked 2xx, see receive
	final  bool          // lane only
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

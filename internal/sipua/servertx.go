package sipua

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

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
	merge := mergeKey(req)
	if old := t.first[merge]; merge != "" && (old == nil || old.final >= 300) {
		t.first[merge] = tx
	}
	t.mu.Unlock()
	if !tx.OnTerminate(func(string, error) { t.forgetServer(key, merge, tx) }) {
		t.forgetServer(key, merge, tx)
	}
	f(tx)
}

func (t *transactions) forgetServer(key, merge string, tx *serverTx) {
	t.mu.Lock()
	delete(t.server, key)
	if t.first[merge] == tx {
		delete(t.first, merge)
	}
	t.mu.Unlock()
}

// merged says whether a new INVITE is a copy of one being served that came by
// another way, behind a proxy that forked it (RFC 3261 §8.2.2.2): it would ring
// everybody twice. One that was refused may come again with the same CSeq.
func (t *transactions) merged(req *sip.Request) bool {
	key := mergeKey(req)
	if key == "" {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	tx := t.first[key]
	return tx != nil && tx.final < 300
}

// mergeKey names an INVITE whichever way it came; "" for any other request, and
// for those of peers too old to have tags.
func mergeKey(req *sip.Request) string {
	tag, _ := req.From().Params.Get("tag")
	if !req.IsInvite() || tag == "" || req.To().Params.Has("tag") {
		return ""
	}
	return fmt.Sprintf("%s %d %s", tag, req.CSeq().SeqNo, req.CallID().Value())
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

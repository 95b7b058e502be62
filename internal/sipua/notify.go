package sipua

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/lamps"
	"github.com/callyard/callyard/internal/sipua/dialoginfo"
	"github.com/callyard/callyard/internal/sipua/messagesummary"
)

// watch is a phone's subscription to a lamp or a mailbox. It refers to what it
// watches by the code it was given, so no change of the configuration touches it:
// a code that stands for nothing any more is dark.
type watch struct {
	srv    *Server
	agent  string // who watches
	event  string // as it was asked for, with its id
	kind   string // the package
	code   string
	entity string

	// ---- lane only ----
	iface   *listener
	dialog  Dialog // its Call-ID and tags do not change and may be read by all
	version int    // of the next document (RFC 4235 §3.1)
	until   time.Time
	expiry  *time.Timer
	over    bool

	// ---- watches.mu ----
	shown  any       // what the phone was told last; nil: nothing yet
	told   time.Time // when
	asked  int       // NOTIFYs without an answer
	queued bool
}

// look is what is to be shown now; it can be compared. Who is no rep any more is
// shown nothing, also with the last word.
func (w *watch) look() any {
	_, known := w.srv.cfg.Accounts.Account(w.agent)
	if w.kind == "message-summary" {
		b, allowed := w.srv.cfg.Lamps.Box(w.agent, w.code)
		if !allowed || !known { // it was when the subscription began
			b = lamps.Box{Name: b.Name}
		}
		return b
	}
	if !known {
		return view{Lamp: lamps.Lamp{State: lamps.Dark}}
	}
	l, _ := w.srv.cfg.Lamps.Lamp(w.code)
	v := view{Lamp: l}
	v.ids, v.initiator = w.srv.place(l)
	return v
}

// view is a lamp with the dialog that whoever watches it may take over, if that
// is one of this node's.
type view struct {
	lamps.Lamp
	ids       dialoginfo.IDs
	initiator bool // the one watched has placed the call
}

// place finds the dialog behind a lamp. Of several phones that ring for one rep it
// is always the same.
func (s *Server) place(l lamps.Lamp) (found dialoginfo.IDs, initiator bool) {
	if s.cfg.Places == nil || l.Call == "" {
		return found, false
	}
	for _, p := range s.cfg.Places(l.Call, l.Agent) {
		leg, ok := p.(*Leg)
		if !ok {
			continue
		}
		ids, inbound, ok := s.names.of(leg)
		if ok && (found.CallID == "" || ids.CallID < found.CallID) {
			found, initiator = ids, inbound && l.Agent != ""
		}
	}
	return found, initiator
}

// accept answers a SUBSCRIBE with the life it is given.
func (w *watch) accept(tx *serverTx, life time.Duration) error {
	res := newResponse(tx.req, 200, "", w.dialog.LocalTag)
	res.AppendHeader(w.iface.contact(w.dialog.Contact))
	res.AppendHeader(sip.NewHeader("Expires", fmt.Sprint(int(life.Seconds()))))
	if err := tx.respond(res); err != nil {
		return err
	}
	w.until = w.srv.cfg.Now().Add(life)
	if w.expiry != nil {
		w.expiry.Stop()
	}
	if life > 0 {
		var t *time.Timer
		t = time.AfterFunc(life, func() {
			w.srv.lanes.do(w.dialog.CallID, func() {
				if w.expiry == t {
					w.end("timeout")
				}
			})
		})
		w.expiry = t
	}
	return nil
}

// notify tells the phone how things are.
func (w *watch) notify() {
	if w.over {
		return
	}
	left := max(1, int(w.until.Sub(w.srv.cfg.Now()).Seconds()+0.5))
	w.send(fmt.Sprintf("active;expires=%d", left))
}

// end tells the phone for the last time, and why (RFC 6665 §4.1.3).
func (w *watch) end(reason string) {
	if w.over {
		return
	}
	w.send("terminated;reason=" + reason)
	w.drop()
}

// drop forgets the subscription without a word.
func (w *watch) drop() {
	w.over = true
	if w.expiry != nil {
		w.expiry.Stop()
	}
	w.srv.watches.remove(w)
}

func (w *watch) send(state string) {
	shown := w.srv.watches.telling(w)
	req := w.dialog.request(sip.NOTIFY, w.iface, 0)
	w.srv.reroute(req, &w.dialog)
	req.AppendHeader(sip.NewHeader("Event", w.event))
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	body, err := w.document(shown)
	if err != nil {
		w.srv.cfg.Log.Error("lamp not shown", "agent", w.agent, "code", w.code, "err", err)
		w.drop()
		return
	}
	req.AppendHeader(sip.NewHeader("Content-Type", packages[w.kind]))
	req.SetBody(body)
	w.version++
	seq := w.dialog.LocalSeq
	w.srv.stats.notifies.Add(1)
	done := false
	answered := func(res *sip.Response, err error) {
		if !done {
			done = err != nil || res.StatusCode >= 200
			w.answered(seq, res, err)
		}
	}
	tx, err := w.srv.tx.send(req, answered)
	if err != nil {
		answered(nil, err)
		return
	}
	// Timer F of RFC 3261 §17.1.2.2, as the rest of this package counts it.
	time.AfterFunc(w.srv.timers.GiveUp, func() {
		w.srv.lanes.do(w.dialog.CallID, func() {
			if !done {
				answered(nil, errNoAnswer)
				tx.Terminate()
			}
		})
	})
}

// errNoAnswer: a phone has not answered a NOTIFY; most likely it is gone.
var errNoAnswer = errors.New("no answer to a NOTIFY")

// answered hears what the phone says to a NOTIFY. One that refuses it, or is gone,
// has no subscription any more (RFC 6665 §4.2.2); it will make a new one.
func (w *watch) answered(seq uint32, res *sip.Response, err error) {
	if err == nil && res.StatusCode < 200 {
		return
	}
	w.srv.watches.heard(w)
	if err == nil && res.StatusCode < 300 {
		return
	}
	w.srv.stats.notifiesFailed.Add(1)
	switch {
	case w.over:
	case err != nil, res.StatusCode == 481:
		w.drop()
	case seq != w.dialog.LocalSeq: // overtaken by the one after it
	default:
		if d, ok := seconds(header(&res.MessageData, "Retry-After")); ok {
			time.AfterFunc(min(max(d, time.Second), time.Minute), func() { w.srv.watches.again(w) })
			return
		}
		w.drop()
	}
}

// document is what is shown, as the package writes it.
func (w *watch) document(shown any) ([]byte, error) {
	host := w.iface.host
	switch x := shown.(type) {
	case lamps.Box:
		return messagesummary.Text("sip:"+escapeUser(x.Name)+"@"+host, x.New, x.Heard), nil
	case view:
		d := dialoginfo.Document{Version: w.version, Entity: w.entity, Dialog: dialoginfo.Dialog{ID: w.code, State: dialoginfo.Terminated, IDs: x.ids, Initiator: x.initiator}}
		switch x.State {
		case lamps.Lit:
			d.Dialog.State = dialoginfo.Confirmed
		case lamps.Blinking:
			d.Dialog.State = dialoginfo.Early
		case lamps.Dark:
		}
		d.Dialog.Remote = dialoginfo.Identity{Display: plain(x.Party.Name), URI: "sip:" + escapeUser(first(string(x.Party.Number), "anonymous")) + "@" + host}
		if x.Party.Number == "" && x.Party.Name == "" {
			d.Dialog.Remote = dialoginfo.Identity{Display: "Anonymous", URI: "sip:anonymous@anonymous.invalid"} // RFC 3323 §4.1.1.3
		}
		return d.XML()
	}
	return nil, fmt.Errorf("%T is no lamp", shown)
}

// refers says whether a request is about the subscription that a REFER made.
func refers(req *sip.Request) bool {
	_, kind := eventOf(req)
	return strings.EqualFold(kind, "refer")
}

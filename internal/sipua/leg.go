package sipua

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
)

// errEnded: the leg is over; nothing more is opened for it.
var errEnded = errors.New("leg has ended")

// state is how far a leg's INVITE usage has come.
type state int

const (
	trying    state = iota // INVITE received or sent
	ringing                // a provisional response with a tag went out or came in
	accepted               // we sent a 200 and wait for the ACK
	confirmed              // up both ways
	over                   // told as ended; what is left to send is sent
)

// Leg is one party's side of a call over SIP: a dialog with an INVITE usage and
// its media. It implements callctl.Leg. All unexported state below the line is
// owned by the lane of its Call-ID.
type Leg struct {
	id      call.LegID
	key     string // Call-ID, the lane's name
	srv     *Server
	inbound bool
	remote  callctl.Party
	trunk   string
	agent   string // authenticated, or whose phone we called
	place   *Leg   // that this one is to take (RFC 3891), nil ordinarily
	iface   *listener
	codecs  []string
	prefer  string // the codec to answer with if it is offered; lane only
	srtp    string // policy of its trunk or account
	codec   atomic.Pointer[string]

	watchMu sync.Mutex // held while posting: a replaced watcher gets nothing more
	post    func(callctl.LegEvent) bool
	backlog []callctl.LegEvent
	told    bool // LegEnded is among what was emitted

	mediaMu   sync.Mutex
	port      MediaPort
	shown     bool // negotiated, so Media returns it
	mediaShut bool

	// ---- lane only ----
	dialog Dialog
	secure security
	state  state
	onHold bool
	dir    sdp.Direction // ours, as negotiated
	early  bool          // 183 with SDP went out or came in
	fresh  alarm

	// the INVITE we answer
	in       *serverTx
	offered  []byte    // its SDP, nil for a late offer
	settled  bool      // offer and answer were exchanged reliably
	reliable *reliable // nil: the caller knows no 100rel
	later    func()    // the 200, which waits for a PRACK
	repeat   *repeater // a 2xx of ours that waits for its ACK
	byeLater func()    // BYE to be sent once that ACK came (RFC 3261 §15)

	// the INVITE we sent
	passage   *passage // the way through a trunk; nil for a phone
	out       *clientTx
	wish      wish
	forks     map[string]*fork // early dialogs by the far end's tag
	heard     string           // the fork whose description the port has
	rang      bool
	provision bool // a 1xx has come: a CANCEL may be sent
	cancelled bool // CANCEL due at the first 1xx
	cancelWhy sip.Header
	giveUp    alarm
	acks      map[string]*sip.Request // our ACKs by ackKey, for repeated 2xx

	// the dialog once it is up
	lingering bool   // a BYE is under way, or waits
	untold    int    // NOTIFYs of a REFER without a final response
	farewell  func() // the BYE that waits for those; nil: none does
	patience  alarm  // how long
	proposed  *proposal
	proposals []*proposal // to come
	glare     alarm
	expiry    alarm // the session runs out
	refresh   alarm // our turn to refresh it
	shownTo   callctl.Party
	probing   bool
	refers    int
}

// ID names the leg.
func (l *Leg) ID() call.LegID { return l.id }

// Remote is the other party.
func (l *Leg) Remote() callctl.Party { return l.remote }

// do runs f in the leg's lane.
func (l *Leg) do(f func()) { l.srv.lanes.do(l.key, f) }

// Watch says who is told. post must not call Watch.
func (l *Leg) Watch(post func(callctl.LegEvent) bool) {
	l.watchMu.Lock()
	defer l.watchMu.Unlock()
	l.post = post
	pending := l.backlog
	l.backlog = nil
	for _, ev := range pending {
		l.tell(ev)
	}
}

// emit tells the watcher, or keeps the event until there is one.
func (l *Leg) emit(ev callctl.LegEvent) {
	l.watchMu.Lock()
	defer l.watchMu.Unlock()
	if l.told {
		return
	}
	if _, ok := ev.(callctl.LegEnded); ok {
		l.told = true
	}
	if l.post == nil {
		l.backlog = append(l.backlog, ev)
		return
	}
	l.tell(ev)
}

// tell posts one event; a watcher that is gone ends the leg. watchMu is held.
func (l *Leg) tell(ev callctl.LegEvent) {
	if l.post(ev) {
		return
	}
	if _, ok := ev.(callctl.LegEnded); !ok {
		l.do(func() { l.hangup(call.Normal, "") })
	}
}

// Ring shows that we are trying.
func (l *Leg) Ring() { l.do(l.ring) }

// Early opens media before the answer.
func (l *Leg) Early() {
	if _, err := l.openMedia(); err == nil {
		l.showMedia()
	}
	l.do(l.progress)
}

// Answer picks up.
func (l *Leg) Answer(shown callctl.Party) {
	if _, err := l.openMedia(); err == nil {
		l.showMedia()
	}
	l.do(func() { l.pickUp(shown) })
}

// Connected tells the far end whom it talks to from now on.
func (l *Leg) Connected(shown callctl.Party) { l.do(func() { l.connected(shown) }) }

// Hangup ends the leg.
func (l *Leg) Hangup(cause call.Cause, note string) { l.do(func() { l.hangup(cause, note) }) }

func (l *Leg) hangup(cause call.Cause, note string) {
	if l.state == over {
		return
	}
	st := statusOf(cause)
	switch {
	case l.inbound && (l.state == trying || l.state == ringing):
		l.reject(cause, note)
	case l.inbound && l.state == accepted:
		// RFC 3261 §15: no BYE before the ACK, or before we know it will not come.
		l.byeLater = func() { l.bye(cause, note) }
		l.end(callctl.LegEnded{Leg: l, Cause: cause})
	case !l.inbound && (l.state == trying || l.state == ringing):
		l.cancel(cause, note)
		l.end(callctl.LegEnded{Leg: l, Cause: cause, Status: st.code})
	default:
		l.bye(cause, note)
		l.end(callctl.LegEnded{Leg: l, Cause: cause})
	}
}

// end tells that the leg is over and lets go of what it holds. What still has to
// be said to the peer holds on to the leg by itself.
func (l *Leg) end(ev callctl.LegEnded) {
	if l.state == over {
		return
	}
	l.state = over
	l.named()
	if l.passage != nil {
		l.passage.stop()
	}
	l.fresh.stop()
	l.untimed()
	l.unreliable()
	l.dropProposals()
	l.closeMedia()
	l.srv.legs.ended(l)
	l.emit(ev)
	l.forget()
}

// forget takes the dialog out of the table once nothing more is to be said in it.
func (l *Leg) forget() {
	if l.state == over && !l.lingering && l.repeat == nil && l.byeLater == nil && l.proposed == nil && (l.out == nil || l.out.final) {
		l.srv.legs.remove(l)
	}
}

// bye sends the BYE. Whatever is answered, the dialog is over. It lets a NOTIFY
// that is under way arrive first: on its way through proxies the BYE might
// overtake it, and whoever asked for the transfer would not learn what came of it
// (RFC 3261 §12.2.2: an older CSeq is refused).
func (l *Leg) bye(cause call.Cause, note string) {
	l.stopRepeat()
	l.lingering = true
	if l.untold == 0 {
		l.sendBye(cause, note)
		return
	}
	l.farewell = func() {
		l.dropBye()
		l.sendBye(cause, note)
	}
	l.patience.set(l, l.srv.timers.Told, l.farewell)
}

// dropBye takes back a BYE that waits.
func (l *Leg) dropBye() {
	l.farewell = nil
	l.patience.stop()
}

func (l *Leg) sendBye(cause call.Cause, note string) {
	req := l.request(sip.BYE)
	if h := reasonHeader(cause, note); h != nil {
		req.AppendHeader(h)
	}
	_, err := l.send(req, func(res *sip.Response, err error) {
		if err != nil || res.StatusCode >= 200 {
			l.lingering = false
			l.forget()
		}
	})
	if err != nil {
		l.lingering = false
		l.forget()
	}
}

// gone ends a leg whose peer no longer knows the dialog, or no longer answers
// (RFC 3261 §12.2.1.2: a BYE all the same).
func (l *Leg) gone(status int, note string) {
	if l.state != confirmed {
		return
	}
	l.bye(call.MediaTimeout, note)
	l.end(callctl.LegEnded{Leg: l, Cause: call.MediaTimeout, Status: status, Remote: true})
}

// request makes an in-dialog request of the leg.
func (l *Leg) request(method sip.RequestMethod) *sip.Request {
	req := l.dialog.request(method, l.iface, 0)
	l.srv.reroute(req, &l.dialog)
	return req
}

// Dialog is the leg's dialog as it could be stored now, and whether it is
// confirmed. It waits its turn in the leg's lane; not to be called from a watcher.
func (l *Leg) Dialog() (Dialog, bool) {
	type got struct {
		d  Dialog
		ok bool
	}
	c := make(chan got, 1)
	l.do(func() { c <- got{l.dialog.Stored(), l.state == confirmed} })
	select {
	case g := <-c:
		return g.d, g.ok
	case <-l.srv.quit:
		return Dialog{}, false
	}
}

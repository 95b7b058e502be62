package media

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// Direction is what the remote party does, as its SDP says.
type Direction string

// The directions of RFC 4566 §6.
const (
	SendRecv Direction = "sendrecv"
	SendOnly Direction = "sendonly" // they send and do not listen: we send nothing
	RecvOnly Direction = "recvonly" // they listen: nothing is expected from them
	Inactive Direction = "inactive"
)

func (d Direction) listens() bool { return d != SendOnly && d != Inactive }
func (d Direction) speaks() bool  { return d != RecvOnly && d != Inactive }

// Codec is what was negotiated, with the payload types of the remote's SDP: those
// that we send with.
type Codec struct {
	Name   string        // encoding name as in rtpmap: "PCMU", "PCMA", "G722", "opus"; case does not matter
	PT     uint8         // payload type
	Clock  int           // RTP clock rate; 8000 if not set
	Ptime  time.Duration // what the remote would like; kept for reports, 20 ms is sent
	DTMFPT uint8         // payload type of telephone-event, 0 for none
	CN     bool          // comfort noise was negotiated (RFC 3389, payload type 13)
}

// Options are the rest of what SDP and signalling say about a remote.
type Options struct {
	RTCPMux bool // a=rtcp-mux on both sides
	NAT     bool // its SDP address is not where it is: audio may come from any address
	// Signalling is where its SIP comes from; audio from there may be latched on to.
	Signalling netip.Addr
	// RecvPT and RecvDTMFPT are the payload types of our own SDP, where they differ
	// from the remote's; 0 for the same.
	RecvPT, RecvDTMFPT uint8
	// Protection is how audio is protected; nil for audio in the clear.
	Protection *Protection
}

// Stats is what is known about a port's traffic.
type Stats struct {
	Codec         string        `json:"codec"`
	Remote        string        `json:"remote"`
	Sent          uint64        `json:"sent"`
	Received      uint64        `json:"received"`
	Lost          uint64        `json:"lost"`
	LossPercent   float64       `json:"loss_percent"`
	Jitter        time.Duration `json:"-"`
	RTT           time.Duration `json:"-"`
	RemoteLoss    float64       `json:"remote_loss_percent"` // what they lost of ours, of the last report
	RemoteJitter  time.Duration `json:"-"`
	MOS           float64       `json:"mos"`          // of what we hear, 1 to 4.5; 0 before there is anything
	Foreign       uint64        `json:"foreign"`      // from a source that is not ours to listen to
	Invalid       uint64        `json:"invalid"`      // no RTP, or of a type that was not negotiated
	Untranslated  uint64        `json:"untranslated"` // could not be sent in the leg's codec
	Transcoded    uint64        `json:"transcoded"`   // sent in another codec than it was said in, G.711's laws aside
	SendErrors    uint64        `json:"send_errors"`
	RecordDropped uint64        `json:"record_dropped"`
	Protected     bool          `json:"protected"`   // by SRTP, and there are keys
	Unauthentic   uint64        `json:"unauthentic"` // not from whom has the keys, or heard before
}

// Port is one leg's audio: its socket, the stream that goes out and the one that
// comes in. It implements callctl.Media. All methods may be called at any time
// and from any goroutine, after Close as well.
type Port struct {
	engine *Engine
	log    *slog.Logger
	number int
	local  netip.Addr // bound
	rtp    socket
	rtcp   socket // nil when RTCP shares the RTP port
	wheel  *wheel
	slot   int

	remote   atomic.Pointer[remote] // as negotiated; nil before SetRemote
	target   atomic.Pointer[destination]
	feed     atomic.Pointer[feed]  // what is sent to this leg, never nil
	sink     atomic.Pointer[route] // where what this leg says goes
	recorder atomic.Pointer[track]
	digits   atomic.Pointer[func(rune)]
	silent   atomic.Pointer[func()]
	broken   atomic.Pointer[func()]
	onWheel  atomic.Bool
	closed   atomic.Bool
	once     sync.Once

	untranslated  atomic.Uint64
	transcoded    atomic.Uint64
	recordDropped atomic.Uint64

	in  inbound
	out outbound
}

var _ callctl.Media = (*Port)(nil)

// remote is the negotiated state, replaced as a whole.
type remote struct {
	addr         netip.AddrPort
	codec        Codec
	code         coding
	frame        uint32 // timestamp units of 20 ms
	dir          Direction
	opts         Options
	inPT, inDTMF uint8
	guard        *guard // nil: in the clear
	ice          *agent // nil: addresses are those of SDP
}

func newPort(e *Engine, leg call.LegID, w *wheel, slot int) *Port {
	p := &Port{engine: e, log: e.cfg.Log.With("leg", string(leg)), wheel: w, slot: slot}
	p.feed.Store(nothing)
	p.out.reset()
	p.out.nextReport = e.now() + reportInterval()
	return p
}

// bind opens the sockets, both or none.
func (p *Port) bind(n network, ip netip.Addr, number int, mux bool) (err error) {
	p.local = ip
	p.rtp, err = n.open(netip.AddrPortFrom(ip, uint16(number)), p.received)
	if err != nil || mux {
		return err
	}
	if p.rtcp, err = n.open(netip.AddrPortFrom(ip, uint16(number+1)), p.controlled); err != nil {
		p.rtp.close()
		p.rtcp = nil
	}
	return err
}

// LocalPort is the RTP port for our SDP's m= line.
func (p *Port) LocalPort() int { return p.number }

// SetRemote sets where audio goes and what it is, after every completed offer
// and answer: for early media, for the 200, and for each re-INVITE. It opens the
// latch for 5 s. Where the address is the same as before, an address that was
// latched on to is kept until another is.
func (p *Port) SetRemote(addr netip.AddrPort, codec Codec, dir Direction, opts Options) {
	if codec.Clock == 0 {
		codec.Clock = 8000
	}
	r := &remote{
		addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), codec: codec, code: codingOf(codec.Name),
		frame: uint32(codec.Clock / framesPerSecond), dir: dir, opts: opts,
		inPT: codec.PT, inDTMF: codec.DTMFPT,
	}
	if opts.RecvPT != 0 {
		r.inPT = opts.RecvPT
	}
	if opts.RecvDTMFPT != 0 {
		r.inDTMF = opts.RecvDTMFPT
	}
	p.out.mu.Lock()
	p.in.mu.Lock()
	old := p.remote.Load()
	if err := p.protect(r, old); err != nil {
		// Signalling has checked what it agreed to; audio in the clear instead would be worse than none.
		p.log.Error("audio cannot be protected", "err", err)
		r.guard, p.out.guard = &guard{want: opts.Protection}, &guard{}
	}
	r.opts.RTCPMux = r.opts.RTCPMux || r.ice != nil // a check proves one port
	p.remote.Store(r)
	if old != nil && (old.dir != dir || old.codec != codec) {
		p.out.from = nil // what was not sent meanwhile is no loss
	}
	if r.ice != nil {
		if old == nil || old.ice == nil {
			p.target.Store(nil) // until a check shows where
		}
	} else if old == nil || old.addr != r.addr || p.target.Load() == nil {
		p.aim(r.addr)
	}
	p.in.latch.open(r, p.engine.now())
	p.in.lastAt, p.in.told = p.engine.now(), false
	p.in.checkedAt = p.in.lastAt
	p.in.mu.Unlock()
	p.out.mu.Unlock()
	p.loosen()
	if old != nil && old.guard != nil && old.guard != r.guard && old.guard.shake != nil {
		old.guard.shake.cancel()
	}
	if r.guard != nil && r.guard.shake != nil && p.target.Load() != nil {
		r.guard.shake.reachable()
	}
}

// aim sends to another address from now on. An address of zeros is the hold of
// RFC 2543: nothing is sent.
func (p *Port) aim(a netip.AddrPort) {
	if !a.IsValid() || a.Addr().IsUnspecified() || a.Port() == 0 {
		p.target.Store(nil)
		return
	}
	if a.Addr().Is6() && !p.local.Is6() {
		p.log.Warn("audio address of another family than our socket; nothing is sent", "remote", a, "local", p.local)
		p.target.Store(nil)
		return
	}
	p.target.Store(p.destinationOf(a))
}

func (p *Port) destinationOf(a netip.AddrPort) *destination {
	return &destination{addr: a, raw: rawAddressOf(a, p.local.Is6())}
}

// settle connects the socket to where it sends, once no other source is listened
// to any more. With ICE that never is: checks come from wherever the peer may go.
func (p *Port) settle(now time.Duration) {
	o := &p.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	if r := p.remote.Load(); r != nil && r.ice != nil {
		return
	}
	if until := p.in.latch.until; until != 0 && now > until {
		p.rtp.connect(p.target.Load())
	}
}

// loosen undoes that: the latch is open.
func (p *Port) loosen() {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	if !p.out.closed {
		p.rtp.connect(nil)
	}
}

// repace has what the leg says read at once while somebody listens to it.
func (p *Port) repace() {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	if !p.out.closed {
		p.rtp.hurry(p.sink.Load() != nil)
	}
}

// OnDigit sets who is told of each key that the leg presses, in order, on the
// reader's goroutine: it must not block.
func (p *Port) OnDigit(f func(rune)) { p.digits.Store(&f) }

// OnSilent sets who is told, once each time, when the leg that should speak has
// not been heard for as long as Config.Silence. It must not block.
func (p *Port) OnSilent(f func()) { p.silent.Store(&f) }

// OnBroken sets who is told when audio can no longer be protected, or never
// could: the call cannot be heard. It must not block.
func (p *Port) OnBroken(f func()) { p.broken.Store(&f) }

func (p *Port) broke() {
	if f := p.broken.Load(); f != nil {
		(*f)()
	}
}

// lost says that the peer has left, as far as it is to be believed.
func (p *Port) lost() {
	p.in.mu.Lock()
	tell := !p.in.told
	p.in.told = true
	p.in.mu.Unlock()
	if f := p.silent.Load(); tell && f != nil {
		(*f)()
	}
}

// Close stops the sending, completes a recording and releases the port into
// quarantine. Closing twice does nothing.
func (p *Port) Close() {
	p.once.Do(func() {
		p.closed.Store(true)
		p.Silence()
		if t := p.recorder.Load(); t != nil {
			t.rec.end()
		}
		p.out.mu.Lock() // whoever sends has sent, and nobody sends again
		p.out.closed = true
		p.rtp.close()
		if p.rtcp != nil {
			p.rtcp.close()
		}
		p.out.mu.Unlock()
		if r := p.remote.Load(); r != nil && r.guard != nil && r.guard.shake != nil {
			r.guard.shake.cancel()
		}
		p.engine.forget(p)
	})
}

// upkeep is called every 100 ms.
func (p *Port) upkeep(now time.Duration) {
	p.report(now)
	p.relieve(now)
	p.fill(now)
	p.settle(now)
	r := p.remote.Load()
	if r == nil || !r.dir.speaks() && r.ice == nil {
		return
	}
	p.in.mu.Lock()
	if r.dir.speaks() {
		p.in.judge(r, now)
	}
	heard := p.in.lastAt
	if r.ice != nil {
		// A browser checks all the time, on hold too; while it does, it is there.
		heard = max(heard, p.in.checkedAt)
		if now-heard >= consent {
			p.target.Store(nil) // RFC 7675 §5.1: nothing is sent to who does not ask for it
			r.ice.nominated = false
		}
	}
	tell := !p.in.told && now-heard >= p.engine.cfg.Silence
	p.in.told = p.in.told || tell
	p.in.mu.Unlock()
	if f := p.silent.Load(); tell && f != nil {
		(*f)()
	}
}

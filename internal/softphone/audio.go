package softphone

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	frame     = 20 * time.Millisecond
	frameSize = 160 // samples at 8 kHz
	catchUp   = 3   // frames sent at once after a late tick, the rest is skipped
)

// audio is the sound of one dialog: a socket, what is sent into it every 20 ms,
// and what was heard from it.
type audio struct {
	conn  *net.UDPConn
	local string

	mu      sync.Mutex
	bell    bell // anything a waiter may look at has changed
	closed  bool
	codecs  []codec // ours, best first
	session int
	version int
	peer    *description // what the other side said last

	// sending
	up       bool // there is somebody to talk to
	holding  bool // by us
	stopped  bool // by the test
	codec    codec
	to       *net.UDPAddr
	event    int // their payload type for digits
	ssrc     uint32
	seq      uint16
	stamp    uint32
	marker   bool
	started  time.Time
	frames   int // due since started
	sound    []int16
	at       int
	loop     bool
	finished chan struct{}
	keys     keys
	sdes     *sdes // nil: in the clear

	heard hearing
}

// openAudio binds an even port (RFC 3550 §11), so that nobody's RTCP, sent to
// the port after his RTP, reaches a stranger's audio.
func openAudio(ip string, codecs []codec) (*audio, error) {
	for range 50 {
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			return nil, fmt.Errorf("open audio on %s: %w", ip, err)
		}
		if at, ok := c.LocalAddr().(*net.UDPAddr); !ok || at.Port%2 != 0 {
			_ = c.Close()
			continue
		}
		return &audio{
			conn: c, local: c.LocalAddr().String(), codecs: codecs, codec: codecs[0], bell: newBell(),
			session: rand.IntN(1 << 30), event: -1, ssrc: rand.Uint32(), seq: uint16(rand.Uint32()),
			stamp: rand.Uint32(), marker: true, heard: newHearing(),
		}, nil
	}
	return nil, errors.New("open audio: no even port to be had")
}

func (a *audio) close() {
	a.mu.Lock()
	a.closed, a.up = true, false
	a.finish()
	a.bell.ring()
	a.mu.Unlock()
	_ = a.conn.Close()
}

// offer is a new offer; holding says whether it asks the other side to be quiet.
func (a *audio) offer(holding bool) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.version++
	dir := sendrecv
	if holding {
		dir = sendonly
	}
	return describe(a.local, a.session, a.version, a.codecs, defaultEvent, dir, nil, a.sdes)
}

// errNoCodec: nothing in common with the other side (488).
var errNoCodec = errors.New("no codec in common")

// answer takes an offer and gives the answer.
func (a *audio) answer(body []byte) ([]byte, error) {
	d, err := parseSDP(body)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	both := common(d.codecs, a.codecs)
	if len(both) == 0 {
		return nil, errNoCodec
	}
	d.codecs = both
	if err := a.settle(d); err != nil {
		return nil, err
	}
	dir := d.direction.mirror()
	if a.holding {
		dir = map[direction]direction{sendrecv: sendonly, sendonly: sendonly, recvonly: inactive, inactive: inactive}[dir]
	}
	a.version++
	return describe(a.local, a.session, a.version, both, d.event, dir, &d, a.sdes), nil
}

// accept takes the answer to our offer.
func (a *audio) accept(body []byte) error {
	d, err := parseSDP(body)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.codecs = common(d.codecs, a.codecs); len(d.codecs) == 0 {
		return errNoCodec
	}
	return a.settle(d)
}

func (a *audio) settle(d description) error {
	if err := a.sdes.settle(d); err != nil {
		return err
	}
	to, err := net.ResolveUDPAddr("udp", d.remote)
	if err != nil {
		return fmt.Errorf("resolve audio address %s: %w", d.remote, err)
	}
	a.peer, a.to, a.codec, a.event = &d, to, d.codecs[0], d.event
	a.bell.ring()
	return nil
}

// hold is whether we hold the other side; nothing is sent while we do.
func (a *audio) hold(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holding = on
}

// held is whether the other side holds us.
func (a *audio) held() bool {
	return a.peer != nil && (a.peer.direction == sendonly || a.peer.direction == inactive)
}

func (a *audio) start() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.up && !a.closed {
		a.up, a.started, a.frames = true, time.Now(), 0
	}
}

func (a *audio) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.up = false
}

// play sends samples from now on, again and again when loop is set, and
// silence after them.
func (a *audio) play(samples []int16, loop bool) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.finish()
	a.sound, a.at, a.loop, a.finished = samples, 0, loop, make(chan struct{})
	done := a.finished
	if a.closed || len(samples) == 0 {
		a.finish()
	}
	return done
}

func (a *audio) finish() {
	if a.finished != nil {
		close(a.finished)
	}
	a.sound, a.finished = nil, nil
}

// tone is one second of a sine at a quarter of full scale; it loops without a
// click because the frequency is whole.
func tone(hz int) []int16 {
	s := make([]int16, 8000)
	for i := range s {
		s[i] = int16(8192 * math.Sin(2*math.Pi*float64(i*hz%8000)/8000))
	}
	return s
}

// tick sends the frames that are due. The clock runs on while nothing is sent,
// so that timestamps say how much time has passed (RFC 3550 §5.1).
func (a *audio) tick(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.up {
		return
	}
	due := int(now.Sub(a.started)/frame) - a.frames
	if skip := due - catchUp; skip > 0 {
		a.frames += skip
		a.stamp += uint32(skip) * frameSize
		due = catchUp
	}
	for range due {
		a.frames++
		a.stamp += frameSize
		a.sendFrame()
	}
}

func (a *audio) sendFrame() {
	silent := a.stopped || a.holding || a.to == nil || a.to.Port == 0 || a.held()
	if a.keys.busy() && !silent {
		a.sendKey()
		return
	}
	payload := make([]byte, frameSize)
	for i := range payload {
		if a.sound == nil {
			payload[i] = a.codec.silence
			continue
		}
		payload[i] = a.codec.encode(a.sound[a.at])
		if a.at++; a.at == len(a.sound) {
			a.at = 0
			if !a.loop {
				a.finish()
			}
		}
	}
	if silent {
		a.marker = true
		return
	}
	a.packet(a.codec.payload, a.stamp, a.marker, payload)
	a.marker = false
}

// Package softphone is a small SIP and RTP phone in software, used as the
// built-in caller and rep of the demo and as the scripted phones of end-to-end
// tests, which hear what is said to them.
//
// It shares no code with the hub's own SIP and media, so that a test in which
// both agree says something.
package softphone

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// Phone is one user agent. All methods may be called from any goroutine.
type Phone struct {
	cfg      Config
	log      *slog.Logger
	codecs   []codec
	addr     string
	socket   *net.UDPConn
	listener net.Listener
	incoming chan *Dialog
	messages chan *Message
	notifies chan *Message
	quit     chan struct{}
	wg       sync.WaitGroup

	// mu guards everything below and everything in dialogs but their audio. What
	// arrives is dealt with under it, so nothing there may wait.
	mu      sync.Mutex
	bell    bell
	closed  bool
	deaf    bool
	drop    func(*Message) bool
	script  func(*Message) int
	conns   map[string]net.Conn
	clients map[string]*clientTx
	servers map[string]*serverTx
	dialogs map[string]*Dialog
	subs    map[string]*Subscription
	nonces  map[string]int
	reg     registration
}

// New starts a phone on a port of its own. Close ends it.
func New(cfg Config) (*Phone, error) {
	if cfg.LocalIP == "" {
		cfg.LocalIP = "127.0.0.1"
	}
	if cfg.Domain == "" {
		cfg.Domain, _, _ = net.SplitHostPort(cfg.Hub)
	}
	if cfg.Domain == "" {
		cfg.Domain = cfg.LocalIP
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Codecs) == 0 {
		cfg.Codecs = []string{pcmu.name, pcma.name}
	}
	codecs, err := codecsNamed(cfg.Codecs)
	if err != nil {
		return nil, fmt.Errorf("start softphone %s: %w", cfg.User, err)
	}
	p := &Phone{
		cfg: cfg, log: cfg.Log, codecs: codecs, bell: newBell(), quit: make(chan struct{}),
		incoming: make(chan *Dialog, 128), messages: make(chan *Message, 128), notifies: make(chan *Message, 512),
		conns: map[string]net.Conn{}, clients: map[string]*clientTx{}, servers: map[string]*serverTx{},
		dialogs: map[string]*Dialog{}, nonces: map[string]int{}, reg: registration{callID: token()},
	}
	if err := p.listen(); err != nil {
		return nil, fmt.Errorf("start softphone %s: %w", cfg.User, err)
	}
	p.wg.Go(p.run)
	return p, nil
}

func codecsNamed(names []string) ([]codec, error) {
	codecs := make([]codec, len(names))
	for i, name := range names {
		c, ok := codecNamed(name)
		if !ok {
			return nil, fmt.Errorf("no codec %q", name)
		}
		codecs[i] = c
	}
	return codecs, nil
}

// Addr is the phone's own address, "127.0.0.1:40123".
func (p *Phone) Addr() string { return p.addr }

// URI is where the phone can be called directly.
func (p *Phone) URI() string {
	uri := "sip:" + p.addr
	if p.cfg.User != "" {
		uri = "sip:" + p.cfg.User + "@" + p.addr
	}
	if p.tcp() {
		uri += ";transport=" + strings.ToLower(p.cfg.Transport)
	}
	return uri
}

// Incoming delivers calls to this phone. It is closed with the phone.
func (p *Phone) Incoming() <-chan *Dialog { return p.incoming }

// Messages delivers MESSAGE requests (RFC 3428). It is closed with the phone.
func (p *Phone) Messages() <-chan *Message { return p.messages }

// Notifies delivers NOTIFY requests that are not about a Refer: lamps, message
// waiting. It is closed with the phone.
func (p *Phone) Notifies() <-chan *Message { return p.notifies }

// DropOutgoing loses the messages for which drop says so, as a bad network
// would; repetitions are asked for as well. nil loses none. drop must not call
// the phone.
func (p *Phone) DropOutgoing(drop func(*Message) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop = drop
}

// Deafen makes the phone ignore all SIP that arrives: it answers nothing.
func (p *Phone) Deafen(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = on
}

// AnswerWith lets a script answer requests in the phone's place: with the status
// it returns, or 0 for those it leaves to the phone. The phone does nothing else
// about a request that was answered so, and a script cannot pick up a call.
// It is not asked about ACK and CANCEL, and must not call the phone.
func (p *Phone) AnswerWith(script func(*Message) (status int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script = script
}

// Dialogs is the calls that are not over.
func (p *Phone) Dialogs() []*Dialog {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*Dialog
	for _, d := range p.dialogs {
		if d.state != ended {
			list = append(list, d)
		}
	}
	return list
}

// Close hangs up every call, waits up to a second for that, and ends the phone.
// The registration is left to expire, see Unregister.
func (p *Phone) Close() error {
	for _, d := range p.Dialogs() {
		d.Hangup()
	}
	timeout := time.After(time.Second)
	for !p.quiet() {
		p.mu.Lock()
		changed := p.bell.wait()
		p.mu.Unlock()
		if p.quiet() {
			break
		}
		select {
		case <-changed:
			continue
		case <-timeout:
		}
		break
	}
	return p.Vanish()
}

func (p *Phone) quiet() bool {
	p.mu.Lock()
	deaf := p.deaf
	p.mu.Unlock()
	return deaf || len(p.Dialogs()) == 0
}

// Vanish ends the phone without a word to anybody, as a crash would.
func (p *Phone) Vanish() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.wg.Wait()
		return nil
	}
	p.closed = true
	close(p.quit)
	p.drop = func(*Message) bool { return true }
	for _, tx := range p.clients {
		if !tx.final {
			tx.final = true
			tx.on(nil)
		}
	}
	for _, d := range p.dialogs {
		d.end(Ended{Why: Closed})
	}
	close(p.incoming)
	close(p.messages)
	close(p.notifies)
	var errs []error
	for _, c := range p.conns {
		errs = append(errs, c.Close())
	}
	if p.socket != nil {
		errs = append(errs, p.socket.Close())
	}
	if p.listener != nil {
		errs = append(errs, p.listener.Close())
	}
	p.bell.ring()
	p.mu.Unlock()
	p.wg.Wait()
	if err := errors.Join(errs...); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close softphone %s: %w", p.cfg.User, err)
	}
	return nil
}

// run is the one clock of the phone: audio of all calls every 20 ms, and
// whatever SIP has to repeat.
func (p *Phone) run() {
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	var talking []*audio
	for {
		select {
		case <-p.quit:
			return
		case <-ticker.C:
		}
		now := time.Now()
		talking = talking[:0]
		p.mu.Lock()
		if !p.closed {
			p.repeatDue(now)
			p.renewDue(now)
		}
		for key, d := range p.dialogs {
			switch {
			case d.state == ended && now.After(d.forget):
				delete(p.dialogs, key)
			case d.state != ended:
				d.expireDue(now)
				talking = append(talking, d.audio)
			}
		}
		p.mu.Unlock()
		for _, a := range talking {
			a.tick(now)
		}
	}
}

// receive deals with one message.
func (p *Phone) receive(raw []byte, from peer) {
	if len(strings.TrimSpace(string(raw))) == 0 {
		return // keep-alive
	}
	m, err := parse(raw)
	if err != nil {
		p.log.Debug("softphone got nonsense", "err", err)
		return
	}
	m.source = from
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.deaf {
		return
	}
	if m.Status != 0 {
		p.log.Debug("softphone got a response", "phone", p.addr, "status", m.Status, "cseq", m.Header.Get("CSeq"))
		p.answered(m)
	} else {
		p.log.Debug("softphone got a request", "phone", p.addr, "method", m.Method)
		p.asked(m)
	}
	p.bell.ring()
}

// token is random and good for tags, branches and Call-IDs.
func token() string { return strings.ToLower(rand.Text()[:16]) }

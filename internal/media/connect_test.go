//go:build linux && (amd64 || arm64 || riscv64)

package media

import (
	"testing"
	"time"
)

func (p *Port) rawState() (peer *destination, brisk bool) {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	s := p.rtp.(*rawSocket)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer, s.loop == s.brisk
}

func TestSocketIsConnectedWhileTheLatchIsShut(t *testing.T) {
	t.Parallel()
	c := &clock{}
	e := newEngine(t, Config{Clock: c.now})
	p, ph := connected(t, e, pcmu)
	p.Music("tone440")
	ph.hear(2)
	if peer, _ := p.rawState(); peer != nil {
		t.Error("connected while others may be latched on to")
	}
	c.advance(latchWindow + time.Second)
	eventually(t, "the connection", func() bool { peer, _ := p.rawState(); return peer != nil && peer == p.target.Load() })
	ph.flush()
	continuousSequence(t, ph.hear(5))
	ph.frame(make([]byte, frameSamples))
	eventually(t, "what the peer says", func() bool { return p.Stats().Received == 1 })

	// A re-INVITE: from another port of the phone, and behind NAT.
	moved := newPeer(t, p, pcmu)
	p.SetRemote(ph.addr(), pcmu, SendRecv, Options{NAT: true})
	if peer, _ := p.rawState(); peer != nil {
		t.Error("still connected")
	}
	for range latchRun {
		moved.frame(make([]byte, frameSamples))
	}
	moved.hear(2)
	c.advance(latchWindow + time.Second)
	eventually(t, "the connection", func() bool { peer, _ := p.rawState(); return peer != nil && peer.addr == moved.addr() })
	moved.flush()
	moved.hear(2)

	// Hold, with an address of zeros, lets it go.
	p.SetRemote(ph.addr(), pcmu, Inactive, Options{})
	if peer, _ := p.rawState(); peer != nil {
		t.Error("still connected")
	}
}

func TestOnlyWhatIsListenedToIsReadInAHurry(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	a, pa := connected(t, e, pcmu)
	b, pb := connected(t, e, pcmu)
	brisk := func(p *Port) bool { _, yes := p.rawState(); return yes }
	if brisk(a) {
		t.Error("at first")
	}
	a.Music("tone440")
	pa.frame(make([]byte, frameSamples))
	eventually(t, "what a parked caller sends", func() bool { return a.Stats().Received == 1 })
	a.Join(b)
	if !brisk(a) || !brisk(b) {
		t.Error("not in a conversation")
	}
	said := pa.say(600, 10)
	pb.hear(10)
	<-said
	b.Silence()
	if brisk(a) || brisk(b) {
		t.Error("still, when they have parted")
	}
	pa.frame(make([]byte, frameSamples))
	eventually(t, "what a sends then", func() bool { return a.Stats().Received == 12 })
	a.Join(b)
	b.Close()
	if brisk(a) {
		t.Error("still, when the other has gone")
	}
}

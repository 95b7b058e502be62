package media

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// browser is a scripted peer that finds its way by checks and makes keys by
// DTLS, as browsers do.
type browser struct {
	*peer
	port *Port
	ice  ICE
}

// browsed is a port that awaits a browser's checks. The browser's SDP has no
// address worth anything.
func browsed(t testing.TB, e *Engine, d *DTLS) (*Port, *browser) {
	t.Helper()
	p := openPort(t, e)
	b := &browser{peer: newPeer(t, p, pcmu), port: p, ice: ICE{Ufrag: "hubs", Pwd: "a password of twenty-two", Peer: "brow"}}
	b.negotiate(d)
	return p, b
}

func (b *browser) negotiate(d *DTLS) {
	b.port.SetRemote(netip.MustParseAddrPort("0.0.0.0:9"), pcmu, SendRecv, Options{Protection: &Protection{DTLS: d, ICE: &b.ice}})
}

// ask sends a binding request and returns the answer.
func (b *browser) ask(extra ...stun.Setter) *stun.Message {
	b.t.Helper()
	m := stun.MustBuild(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, extra...)...)
	b.send(m.Raw)
	buf := make([]byte, largest)
	for {
		_ = b.conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		n, err := b.conn.Read(buf)
		if err != nil {
			b.t.Fatalf("no answer to a check: %v", err)
		}
		if !isSTUN(buf) {
			continue
		}
		got := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
		if err := got.Decode(); err != nil {
			b.t.Fatal(err)
		}
		if got.TransactionID == m.TransactionID {
			return got
		}
	}
}

// proper is a check as the browser sends it.
func (b *browser) proper(extra ...stun.Setter) []stun.Setter {
	out := []stun.Setter{stun.NewUsername(b.ice.Ufrag + ":" + b.ice.Peer), stun.RawAttribute{Type: stun.AttrICEControlling, Value: make([]byte, 8)}}
	out = append(out, extra...)
	return append(out, stun.NewShortTermIntegrity(b.ice.Pwd), stun.Fingerprint)
}

var nominate = stun.RawAttribute{Type: stun.AttrUseCandidate}

func TestChecks(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	passive := &DTLS{Fingerprints: []Fingerprint{{"sha-256", "00"}}}
	code := func(m *stun.Message) stun.ErrorCode {
		var c stun.ErrorCodeAttribute
		if m.Type != stun.NewType(stun.MethodBinding, stun.ClassErrorResponse) || c.GetFrom(m) != nil {
			return 0
		}
		return c.Code
	}
	user := stun.NewUsername("hubs:brow")
	right := stun.NewShortTermIntegrity("a password of twenty-two")
	t.Run("bad ones are refused", func(t *testing.T) {
		p, b := browsed(t, e, passive)
		for name, c := range map[string]struct {
			with []stun.Setter
			want stun.ErrorCode
		}{
			"nobody's":         {[]stun.Setter{stun.Fingerprint}, stun.CodeBadRequest},
			"without proof":    {[]stun.Setter{user, stun.Fingerprint}, stun.CodeBadRequest},
			"another password": {[]stun.Setter{user, stun.NewShortTermIntegrity("guessed"), stun.Fingerprint}, stun.CodeUnauthorized},
			"another call's":   {[]stun.Setter{stun.NewUsername("else:brow"), right, stun.Fingerprint}, stun.CodeUnauthorized},
			"another caller's": {[]stun.Setter{stun.NewUsername("hubs:else"), right, stun.Fingerprint}, stun.CodeUnauthorized},
			"one that would be controlled": {
				[]stun.Setter{user, stun.RawAttribute{Type: stun.AttrICEControlled, Value: make([]byte, 8)}, right, stun.Fingerprint}, stun.CodeRoleConflict,
			},
		} {
			if got := code(b.ask(c.with...)); got != c.want {
				t.Errorf("%s: %d, want %d", name, got, c.want)
			}
		}
		if p.target.Load() != nil {
			t.Error("audio would be sent to who proved nothing")
		}
	})
	t.Run("a good one is answered with where it came from", func(t *testing.T) {
		_, b := browsed(t, e, passive)
		m := b.ask(b.proper()...)
		var at stun.XORMappedAddress
		if m.Type != stun.BindingSuccess || at.GetFrom(m) != nil || at.String() != b.addr().String() {
			t.Errorf("answered %s, mapped %s", m, at)
		}
		if right.Check(m) != nil || stun.Fingerprint.Check(m) != nil {
			t.Error("the answer does not prove whose it is")
		}
	})
	t.Run("audio goes where the browser says", func(t *testing.T) {
		p, b := browsed(t, e, passive)
		other := &browser{peer: newPeer(t, p, pcmu), port: p, ice: b.ice}
		at := func() string { return p.target.Load().addr.String() }
		b.ask(b.proper()...)
		other.ask(other.proper()...)
		if at() != b.addr().String() {
			t.Error("not the first that worked")
		}
		other.ask(other.proper(nominate)...)
		if at() != other.addr().String() {
			t.Error("not what was nominated")
		}
		b.ask(b.proper()...)
		if at() != other.addr().String() {
			t.Error("a check without nomination moved the audio")
		}
	})
	t.Run("a restart: the old credentials are worth nothing, the old path goes on until another is nominated", func(t *testing.T) {
		p, b := browsed(t, e, passive)
		b.ask(b.proper(nominate)...)
		old := *b
		b.ice = ICE{Ufrag: "anew", Pwd: "a password of the restart", Peer: "once"}
		b.negotiate(passive)
		if p.target.Load() == nil {
			t.Error("silence while it looks for a way")
		}
		if got := code(old.ask(old.proper()...)); got != stun.CodeUnauthorized {
			t.Errorf("the old credentials: %d", got)
		}
		moved := &browser{peer: newPeer(t, p, pcmu), port: p, ice: b.ice}
		if m := moved.ask(moved.proper(nominate)...); m.Type != stun.BindingSuccess {
			t.Errorf("the new: %s", m)
		}
		if p.target.Load().addr != moved.addr() {
			t.Error("the audio did not move")
		}
	})
	t.Run("who checks no more is sent nothing and told of", func(t *testing.T) {
		clock := &clock{}
		e := newEngine(t, Config{Clock: clock.now})
		p, b := browsed(t, e, passive)
		silent := make(chan struct{}, 10)
		p.OnSilent(func() { silent <- struct{}{} })
		b.ask(b.proper(nominate)...)
		clock.advance(29 * time.Second)
		b.ask(b.proper()...) // on hold, for one: no audio, but it is there
		clock.advance(29 * time.Second)
		p.upkeep(e.now())
		if len(silent) != 0 || p.target.Load() == nil {
			t.Fatal("given up although it checks")
		}
		clock.advance(2 * time.Second)
		eventually(t, "it is told", func() bool { return len(silent) == 1 })
		if p.target.Load() != nil {
			t.Error("audio without consent")
		}
		b.ask(b.proper()...)
		if p.target.Load() == nil {
			t.Error("back, and still nothing is sent")
		}
	})
}

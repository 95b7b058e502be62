package sipua

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua/sdp"
	"github.com/callyard/callyard/queues"
)

// UnreachableError says why nobody can be rung: no phone registered, no such
// trunk, or the trunk is full.
type UnreachableError struct{ Who, Why string }

func (e *UnreachableError) Error() string { return fmt.Sprintf("dial %s: %s", e.Who, e.Why) }

func (e *UnreachableError) Unwrap() error { return callctl.ErrUnreachable }

// Dial starts a leg to every phone of an agent, or one through a trunk.
func (s *Server) Dial(to callctl.Target, inv callctl.Invitation) ([]callctl.Leg, error) {
	select {
	case <-s.stopping:
		return nil, &UnreachableError{Who: "anybody", Why: "stopping"}
	default:
	}
	if to.Agent == "" {
		l, err := s.dialTrunk(to, inv)
		if err != nil {
			return nil, err
		}
		return []callctl.Leg{l}, nil
	}
	var legs []callctl.Leg
	for _, d := range s.registrar.devices(to.Agent) {
		if l, err := s.dialDevice(d, inv); err == nil {
			legs = append(legs, l)
		} else {
			s.cfg.Log.Warn("phone not dialled", "agent", d.Agent, "err", err)
		}
	}
	if len(legs) == 0 {
		return nil, &UnreachableError{Who: "agent " + to.Agent, Why: "no phone is registered"}
	}
	return legs, nil
}

func (s *Server) dialDevice(d queues.Device, inv callctl.Invitation) (*Leg, error) {
	uri, flow, dest, err := s.way(d)
	if err != nil {
		return nil, err
	}
	l := s.outgoing(flow, inv)
	l.agent, l.dialog.Agent = d.Agent, true
	l.remote = callctl.Party{Agent: d.Agent, Name: d.Agent, Device: first(d.UserAgent, d.Contact)}
	if s.cfg.Accounts != nil {
		if acc, ok := s.cfg.Accounts.Account(d.Agent); ok {
			l.srtp = acc.SRTP
			l.remote.Name, l.remote.Number = first(acc.Display, d.Agent), call.Number(acc.Extension)
		}
	}
	l.dialog.RemoteURI = "<sip:" + escapeUser(d.Agent) + "@" + s.host(l.iface) + ">"
	l.dialog.Target = uri.String()
	l.wish.routes = d.Path
	l.secure = s.security(l, l.dialog.Flow.Transport)
	s.legs.add(l, 0)
	s.stats.dials.Add(1)
	l.do(func() { l.invite(uri, dest, inv) })
	return l, nil
}

// way is how a registered phone is reached: from the address it registered at,
// to the one it registered from, unless its Contact, or the nearest proxy of its
// Path, names that very host.
func (s *Server) way(d queues.Device) (uri sip.Uri, flow Flow, dest string, err error) {
	uri, _, ok := uriOf("<" + d.Contact + ">")
	if !ok {
		return uri, flow, "", fmt.Errorf("dial %s: contact cannot be read", d.Agent)
	}
	flow = Flow{Transport: d.Transport, Local: d.Local, Remote: d.Source}
	hop, ok := hopOf(d)
	if !ok {
		return uri, flow, "", fmt.Errorf("dial %s: path cannot be read", d.Agent)
	}
	dest = reach(&hop, flow, true)
	if flow.Transport != "udp" {
		// A stream the phone keeps open; if it has gone, the Contact may listen.
		switch {
		case s.tp.stream(flow.Transport, dest) != nil:
		case flow.Transport == "ws":
			return uri, flow, "", fmt.Errorf("dial %s: %w", d.Agent, &NoFlowError{Transport: "ws", Remote: dest})
		default:
			dest = hostPort(&hop, flow.Transport)
		}
	}
	return uri, flow, dest, nil
}

// outgoing is a leg about to be dialled over a flow.
func (s *Server) outgoing(flow Flow, inv callctl.Invitation) *Leg {
	now := s.cfg.Now()
	l := &Leg{id: call.LegID(call.NewID("leg", now)), srv: s, iface: s.local(flow), codecs: beside(inv.Beside, s.codecs(nil))}
	if l.iface != nil {
		flow.Local = l.iface.addr
	}
	l.key = randomHex(12)
	shown := inv.Shown
	shown.Name = first(inv.Display, shown.Name)
	l.dialog = Dialog{
		CallID: l.key, LocalTag: newTag(), LocalURI: nameAddr(shown, s.host(l.iface)), LocalSeq: 1, InviteSeq: 1, Caller: true,
		Flow: flow, SDPID: uint64(now.UnixMicro()), Contact: contactUser(string(inv.Shown.Number)),
	}
	return l
}

// host is what we call ourselves towards a peer of the interface.
func (s *Server) host(l *listener) string {
	if l == nil {
		return s.cfg.Realm
	}
	if l.port != 5060 {
		return fmt.Sprintf("%s:%d", l.host, l.port)
	}
	return l.host
}

// beside puts the codec of another leg first, if it is one of those, so that
// audio can pass through.
func beside(other callctl.Leg, codecs []string) []string {
	c := codecOf(other)
	for i, x := range codecs {
		if strings.EqualFold(x, c) {
			return slices.Concat(codecs[i:i+1], codecs[:i], codecs[i+1:])
		}
	}
	return codecs
}

// codecOf is the codec of a leg of ours, "" before there is one.
func codecOf(l callctl.Leg) string {
	if c, ok := l.(interface{ Codec() string }); ok {
		return c.Codec()
	}
	return ""
}

// codecs are a trunk's, or else those of this node, in order of preference. A
// trunk cannot bring in Opus: unless the node can encode it, such a leg would hear
// no music.
func (s *Server) codecs(trunk []string) []string {
	node := s.cfg.Codecs
	if len(node) == 0 {
		node = sdp.Codecs()
	}
	var cs []string
	for _, c := range trunk {
		same := func(x string) bool { return strings.EqualFold(x, c) }
		if sdp.Known(c) && (slices.ContainsFunc(node, same) || slices.ContainsFunc(sdp.Codecs(), same)) {
			cs = append(cs, c)
		}
	}
	if len(cs) == 0 {
		return node
	}
	return cs
}

// Message sends a text to an agent's phones, as far as they take it.
func (s *Server) Message(agent, text string) {
	for _, d := range s.registrar.devices(agent) {
		uri, flow, dest, err := s.way(d)
		iface := s.local(flow)
		if err != nil || iface == nil {
			continue
		}
		req := sip.NewRequest(sip.MESSAGE, uri)
		frame(req, iface, dest)
		preload(req, d.Path)
		from, _, _ := uriOf("<sip:callyard@" + s.host(iface) + ">")
		req.AppendHeader(&sip.FromHeader{Address: from, Params: sip.HeaderParams{{K: "tag", V: newTag()}}})
		req.AppendHeader(&sip.ToHeader{Address: uri})
		id := sip.CallIDHeader(randomHex(12))
		req.AppendHeader(&id)
		req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.MESSAGE})
		req.AppendHeader(sip.NewHeader("Content-Type", "text/plain;charset=UTF-8"))
		req.SetBody([]byte(text))
		s.lanes.do(id.Value(), func() { _, _ = s.tx.send(req, func(*sip.Response, error) {}) })
	}
}

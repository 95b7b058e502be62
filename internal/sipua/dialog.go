package sipua

import (
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/sipua/sdp"
)

// Flow is how a peer is reached: the pair of addresses its messages came over.
// Answering there passes any NAT.
type Flow struct {
	Transport string `json:"transport"` // "udp", "tcp"
	Local     string `json:"local"`     // our ip:port
	Remote    string `json:"remote"`    // their ip:port, or host:port before the first answer
}

// Dialog is the state of RFC 3261 §12 and nothing else: it can be stored, and
// another process that has our address can go on with it. It is owned by the
// lane of its Call-ID.
type Dialog struct {
	CallID    string   `json:"call_id"`
	LocalTag  string   `json:"local_tag"`
	RemoteTag string   `json:"remote_tag"`
	LocalURI  string   `json:"local_uri"`  // name-addr, without the tag
	RemoteURI string   `json:"remote_uri"` // name-addr, without the tag
	Target    string   `json:"target"`     // remote target: their Contact, refreshed
	Routes    []string `json:"routes,omitempty"`
	LocalSeq  uint32   `json:"local_seq"`
	RemoteSeq uint32   `json:"remote_seq"` // 0: none seen yet
	Caller    bool     `json:"caller"`     // we sent the INVITE
	Agent     bool     `json:"agent"`      // a rep's phone: reached over its flow
	Flow      Flow     `json:"flow"`

	SDPID      uint64   `json:"sdp_id"`
	SDPVersion uint64   `json:"sdp_version"`
	SDP        string   `json:"sdp,omitempty"`     // last description we sent
	Codec      string   `json:"codec,omitempty"`   // in use
	Allow      []string `json:"allow,omitempty"`   // methods the peer takes
	InviteSeq  uint32   `json:"invite_seq"`        // CSeq of the INVITE that made it
	Contact    string   `json:"contact,omitempty"` // user part of our Contact

	SessionS  int  `json:"session_s,omitempty"` // session interval (RFC 4028), 0: none
	Refresher bool `json:"refresher,omitempty"` // we refresh it
}

// Stored is the dialog as it may be kept: without what protects its audio. Who
// goes on with it makes new keys.
func (d Dialog) Stored() Dialog {
	d.SDP = sdp.Public(d.SDP)
	return d
}

// MarshalJSON writes no keys, wherever a dialog goes.
func (d Dialog) MarshalJSON() ([]byte, error) {
	type plain Dialog
	return json.Marshal(plain(d.Stored()))
}

// asUAS fills the dialog that answering req makes (RFC 3261 §12.1.1).
func (d *Dialog) asUAS(req *sip.Request, tag string, flow Flow) {
	d.CallID, d.LocalTag, d.Flow = req.CallID().Value(), tag, flow
	d.RemoteTag, _ = req.From().Params.Get("tag")
	d.LocalURI = address(req.To().DisplayName, &req.To().Address)
	d.RemoteURI = address(req.From().DisplayName, &req.From().Address)
	d.RemoteSeq, d.InviteSeq = req.CSeq().SeqNo, req.CSeq().SeqNo
	d.LocalSeq = 1
	for _, h := range req.GetHeaders("record-route") {
		d.Routes = append(d.Routes, h.Value())
	}
	d.refresh(&req.MessageData)
	if d.Target == "" {
		d.Target = req.From().Address.String() // no Contact, against §8.1.1.8: the best guess
	}
}

// asUAC fills in what an answer to our INVITE says (RFC 3261 §12.1.2). With
// another tag it is another dialog, whose peer has sent nothing in it yet.
func (d *Dialog) asUAC(res *sip.Response) {
	tag, _ := res.To().Params.Get("tag")
	if tag != d.RemoteTag {
		d.RemoteTag, d.RemoteSeq = tag, 0
	}
	d.Routes = nil
	rr := res.GetHeaders("record-route")
	for _, h := range slices.Backward(rr) {
		d.Routes = append(d.Routes, h.Value())
	}
	d.refresh(&res.MessageData)
}

// refresh takes the remote target from a Contact (RFC 3261 §12.2.1.2), and what
// the peer can do.
func (d *Dialog) refresh(m *sip.MessageData) {
	if c := m.Contact(); c != nil && !c.Address.Wildcard && c.Address.Host != "" {
		d.Target = c.Address.String()
	}
	if a := tokens(m, "allow"); len(a) > 0 {
		d.Allow = a
	}
}

// follow takes the flow of a request in the dialog: a phone that lost its
// connection goes on over the next one, and a NAT may give it another port. Over
// UDP, where a source is easily forged, its address must be the one it had.
func (d *Dialog) follow(f Flow) {
	if f.Transport != d.Flow.Transport || (f.Transport == "udp" && (!d.Agent || ipOf(f.Remote) != ipOf(d.Flow.Remote))) {
		return
	}
	d.Flow.Remote = f.Remote
}

// inOrder takes the CSeq of a request in the dialog; false if it is older than
// one already served (RFC 3261 §12.2.2).
func (d *Dialog) inOrder(req *sip.Request) bool {
	n := req.CSeq().SeqNo
	if d.RemoteSeq != 0 && n <= d.RemoteSeq {
		return false
	}
	d.RemoteSeq = n
	return true
}

// request makes the next request in the dialog. ACK takes seq, the CSeq of its
// INVITE (RFC 3261 §13.2.2.4); the others ignore it and count.
func (d *Dialog) request(method sip.RequestMethod, l *listener, seq uint32) *sip.Request {
	if method != sip.ACK {
		d.LocalSeq++
		seq = d.LocalSeq
	}
	target, _, ok := uriOf("<" + d.Target + ">")
	if !ok {
		target, _, _ = uriOf(d.RemoteURI)
	}
	target.Headers = nil
	routes := d.Routes
	if len(routes) > 0 && !strings.Contains(strings.ToLower(routes[0]), ";lr") {
		// RFC 3261 §12.2.1.1: a strict router wants itself as Request-URI.
		first, _, ok := uriOf(routes[0])
		if ok {
			routes = append(append([]string{}, routes[1:]...), "<"+d.Target+">")
			target = first
		}
	}
	req := sip.NewRequest(method, target)
	frame(req, l, d.nextHop())
	from, name, _ := uriOf(d.LocalURI)
	req.AppendHeader(&sip.FromHeader{DisplayName: name, Address: from, Params: sip.HeaderParams{{K: "tag", V: d.LocalTag}}})
	to, name, _ := uriOf(d.RemoteURI)
	th := &sip.ToHeader{DisplayName: name, Address: to}
	if d.RemoteTag != "" {
		th.Params = sip.HeaderParams{{K: "tag", V: d.RemoteTag}}
	}
	req.AppendHeader(th)
	id := sip.CallIDHeader(d.CallID)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	for _, r := range routes {
		req.AppendHeader(sip.NewHeader("Route", r))
	}
	if method != sip.BYE && method != sip.ACK {
		req.AppendHeader(l.contact(d.Contact))
	}
	req.SetBody(nil)
	return req
}

// nextHop is where requests go: the first route, else the remote target, unless
// that cannot be meant (RFC 3261 §12.2.1.1 as NAT allows it).
func (d *Dialog) nextHop() string {
	if len(d.Routes) > 0 {
		if u, _, ok := uriOf(d.Routes[0]); ok && u.Host != "" {
			return hostPort(&u, d.Flow.Transport)
		}
	}
	u, _, ok := uriOf("<" + d.Target + ">")
	if !ok {
		return d.Flow.Remote
	}
	return reach(&u, d.Flow, d.Agent)
}

// reach decides between a peer's Contact and the address it speaks from. The
// Contact counts when it names the very host that speaks, or, for a carrier,
// another that can be reached; a phone behind NAT, or any peer over an open
// stream, is reached where it spoke from.
func reach(u *sip.Uri, flow Flow, phone bool) string {
	if flow.Remote == "" {
		return hostPort(u, flow.Transport)
	}
	if flow.Transport != "udp" {
		return flow.Remote
	}
	there, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	from := ipOf(flow.Remote)
	switch {
	case err == nil && there.Unmap() == from:
		return hostPort(u, flow.Transport)
	case phone, err == nil && there.IsPrivate() && !from.IsPrivate(), err == nil && there.IsUnspecified():
		return flow.Remote
	}
	return hostPort(u, flow.Transport)
}

// hostPort is the transport address a URI stands for.
func hostPort(u *sip.Uri, transport string) string {
	host, port := strings.Trim(u.Host, "[]"), u.Port
	if m, ok := u.UriParams.Get("maddr"); ok && m != "" {
		host = m
	}
	if port == 0 {
		port = sip.DefaultPort(transport)
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// frame gives a request its Via, Max-Forwards and the addresses it travels
// between. The local one is set on every request: carriers know us by it.
func frame(req *sip.Request, l *listener, to string) {
	req.AppendHeader(&sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: strings.ToUpper(l.Transport), Host: l.host, Port: l.port,
		Params: sip.HeaderParams{{K: "branch", V: sip.RFC3261BranchMagicCookie + randomHex(8)}, {K: "rport"}},
	})
	mf := sip.MaxForwardsHeader(70)
	req.AppendHeader(&mf)
	req.SetTransport(strings.ToUpper(l.Transport))
	req.SetDestination(to)
	if ap, err := netip.ParseAddrPort(l.addr); err == nil {
		req.Laddr = sip.Addr{IP: net.IP(ap.Addr().AsSlice()), Port: int(ap.Port())}
	}
}

// address writes a name-addr without parameters.
func address(name string, u *sip.Uri) string {
	c := u.Clone()
	c.Headers = nil
	if name == "" {
		return "<" + c.String() + ">"
	}
	return `"` + name + `" <` + c.String() + ">"
}

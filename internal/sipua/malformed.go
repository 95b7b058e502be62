package sipua

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// mend makes a message on a stream readable that has no Content-Length, as peers
// older than RFC 3261 send it: the rest of what was read is its body. Anything
// that does not start with a start line and hold all headers is left alone.
func mend(data []byte) []byte {
	head, body, ok := bytes.Cut(data, []byte("\r\n\r\n"))
	if !ok {
		return data
	}
	lines := bytes.Split(head, []byte("\r\n"))
	if !bytes.HasSuffix(lines[0], []byte(" SIP/2.0")) && !bytes.HasPrefix(lines[0], []byte("SIP/2.0 ")) {
		return data
	}
	for _, l := range lines[1:] {
		name, _, _ := bytes.Cut(l, []byte(":"))
		if n := strings.ToLower(strings.TrimSpace(string(name))); n == "content-length" || n == "l" {
			return data
		}
	}
	out := append([]byte{}, head...)
	out = append(out, "\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"...)
	return append(out, body...)
}

// refuseLine answers 400 to a request whose Request-URI cannot be read: sipgo
// would drop it, and the sender repeat it for 32 s. False if it can be read, or
// is no request.
func (s *Server) refuseLine(p sip.TransportReadProps, data []byte) bool {
	line, rest, ok := bytes.Cut(data, []byte("\r\n"))
	f := strings.Split(string(line), " ")
	if !ok || len(f) != 3 || f[2] != "SIP/2.0" || f[0] == "ACK" {
		return false
	}
	var u sip.Uri
	if sip.ParseUri(f[1], &u) == nil {
		return false
	}
	s.stats.parseDropped.Add(1)
	res := sip.NewResponse(400, "Bad Request-URI")
	head, _, _ := bytes.Cut(rest, []byte("\r\n\r\n"))
	need := 0
	for l := range strings.SplitSeq(string(head), "\r\n") {
		name, val, _ := strings.Cut(l, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "via", "v":
			res.AppendHeader(sip.NewHeader("Via", strings.TrimSpace(val)))
		case "from", "f":
			res.AppendHeader(sip.NewHeader("From", strings.TrimSpace(val)))
		case "to", "t":
			res.AppendHeader(sip.NewHeader("To", strings.TrimSpace(val)))
		case "call-id", "i":
			res.AppendHeader(sip.NewHeader("Call-ID", strings.TrimSpace(val)))
		case "cseq":
			res.AppendHeader(sip.NewHeader("CSeq", strings.TrimSpace(val)))
		default:
			continue
		}
		need++
	}
	if need < 5 {
		return true
	}
	res.SetBody(nil)
	res.SetDestination(p.RemoteAddr.String())
	addr := p.RemoteAddr.String()
	if p.Transport == "UDP" {
		addr = p.LocalAddr.String() // the sender is not in the pool, and shall not be
	}
	if c, err := s.tp.GetConnection(p.Transport, addr); err == nil {
		_ = c.WriteMsg(res)
		_, _ = c.TryClose()
	}
	return true
}

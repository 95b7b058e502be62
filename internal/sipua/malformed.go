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

// complaint answers a request that cannot be read: dropped, its sender would
// repeat it for 32 s. nil for what is no request, is an ACK, or does not say
// enough to be answered.
func complaint(data []byte, code int, reason string) *sip.Response {
	line, rest, ok := bytes.Cut(data, []byte("\r\n"))
	method, _, _ := bytes.Cut(line, []byte(" "))
	if !ok || len(method) == 0 || bytes.Contains(method, []byte("/")) || string(method) == "ACK" || !bytes.Contains(line, []byte("SIP/")) {
		return nil
	}
	res := sip.NewResponse(code, reason)
	head, _, _ := bytes.Cut(rest, []byte("\r\n\r\n"))
	have := map[string]bool{}
	for l := range strings.SplitSeq(unfold(string(head)), "\r\n") {
		name, val, _ := strings.Cut(l, ":")
		if long := echoed[strings.ToLower(strings.TrimSpace(name))]; long != "" {
			have[long] = true
			res.AppendHeader(sip.NewHeader(long, strings.TrimSpace(val)))
		}
	}
	if len(have) < 5 {
		return nil
	}
	res.SetBody(nil)
	return res
}

// echoed are the headers of a request that its response repeats (RFC 3261 §8.2.6.2).
var echoed = map[string]string{
	"via": "Via", "v": "Via", "from": "From", "f": "From", "to": "To", "t": "To", "call-id": "Call-ID", "i": "Call-ID", "cseq": "CSeq",
}

var folds = strings.NewReplacer("\r\n ", " ", "\r\n\t", " ")

// unfold puts continued headers on one line (RFC 3261 §7.3.1).
func unfold(head string) string { return folds.Replace(head) }

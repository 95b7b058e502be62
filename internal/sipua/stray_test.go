package sipua_test

import (
	"fmt"
	"testing"
)

// What belongs to no dialog costs no memory: a transaction lives half a minute.
func TestRequestsOfUnknownDialogs(t *testing.T) {
	h := start(t)
	p := udpPeer(t, h.udp)
	for _, method := range []string{"BYE", "UPDATE", "INFO", "PRACK", "INVITE", "SUBSCRIBE", "REFER"} {
		k := p.talk("a", "700")
		k.toTag = "nobodys"
		k.do(method, "")
		p.status(method, 481)
		k.p.send(k.message("ACK", k.branch, k.inviteSeq, ""))
	}
	h.alive(t)
	if n := h.Stats().ServerTransactions; n > 1 { // OPTIONS
		t.Errorf("%d transactions are kept", n)
	}
}

// An answer nobody waits for is ended, but not as often as somebody likes: for
// each, a BYE is repeated towards an address that may be forged.
func TestStrayAnswersAreBounded(t *testing.T) {
	h := start(t)
	p := udpPeer(t, h.udp)
	for range 400 {
		p.send(fmt.Sprintf("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: stray%s\r\nCSeq: 1 INVITE\r\nContact: <sip:b@%s>\r\nContent-Length: 0\r\n\r\n", h.udp, unique(), unique(), p.addr))
	}
	h.alive(t)
	until(t, func() bool { return h.Stats().Responses >= 400 && h.Stats().Lanes == 0 })
	if n := h.Stats().ClientTransactions; n == 0 || n > 100 {
		t.Errorf("%d BYEs are under way", n)
	}
}

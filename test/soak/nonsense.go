//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
)

// garbled are messages that no peer should send; {n} is a number of its own,
// {to} whom it is for, {us} who sends it.
var garbled = []string{
	"",
	"\r\n\r\n",
	"\x00\x01\x02\x03\xff\xfe",
	"INVITE",
	"INVITE sip:{to} SIP/2.0\r\n\r\n",
	"INVITE sip:{to} SIP/3.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKn{n}\r\nCall-ID: n{n}\r\nCSeq: 1 INVITE\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:y@y>\r\nContent-Length: 0\r\n\r\n",
	"INVITE sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKn{n}\r\nMax-Forwards: 70\r\nCall-ID: n{n}\r\nCSeq: 1 BYE\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:y@y>\r\nContent-Length: 0\r\n\r\n",
	"INVITE sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKn{n}\r\nMax-Forwards: 70\r\nCall-ID: n{n}\r\nCSeq: 1 INVITE\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:y@y>\r\nContact: <sip:x@{us}>\r\nContent-Type: application/sdp\r\nContent-Length: 9999\r\n\r\nv=0\r\n",
	"INVITE sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKn{n}\r\nMax-Forwards: 70\r\nCall-ID: n{n}\r\nCSeq: 1 INVITE\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:y@y>\r\nContact: <sip:x@{us}>\r\nContent-Type: application/sdp\r\nContent-Length: 15\r\n\r\nm=audio x y z\r\n",
	"BYE sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKn{n}\r\nMax-Forwards: 70\r\nCall-ID: n{n}\r\nCSeq: 1 BYE\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:y@y>;tag=2\r\nContent-Length: 0\r\n\r\n",
	"CANCEL sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKn{n}\r\nMax-Forwards: 70\r\nCall-ID: n{n}\r\nCSeq: 1 CANCEL\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:y@y>\r\nContent-Length: 0\r\n\r\n",
	"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKn{n}\r\nCall-ID: n{n}\r\nCSeq: 1 INVITE\r\nFrom: <sip:x@x>;tag=1\r\nTo: <sip:y@y>;tag=2\r\nContent-Length: 0\r\n\r\n",
	"OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKn{n}\r\nMax-Forwards: 0\r\nCall-ID: n{n}\r\nCSeq: 99999999999 OPTIONS\r\nFrom: <<<sip:x@x>;tag=1\r\nTo: sip:\r\nContent-Length: -5\r\n\r\n",
}

// nonsense sends one of each and one cut off anywhere, then a call that must not
// suffer.
func (s *soak) nonsense(ctx context.Context) error {
	n := s.serial.Add(1)
	for i, g := range garbled {
		m := strings.NewReplacer("{n}", fmt.Sprint(n*100+int64(i)), "{to}", "1@"+s.hub.SIP.String(), "{us}", s.trunk.Addr.String()).Replace(g)
		s.trunk.Raw([]byte(m))
		if m != "" {
			s.trunk.Raw([]byte(m[:rand.IntN(len(m))]))
		}
	}
	d := s.call(answers, nil)
	if err := decided(ctx, d, 200); err != nil {
		return fmt.Errorf("after nonsense: %w", err)
	}
	d.Hangup()
	return within(ctx, d.Over, patience, "answer to the BYE")
}

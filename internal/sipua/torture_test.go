package sipua_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
)

// What must come of a message of RFC 4475 and RFC 5118; the messages in testdata
// are those published there (IETF Trust code components).
const (
	served = 0  // a final answer that is no 400 and no 5xx but 501
	silent = -1 // nothing: a response nobody waits for
)

var torture = map[string][]int{
	// RFC 4475 §3.1.1: valid
	"rfc4475/wsinv": {served}, "rfc4475/intmeth": {405, 501}, "rfc4475/esc01": {served}, "rfc4475/escnull": {served},
	"rfc4475/esc02": {405, 501}, "rfc4475/lwsdisp": {served}, "rfc4475/longreq": {served}, "rfc4475/dblreq": {served},
	"rfc4475/semiuri": {served}, "rfc4475/transports": {served}, "rfc4475/mpart01": {served},
	"rfc4475/unreason": {silent}, "rfc4475/noreason": {silent},
	// §3.1.2: invalid
	"rfc4475/badinv01": {400}, "rfc4475/clerr": {400}, "rfc4475/ncl": {400}, "rfc4475/scalar02": {400}, "rfc4475/scalarlg": {silent},
	"rfc4475/quotbal": {400}, "rfc4475/ltgtruri": {400}, "rfc4475/lwsruri": {400}, "rfc4475/lwsstart": {400}, "rfc4475/trws": {400},
	"rfc4475/escruri": {400, served}, "rfc4475/baddate": {400, served}, "rfc4475/regbadct": {400, served}, "rfc4475/badaspec": {400, served},
	"rfc4475/baddn": {400, served}, "rfc4475/badvers": {505, 400}, "rfc4475/mismatch01": {400}, "rfc4475/mismatch02": {400, 501, 405},
	"rfc4475/bigcode": {silent},
	// §3.2, §3.3, §3.4
	"rfc4475/badbranch": {400, served}, "rfc4475/insuf": {400, silent}, "rfc4475/unkscm": {416, 400}, "rfc4475/novelsc": {416, 400},
	"rfc4475/unksm2": {400, served}, "rfc4475/bext01": {420}, "rfc4475/invut": {415}, "rfc4475/regaut01": {401}, "rfc4475/multi01": {400},
	"rfc4475/mcl01": {400}, "rfc4475/bcast": {silent}, "rfc4475/zeromf": {served}, "rfc4475/cparam01": {served}, "rfc4475/cparam02": {served},
	"rfc4475/regescrt": {served}, "rfc4475/sdp01": {406}, "rfc4475/inv2543": {served}, "rfc4475/test": {400, 505, silent},
	// RFC 5118
	"rfc5118/ipv6-good": {served}, "rfc5118/ipv6-bad": {400}, "rfc5118/port-ambiguous": {served}, "rfc5118/port-unambiguous": {served},
	"rfc5118/via-received-param-with-delim": {400, 481, served, silent}, "rfc5118/via-received-param-no-delim": {served},
	"rfc5118/ipv6-in-sdp": {served}, "rfc5118/mult-ip-in-header": {served, 481}, "rfc5118/mult-ip-in-sdp": {served},
	"rfc5118/ipv4-mapped-ipv6": {served}, "rfc5118/ipv6-bug-abnf-3-colons": {400, served, silent}, "rfc5118/ipv6-correct-abnf-2-colons": {served},
}

var ownBranch = regexp.MustCompile(`branch\s*=\s*z9hG4bK[^\s;,]+`)

// TestTorture sends each message as it is published, over a datagram and over a
// stream, and asks OPTIONS after it.
func TestTorture(t *testing.T) {
	hubs := map[string]*hub{} // one each, to which the message is no repetition
	for _, transport := range []string{"UDP", "TCP"} {
		hubs[transport] = start(t, func(c *sipua.Config) {
			c.OnCall = func(in callctl.Incoming) { in.Leg.Hangup(call.Gone, "") }
		})
	}
	files, err := filepath.Glob("testdata/rfc*/*")
	if err != nil || len(files) != len(torture) {
		t.Fatalf("%d messages, %d verdicts: %v", len(files), len(torture), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(f), "testdata/"), ".dat")
		want, known := torture[name]
		raw, err := os.ReadFile(f)
		if err != nil || !known {
			t.Fatalf("%s: no verdict, or %v", name, err)
		}
		for transport, h := range hubs {
			t.Run(name+" over "+transport, func(t *testing.T) {
				alive := udpPeer(t, h.udp)
				var p *peer
				if transport == "TCP" {
					p = tcpPeer(t, h.tcp)
				} else {
					p = udpPeer(t, h.udp)
				}
				p.send(ownBranch.ReplaceAllString(string(raw), "${0}."+unique())) // several share one
				// Over a stream, a body shorter than was said may still come.
				waits := transport == "TCP" && (name == "rfc4475/clerr" || name == "rfc4475/baddn")
				got := final(p, waits || slices.Contains(want, silent))
				ok := slices.Contains(want, got) || slices.Contains(want, served) && got > 0 && got != 400 && (got < 500 || got == 501)
				if transport == "TCP" && got == silent && slices.Contains(want, 400) {
					ok = true // no end of the message can be known: the connection ends
				}
				if transport == "TCP" && (got == silent || got == 400) && more(string(raw)) {
					ok = true // what follows is no message: that may be seen first, and ends the connection
				}
				if !ok {
					t.Errorf("answered %d, want one of %v", got, want)
				}
				alive.talk("a", "b").do("OPTIONS", "")
				alive.status("OPTIONS", 200)
			})
		}
	}
	for _, h := range hubs {
		if st := h.Stats(); st.Panics != 0 {
			t.Errorf("%d panics", st.Panics)
		}
	}
}

// more tells whether something follows the body of a message.
func more(raw string) bool {
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	said := contentLength.FindStringSubmatch(head)
	if said == nil {
		return false
	}
	n, err := strconv.Atoi(said[1])
	return err == nil && len(body) > n
}

var contentLength = regexp.MustCompile(`(?im)^(?:content-length|l)\s*:\s*(\d+)`)

// final is the status of the first final response, or silent: at once if that
// may be, else after patience, or when the connection ends.
func final(p *peer, mayBeSilent bool) int {
	wait := patience
	if mayBeSilent {
		wait = 30 * time.Millisecond
	}
	deadline := time.After(wait)
	for {
		select {
		case m := <-p.got:
			if c := m.code(); c >= 200 {
				return c
			}
		case <-p.ended:
			select {
			case m := <-p.got:
				return m.code()
			default:
				return silent
			}
		case <-deadline:
			return silent
		}
	}
}

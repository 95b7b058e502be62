package softphone

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	raw := "NOTIFY sip:ana@127.0.0.1:5070 SIP/2.0\r\n" +
		"v: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2\r\n" +
		"f: \"Sol, Ana\" <sip:ana@callyard.example;user=phone>;tag=1\r\nt: <sip:b@c>\r\n" +
		"i: x\r\nCSEQ:  7   NOTIFY\r\no: refer;\r\n id=3\r\nl: 4\r\n\r\nbodyrest"
	m, err := parse([]byte(raw))
	must(t, err)
	if got := m.Header.Values("Via"); len(got) != 2 || !strings.HasPrefix(got[1], "SIP/2.0/UDP b") {
		t.Errorf("Via %q", got)
	}
	if got := m.From(); got.Display != "Sol, Ana" || got.User != "ana" || got.Tag != "1" {
		t.Errorf("From %+v", got)
	}
	if n, method := m.cseq(); n != 7 || method != "NOTIFY" {
		t.Errorf("CSeq %d %q", n, method)
	}
	if got := parseParams(m.Header.Get("Event"))["id"]; got != "3" {
		t.Errorf("Event id %q", got)
	}
	if string(m.Body) != "body" {
		t.Errorf("body %q", m.Body)
	}
	again, err := parse(m.bytes())
	must(t, err)
	if !slices.Equal(again.Header.Values("Via"), m.Header.Values("Via")) || string(again.Body) != "body" {
		t.Errorf("written and read again: %q", m.bytes())
	}
	for _, bad := range []string{"", "\r\n\r\n", "SIP/2.0 abc\r\n\r\n", "INVITE sip:x\r\n\r\n", "INVITE sip:x SIP/2.0\r\nVia: x\r\n\r\n"} {
		if _, err := parse([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("OPTIONS sip:a SIP/2.0\r\nv: x\r\nf: y\r\nt: z\r\ni: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: \"\r\nFrom: <\r\nTo: ;;\r\nCall-ID: =\r\nCSeq: x\r\n\r\nv=0\r\nm=audio\r\n"))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		m, err := parse(raw)
		if err != nil {
			return
		}
		_, _ = m.From(), m.To()
		_, _ = txKey(m), replyTo(m)
		_, _ = parseSDP(m.Body)
		reply(m, 200, "OK", "t").bytes()
	})
}

func TestG711(t *testing.T) {
	for _, c := range []codec{pcmu, pcma} {
		for v := -32768; v <= 32767; v++ {
			back := int(c.decode[c.encode(int16(v))])
			// A step is at most 1/16 of the value; small values have steps of 8 or 16.
			if allowed := math.Max(16, math.Abs(float64(v))/16); math.Abs(float64(back-v)) > math.Max(allowed, float64(abs(v)-32124)) {
				t.Fatalf("%s: %d comes back as %d", c.name, v, back)
			}
		}
		for b := range 256 {
			if again := c.encode(c.decode[b]); c.decode[again] != c.decode[b] {
				t.Errorf("%s: byte %#x comes back as %#x", c.name, b, again)
			}
		}
		if v := c.decode[c.silence]; v > 8 || v < -8 {
			t.Errorf("%s: silence is %d", c.name, v)
		}
	}
	// ITU-T G.191 reference values.
	if pcmu.decode[0x80] != 32124 || pcmu.decode[0x00] != -32124 || pcma.decode[0xAA] != 32256 || pcma.decode[0xD5] != 8 {
		t.Errorf("extremes %d %d %d %d", pcmu.decode[0x80], pcmu.decode[0], pcma.decode[0xAA], pcma.decode[0xD5])
	}
}

func abs(v int) int { return max(v, -v) }

func TestSDP(t *testing.T) {
	offer, err := parseSDP([]byte("v=0\r\no=- 1 1 IN IP4 9.9.9.9\r\nc=IN IP4 9.9.9.9\r\n" +
		"m=video 4000 RTP/AVP 96\r\na=sendonly\r\nm=audio 5000 RTP/AVP 9 8 0 97\r\nc=IN IP4 127.0.0.2\r\n" +
		"a=rtpmap:97 telephone-event/8000\r\na=recvonly\r\n"))
	must(t, err)
	if offer.remote != "127.0.0.2:5000" || offer.event != 97 || offer.direction != recvonly {
		t.Errorf("offer %+v", offer)
	}
	if len(offer.codecs) != 2 || offer.codecs[0].name != "PCMA" {
		t.Errorf("codecs %v", offer.codecs)
	}
	answer := string(describe("127.0.0.1:6000", 1, 1, offer.codecs, offer.event, offer.direction.mirror(), &offer, nil))
	for _, want := range []string{"m=video 0 RTP/AVP 96\r\nm=audio 6000 RTP/AVP 8 0 97\r\n", "a=sendonly\r\n"} {
		if !strings.Contains(answer, want) {
			t.Errorf("no %q in %q", want, answer)
		}
	}
	if _, err := parseSDP([]byte("v=0\r\nm=audio 0 RTP/AVP 0\r\n")); err == nil {
		t.Error("a refused stream is no audio")
	}
}

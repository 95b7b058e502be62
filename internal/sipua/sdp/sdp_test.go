package sdp_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/sipua/sdp"
)

func body(lines ...string) []byte {
	return []byte("v=0\r\no=a 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" + strings.Join(lines, "\r\n") + "\r\n")
}

func local() sdp.Local {
	return sdp.Local{Addr: netip.MustParseAddr("127.0.0.1"), Port: 4000, ID: 7, Version: 1}
}

func TestAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		offer  []byte
		codecs []string
		m      string
		dir    sdp.Direction
		events uint8
		send   bool
		err    error
	}{
		"the offerer's order decides": {offer: body("m=audio 5000 RTP/AVP 96 18 8 0 97 101", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 telephone-event/48000", "a=rtpmap:101 telephone-event/8000"), m: "m=audio 4000 RTP/AVP 8 101", dir: sdp.SendRecv, events: 101, send: true},
		"wideband":                    {offer: body("m=audio 5000 RTP/AVP 9 0 101", "a=rtpmap:9 G722/8000", "a=rtpmap:101 telephone-event/8000"), m: "m=audio 4000 RTP/AVP 9 101\r\na=rtpmap:9 G722/8000\r\n", dir: sdp.SendRecv, events: 101, send: true},
		"comfort noise is taken":      {offer: body("m=audio 5000 RTP/AVP 0 13"), m: "m=audio 4000 RTP/AVP 0 13\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:13 CN/8000\r\n", dir: sdp.SendRecv, send: true},
		"Opus alone, by default":      {offer: body("m=audio 5000 RTP/AVP 96", "a=rtpmap:96 opus/48000/2"), err: sdp.ErrNoCodec},
		"Opus alone, where it is had": {
			offer: body("m=audio 5000 RTP/AVP 111 110 101", "a=rtpmap:111 opus/48000/2", "a=rtpmap:110 telephone-event/48000", "a=rtpmap:101 telephone-event/8000"), codecs: []string{"opus", "PCMU"},
			m: "m=audio 4000 RTP/AVP 111 110\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n", dir: sdp.SendRecv, events: 110, send: true,
		},
		"Opus comes last":   {offer: body("m=audio 5000 RTP/AVP 96 0", "a=rtpmap:96 opus/48000/2"), codecs: []string{"opus", "PCMU"}, m: "m=audio 4000 RTP/AVP 0\r\n", dir: sdp.SendRecv, send: true},
		"only what we have": {offer: body("m=audio 5000 RTP/AVP 8 0"), codecs: []string{"PCMU"}, m: "m=audio 4000 RTP/AVP 0\r\n", dir: sdp.SendRecv, send: true},
		"a codec under another number": {
			offer: body("m=audio 5000 RTP/AVP 110", "a=rtpmap:110 pcmu/8000"),
			m:     "m=audio 4000 RTP/AVP 110", dir: sdp.SendRecv, send: true,
		},
		"sendonly is answered recvonly":  {offer: body("m=audio 5000 RTP/AVP 0", "a=sendonly"), m: "m=audio 4000", dir: sdp.RecvOnly},
		"recvonly is answered sendonly":  {offer: body("m=audio 5000 RTP/AVP 0", "a=recvonly"), m: "m=audio 4000", dir: sdp.SendOnly, send: true},
		"inactive stays inactive":        {offer: body("m=audio 5000 RTP/AVP 0", "a=inactive"), m: "m=audio 4000", dir: sdp.Inactive},
		"0.0.0.0 is hold":                {offer: body("m=audio 5000 RTP/AVP 0", "c=IN IP4 0.0.0.0", "a=sendrecv"), m: "m=audio 4000", dir: sdp.RecvOnly},
		"a session-level direction":      {offer: []byte("v=0\no=a 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\na=sendonly\nm=audio 5000 RTP/AVP 0\n"), m: "m=audio 4000", dir: sdp.RecvOnly},
		"video is refused in its place":  {offer: body("m=video 6000 RTP/AVP 31", "a=inactive", "m=audio 5000 RTP/AVP 0"), m: "m=video 0 RTP/AVP 31\r\nm=audio 4000", dir: sdp.SendRecv, send: true},
		"no codec in common":             {offer: body("m=audio 5000 RTP/AVP 98", "a=rtpmap:98 AMR-WB/16000"), err: sdp.ErrNoCodec},
		"SRTP only":                      {offer: body("m=audio 5000 RTP/SAVP 0"), err: sdp.ErrNoAudio},
		"no audio":                       {offer: body("m=video 5000 RTP/AVP 31"), err: sdp.ErrNoAudio},
		"no connection address":          {offer: []byte("v=0\r\nm=audio 5000 RTP/AVP 0\r\n"), err: sdp.ErrMalformed},
		"a port that is none":            {offer: body("m=audio 70000 RTP/AVP 0"), err: sdp.ErrMalformed},
		"a line that is none":            {offer: body("nonsense"), err: sdp.ErrMalformed},
		"not a description":              {offer: []byte("hello"), err: sdp.ErrMalformed},
		"a payload type that is none":    {offer: body("m=audio 5000 RTP/AVP x"), err: sdp.ErrMalformed},
		"an m line without payload type": {offer: body("m=audio 5000 RTP/AVP"), err: sdp.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			l := local()
			l.Codecs = c.codecs
			d, err := sdp.Parse(c.offer)
			var got []byte
			var st sdp.Stream
			if err == nil {
				got, st, err = sdp.Answer(d, l)
			}
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err != nil {
				return
			}
			if !strings.Contains(string(got), c.m) {
				t.Errorf("answer lacks %q:\n%s", c.m, got)
			}
			if !strings.Contains(string(got), "a="+string(c.dir)+"\r\n") {
				t.Errorf("answer is not %s:\n%s", c.dir, got)
			}
			if want := c.dir.Mirror(); st.Theirs() != want {
				t.Errorf("theirs is %s, want %s", st.Theirs(), want)
			}
			if st.Events != c.events || st.Send != c.send {
				t.Errorf("stream %+v", st)
			}
			if _, err := sdp.Parse(got); err != nil {
				t.Errorf("our own answer does not parse: %v", err)
			}
		})
	}
}

func TestTheCodecOfTheOtherLegIsPreferred(t *testing.T) {
	d, err := sdp.Parse(body("m=audio 5000 RTP/AVP 9 8 0"))
	if err != nil {
		t.Fatal(err)
	}
	for prefer, want := range map[string]string{"pcmu": "PCMU", "PCMA": "PCMA", "": "G722", "opus": "G722", "speex": "G722"} {
		l := local()
		l.Prefer = prefer
		if _, st, err := sdp.Answer(d, l); err != nil || st.Codec.Name != want {
			t.Errorf("beside %q: %s, %v", prefer, st.Codec.Name, err)
		}
	}
}

func TestOpusIsOfferedWithEventsOfItsClock(t *testing.T) {
	l := local()
	l.Codecs = []string{"G722", "opus"}
	offer := string(sdp.Offer(l))
	for _, want := range []string{"RTP/AVP 9 96 101 97\r\n", "a=rtpmap:96 opus/48000/2\r\n", "a=rtpmap:97 telephone-event/48000\r\n", "a=fmtp:97 0-15\r\n"} {
		if !strings.Contains(offer, want) {
			t.Errorf("offer lacks %q:\n%s", want, offer)
		}
	}
	ans, err := sdp.Parse(body("m=audio 5000 RTP/AVP 96 97", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 telephone-event/48000"))
	if err != nil {
		t.Fatal(err)
	}
	if st, err := sdp.Accept(ans, l); err != nil || st.Codec.Clock != 48000 || st.Events != 97 || st.RecvEvents != 97 || st.RecvPayload != 96 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestHeld(t *testing.T) {
	for offer, want := range map[string]bool{"a=sendonly": true, "a=inactive": true, "a=recvonly": false, "a=sendrecv": false, "c=IN IP4 0.0.0.0": true} {
		d, err := sdp.Parse(body("m=audio 5000 RTP/AVP 0", offer))
		if err != nil {
			t.Fatal(err)
		}
		if d.Held() != want {
			t.Errorf("%s: held %v", offer, d.Held())
		}
	}
}

func TestOfferAndAccept(t *testing.T) {
	l := local()
	l.Codecs = []string{"pcma", "PCMU", "speex"}
	d, err := sdp.Parse(sdp.Offer(l))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Formats) != 3 || d.Formats[0].Name != "PCMA" || d.Formats[2].Name != sdp.Events {
		t.Fatalf("offered %+v", d.Formats)
	}
	ans, err := sdp.Parse(body("m=audio 5000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/8000"))
	if err != nil {
		t.Fatal(err)
	}
	st, err := sdp.Accept(ans, l)
	if err != nil || st.Codec.Name != "PCMU" || st.Events != 96 || st.Remote != netip.MustParseAddrPort("192.0.2.1:5000") || !st.Send || !st.Receive || st.RecvEvents != 101 || st.RecvPayload != 0 || st.Theirs() != sdp.SendRecv {
		t.Fatalf("%+v %v", st, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(body("m=audio 5000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000"))
	f.Add([]byte("v=0\nm=audio 1 RTP/AVP 0\nc=IN IP6 ::1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := sdp.Parse(b)
		if err != nil {
			return
		}
		if a, _, err := sdp.Answer(d, local()); err == nil {
			if _, err := sdp.Parse(a); err != nil {
				t.Fatalf("answer to %q does not parse: %v", b, err)
			}
		}
	})
}

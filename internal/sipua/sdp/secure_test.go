package sdp_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/sipua/sdp"
)

// keyOf is a key that a test recognises.
func keyOf(suite string, b byte) sdp.Crypto {
	return sdp.Crypto{Tag: 1, Suite: suite, Key: bytes.Repeat([]byte{b}, sdp.KeyLength(suite))}
}

func inline(n int, b byte) string {
	return "inline:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, n))
}

// secure is our side with keys of every suite and a certificate.
func secure(policy sdp.Secure) sdp.Local {
	l := local()
	l.Secure = policy
	l.Keys = []sdp.Crypto{keyOf(sdp.GCM, 'g'), keyOf(sdp.SHA1_80, 'o'), keyOf(sdp.SHA1_32, 'o')}
	l.Fingerprint = sdp.Fingerprint{Hash: "sha-256", Value: "AA:BB"}
	l.ICE = sdp.ICE{Ufrag: "hubsufrg", Pwd: "hubspasswordoftwentytwo!"}
	return l
}

// chromium is an offer as Chromium's is, shortened.
func chromium(extra ...string) []byte {
	return append([]byte("v=0\r\no=- 463 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS 5f\r\n"+
		"m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"+
		"a=candidate:1 1 udp 2113937151 7c.local 53421 typ host generation 0 network-cost 999\r\n"+
		"a=ice-ufrag:bRoW\r\na=ice-pwd:thepasswordofthebrowser\r\na=ice-options:trickle\r\na=fingerprint:sha-256 11:22:33\r\na=setup:actpass\r\na=mid:0\r\n"+
		"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\na=msid:5f 06\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"+
		"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"+
		"a=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:1 cname:x\r\n"), strings.Join(append(extra, ""), "\r\n")...)
}

func TestSecureAnswer(t *testing.T) {
	savp := func(lines ...string) []byte {
		return body(append([]string{"m=audio 5000 RTP/SAVP 0 101", "a=rtpmap:101 telephone-event/8000"}, lines...)...)
	}
	for name, c := range map[string]struct {
		offer  []byte
		local  sdp.Local
		want   []string // lines of the answer
		not    []string
		means  sdp.Means
		send   byte // first byte of our key
		recv   byte
		active bool
		held   bool
		err    error
	}{
		"SDES": {
			offer: savp("a=crypto:3 AES_CM_128_HMAC_SHA1_80 " + inline(30, 't') + "|2^31"), local: secure(sdp.Optional),
			want: []string{"m=audio 4000 RTP/SAVP 0 101", "a=crypto:3 AES_CM_128_HMAC_SHA1_80 " + inline(30, 'o')}, means: sdp.SDES, send: 'o', recv: 't',
		},
		"the offerer's order of suites": {
			offer: savp("a=crypto:1 F8_128_HMAC_SHA1_80 "+inline(30, 'f'), "a=crypto:2 AES_CM_128_HMAC_SHA1_32 "+inline(30, 't'), "a=crypto:4 AEAD_AES_128_GCM "+inline(28, 'u')),
			local: secure(sdp.Required), want: []string{"a=crypto:2 AES_CM_128_HMAC_SHA1_32 "}, not: []string{"a=crypto:4"}, means: sdp.SDES, send: 'o', recv: 't',
		},
		"GCM when it is offered": {
			offer: savp("a=crypto:1 AEAD_AES_128_GCM " + inline(28, 't')), local: secure(sdp.Optional),
			want: []string{"a=crypto:1 AEAD_AES_128_GCM " + inline(28, 'g')}, means: sdp.SDES, send: 'g', recv: 't',
		},
		"a key with a mark": {
			offer: savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 " + inline(30, 't') + "|2^20|1:4"), local: secure(sdp.Optional), means: sdp.SDES, send: 'o', recv: 't',
		},
		"unprotected by a parameter": {
			offer: savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 " + inline(30, 't') + " UNENCRYPTED_SRTP"), local: secure(sdp.Optional), err: sdp.ErrInsecure,
		},
		"a key too short": {offer: savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 " + inline(16, 't')), local: secure(sdp.Optional), err: sdp.ErrInsecure},
		"no key":          {offer: savp(), local: secure(sdp.Optional), err: sdp.ErrInsecure},
		"SRTP switched off": {
			offer: savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 " + inline(30, 't')), local: secure(sdp.Off), err: sdp.ErrInsecure,
		},
		"in the clear where it may be": {offer: body("m=audio 5000 RTP/AVP 0"), local: secure(sdp.Optional), want: []string{"m=audio 4000 RTP/AVP 0"}, not: []string{"a=crypto", "a=ice"}},
		"in the clear where it may not": {
			offer: body("m=audio 5000 RTP/AVP 0"), local: secure(sdp.Required), err: sdp.ErrInsecure,
		},
		"opportunistic (RFC 8643)": {
			offer: body("m=audio 5000 RTP/AVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "+inline(30, 't')), local: secure(sdp.Required),
			want: []string{"m=audio 4000 RTP/AVP 0", "a=crypto:1 "}, means: sdp.SDES, send: 'o', recv: 't',
		},
		"opportunistic where SRTP is off": {
			offer: body("m=audio 5000 RTP/AVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "+inline(30, 't')), local: secure(sdp.Off),
			want: []string{"m=audio 4000 RTP/AVP 0"}, not: []string{"a=crypto"},
		},
		"both in one offer: the protected one": {
			offer: body("m=audio 5000 RTP/AVP 0", "m=audio 5002 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "+inline(30, 't')), local: secure(sdp.Optional),
			want: []string{"m=audio 0 RTP/AVP 0\r\nm=audio 4000 RTP/SAVP 0"}, means: sdp.SDES, send: 'o', recv: 't',
		},
		"both in one offer where SRTP is off": {
			offer: body("m=audio 5002 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "+inline(30, 't'), "m=audio 5000 RTP/AVP 0"), local: secure(sdp.Off),
			want: []string{"m=audio 0 RTP/SAVP 0\r\nm=audio 4000 RTP/AVP 0"},
		},
		"a browser": {
			offer: chromium(), local: secure(sdp.Optional),
			want: []string{
				"a=group:BUNDLE 0", "a=ice-lite", "m=audio 4000 UDP/TLS/RTP/SAVPF 9 13 126", "a=sendrecv", "a=mid:0", "a=rtcp-mux", "a=fingerprint:sha-256 AA:BB", "a=setup:active",
				"a=ice-ufrag:hubsufrg", "a=ice-pwd:hubspasswordoftwentytwo!", "a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host",
			},
			not: []string{"a=crypto", "opus", "extmap", "5f"}, means: sdp.DTLS, active: true,
		},
		"a browser that will begin": {
			offer: bytes.Replace(chromium(), []byte("actpass"), []byte("active"), 1), local: secure(sdp.Optional), want: []string{"a=setup:passive"}, means: sdp.DTLS,
		},
		"a browser that holds": {
			offer: bytes.Replace(chromium(), []byte("sendrecv"), []byte("sendonly"), 1), local: secure(sdp.Optional), want: []string{"a=recvonly"}, means: sdp.DTLS, active: true, held: true,
		},
		"a browser with video": {
			offer: chromium("m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:1", "a=ice-ufrag:other", "a=fingerprint:sha-256 99:99"), local: secure(sdp.Optional),
			want: []string{"a=group:BUNDLE 0\r\n", "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n"}, means: sdp.DTLS, active: true,
		},
		"a browser where nobody has a certificate": {
			offer: chromium(), local: func() sdp.Local { l := secure(sdp.Optional); l.Fingerprint = sdp.Fingerprint{}; return l }(), err: sdp.ErrInsecure,
		},
		"DTLS without a fingerprint": {offer: body("m=audio 5000 UDP/TLS/RTP/SAVP 0", "a=setup:actpass"), local: secure(sdp.Optional), err: sdp.ErrInsecure},
		"a phone with DTLS and no ICE": {
			offer: body("m=audio 5000 UDP/TLS/RTP/SAVP 0", "a=setup:actpass", "a=fingerprint:SHA-256 ab:cd"), local: secure(sdp.Required),
			want: []string{"m=audio 4000 UDP/TLS/RTP/SAVP 0", "a=setup:active"}, not: []string{"a=ice", "a=candidate", "a=rtcp-mux"}, means: sdp.DTLS, active: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := sdp.Parse(c.offer)
			if err != nil {
				t.Fatal(err)
			}
			got, st, err := sdp.Answer(d, c.local)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if c.err != nil {
				if !errors.Is(err, sdp.ErrNoAudio) {
					t.Error("not a 488")
				}
				return
			}
			for _, w := range c.want {
				if !strings.Contains(string(got), w) {
					t.Errorf("answer lacks %q:\n%s", w, got)
				}
			}
			for _, w := range c.not {
				if strings.Contains(string(got), w) {
					t.Errorf("answer has %q:\n%s", w, got)
				}
			}
			if d.Held() != c.held {
				t.Errorf("held: %v", d.Held())
			}
			if c.means == sdp.Clear {
				if st.Protect != nil {
					t.Errorf("protected: %+v", st.Protect)
				}
				return
			}
			p := st.Protect
			if p == nil || p.Means != c.means || p.Active != c.active {
				t.Fatalf("protected: %+v", p)
			}
			if c.means == sdp.SDES && (p.Send.Key[0] != c.send || p.Receive.Key[0] != c.recv) {
				t.Errorf("keys %q, %q", p.Send.Key, p.Receive.Key)
			}
			if strings.Contains(string(got), "ice-lite") && (p.Local.Ufrag != "hubsufrg" || p.Remote.Ufrag != "bRoW" || len(p.Fingerprints) != 1 || p.Fingerprints[0].Value != "11:22:33") {
				t.Errorf("protected: %+v", p)
			}
			if name == "a key with a mark" && !bytes.Equal(p.Receive.MKI, []byte{0, 0, 0, 1}) {
				t.Errorf("mark %v", p.Receive.MKI)
			}
			if _, err := sdp.Parse(got); err != nil {
				t.Errorf("our own answer does not parse: %v", err)
			}
		})
	}
}

func TestSecureOffer(t *testing.T) {
	offering := func(m sdp.Means) sdp.Local {
		l := secure(sdp.Optional)
		l.Means = m
		l.Keys = []sdp.Crypto{{Tag: 1, Suite: sdp.SHA1_80, Key: bytes.Repeat([]byte{'o'}, 30)}, {Tag: 2, Suite: sdp.SHA1_32, Key: bytes.Repeat([]byte{'o'}, 30)}}
		return l
	}
	accept := func(t *testing.T, l sdp.Local, answer []byte) (sdp.Stream, error) {
		t.Helper()
		d, err := sdp.Parse(answer)
		if err != nil {
			t.Fatal(err)
		}
		return sdp.Accept(d, l)
	}
	t.Run("SDES, either suite may be taken", func(t *testing.T) {
		l := offering(sdp.SDES)
		o := string(sdp.Offer(l))
		for _, want := range []string{"RTP/SAVP 0 8", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 ", "a=crypto:2 AES_CM_128_HMAC_SHA1_32 "} {
			if !strings.Contains(o, want) {
				t.Errorf("offer lacks %q:\n%s", want, o)
			}
		}
		st, err := accept(t, l, body("m=audio 5000 RTP/SAVP 0", "a=crypto:2 AES_CM_128_HMAC_SHA1_32 "+inline(30, 't')))
		if err != nil || st.Protect.Send.Suite != sdp.SHA1_32 || st.Protect.Send.Key[0] != 'o' || st.Protect.Receive.Key[0] != 't' {
			t.Fatalf("%+v, %v", st.Protect, err)
		}
	})
	t.Run("a browser", func(t *testing.T) {
		l := offering(sdp.DTLS)
		o := string(sdp.Offer(l))
		for _, want := range []string{"a=group:BUNDLE 0", "a=ice-lite", "UDP/TLS/RTP/SAVPF 0 8", "a=setup:actpass", "a=mid:0", "a=rtcp-mux", "a=ice-ufrag:hubsufrg", "a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host", "telephone-event/8000"} {
			if !strings.Contains(o, want) {
				t.Errorf("offer lacks %q:\n%s", want, o)
			}
		}
		answer := bytes.Replace(chromium(), []byte("actpass"), []byte("active"), 1)
		st, err := accept(t, l, answer)
		if err != nil || st.Protect.Active || !st.Mux || st.Protect.Remote.Ufrag != "bRoW" || !st.Send {
			t.Fatalf("%+v, %v", st, err)
		}
		st, err = accept(t, l, bytes.Replace(answer, []byte("setup:active"), []byte("setup:passive"), 1))
		if err != nil || !st.Protect.Active {
			t.Fatalf("%+v, %v", st, err)
		}
		// It offers again, as holding does: whoever waited goes on waiting.
		l.Passive = true
		d, err := sdp.Parse(chromium())
		if err != nil {
			t.Fatal(err)
		}
		if got, st, err := sdp.Answer(d, l); err != nil || st.Protect.Active || !bytes.Contains(got, []byte("a=setup:passive")) {
			t.Errorf("%+v, %v", st, err)
		}
	})
	for name, answer := range map[string][]byte{
		"in the clear":             body("m=audio 5000 RTP/AVP 0"),
		"a suite not offered":      body("m=audio 5000 RTP/SAVP 0", "a=crypto:1 AEAD_AES_128_GCM "+inline(28, 't')),
		"a line not offered":       body("m=audio 5000 RTP/SAVP 0", "a=crypto:9 AES_CM_128_HMAC_SHA1_80 "+inline(30, 't')),
		"without a key":            body("m=audio 5000 RTP/SAVP 0"),
		"by means not offered":     chromium(),
		"keys nobody asked for":    body("m=audio 5000 RTP/SAVP 0", "a=fingerprint:sha-256 11:22"),
		"opportunistic, but weird": body("m=audio 5000 RTP/AVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 short"),
	} {
		t.Run("an answer "+name, func(t *testing.T) {
			if st, err := accept(t, offering(sdp.SDES), answer); !errors.Is(err, sdp.ErrInsecure) {
				t.Errorf("%+v, %v", st.Protect, err)
			}
		})
	}
}

func TestRestarts(t *testing.T) {
	before := &sdp.Protection{Means: sdp.SDES, Receive: keyOf(sdp.SHA1_80, 't')}
	for b, want := range map[byte]bool{'t': false, 'x': true} {
		d, err := sdp.Parse(body("m=audio 5000 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "+inline(30, b)))
		if err != nil {
			t.Fatal(err)
		}
		if keys, _ := d.Restarts(before); keys != want {
			t.Errorf("%c: new keys %v", b, keys)
		}
	}
	d, err := sdp.Parse(chromium())
	if err != nil {
		t.Fatal(err)
	}
	for ufrag, want := range map[string]bool{"bRoW": false, "else": true} {
		if _, ice := d.Restarts(&sdp.Protection{Means: sdp.DTLS, Remote: sdp.ICE{Ufrag: ufrag, Pwd: "thepasswordofthebrowser"}}); ice != want {
			t.Errorf("%s: restart %v", ufrag, ice)
		}
	}
}

// A key in a description must not be shown by accident.
func TestKeysDoNotPrint(t *testing.T) {
	c := keyOf(sdp.SHA1_80, 't')
	if s := c.String(); strings.Contains(s, "ttt") {
		t.Error(s)
	}
}

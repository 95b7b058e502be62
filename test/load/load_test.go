//go:build linux

package load

import (
	"crypto/md5"
	"crypto/sha256"
	"net/netip"
	"testing"
)

func TestDigest(t *testing.T) {
	// RFC 7616 §3.9.1.
	const (
		realm, nonce  = "http-auth@example.org", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
		cnonce, uri   = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "/dir/index.html"
		user, secret  = "Mufasa", "Circle of Life"
		wantMD5       = "8ca523f5e9506fed4657c9700eebdbec"
		wantSHA256    = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
		count, method = "00000001", "GET"
	)
	if got := digest(md5.New, user, secret, realm, method, uri, nonce, count, cnonce); got != wantMD5 {
		t.Errorf("MD5: %s, want %s", got, wantMD5)
	}
	if got := digest(sha256.New, user, secret, realm, method, uri, nonce, count, cnonce); got != wantSHA256 {
		t.Errorf("SHA-256: %s, want %s", got, wantSHA256)
	}
}

func TestReadMessage(t *testing.T) {
	m, ok := readMessage([]byte("SIP/2.0 200 OK\r\nVia: one\r\nVIA: two\r\nCSeq: 2 INVITE\r\nContact: \"x\" <sip:a001@127.0.0.1:5062>;expires=60\r\n\r\n" +
		"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 12034 RTP/AVP 0\r\n"))
	if !ok || m.Status != 200 || m.answers() != "INVITE" || len(m.header["via"]) != 2 {
		t.Fatalf("read %+v, %v", m, ok)
	}
	if at, ok := m.audio(); !ok || at != netip.MustParseAddrPort("127.0.0.1:12034") {
		t.Errorf("audio at %v, %v", at, ok)
	}
	if u := userOf(address(m.Get("contact"))); u != "a001" {
		t.Errorf("contact's user is %q", u)
	}
	for _, bad := range []string{"", "\r\n\r\n", "SIP/2.0\r\n\r\n", "INVITE sip:x"} {
		if _, ok := readMessage([]byte(bad)); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestSpread(t *testing.T) {
	s := Spread{5, 1, 4, 2, 3}.Sorted()
	for q, want := range map[float64]float64{0: 1, .5: 3, .99: 5, 1: 5} {
		if got := s.At(q); got != want {
			t.Errorf("at %v: %v, want %v", q, got, want)
		}
	}
	if got := (Spread{}).At(.5); got != 0 {
		t.Errorf("nothing at the middle: %v", got)
	}
}

func TestTimeInPayload(t *testing.T) {
	var b [16]byte
	writeTime(b[:], 1795382961853091000)
	if got := readTime(b[:]); got != 1795382961853091000 {
		t.Errorf("read %d", got)
	}
}

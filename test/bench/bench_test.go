//go:build linux

package main

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/json"
	"os"
	"testing"

	"github.com/callyard/callyard/internal/setup"
	"github.com/callyard/callyard/routing"
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
	if !ok || m.status != 200 || m.answers() != "INVITE" || len(m.header["via"]) != 2 {
		t.Fatalf("read %+v, %v", m, ok)
	}
	if at, ok := m.audio(); !ok || at != loopback(12034) {
		t.Errorf("audio at %v, %v", at, ok)
	}
	if u := userOf(address(m.get("contact"))); u != "a001" {
		t.Errorf("contact's user is %q", u)
	}
	for _, bad := range []string{"", "\r\n\r\n", "SIP/2.0\r\n\r\n", "INVITE sip:x"} {
		if _, ok := readMessage([]byte(bad)); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestSpread(t *testing.T) {
	s := spread{5, 1, 4, 2, 3}.sorted()
	for q, want := range map[float64]float64{0: 1, .5: 3, .99: 5, 1: 5} {
		if got := s.at(q); got != want {
			t.Errorf("at %v: %v, want %v", q, got, want)
		}
	}
	if got := (spread{}).at(.5); got != 0 {
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

// A hub takes the set-up file: what it does not know is an error, and each flow is sound.
func TestDocument(t *testing.T) {
	d, err := setup.Read(document(sizesOf(true), 3))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.Flows {
		if _, err := routing.Parse(f); err != nil {
			t.Error(err)
		}
	}
	for _, l := range d.Lots {
		if err := l.WithDefaults().Validate(); err != nil {
			t.Error(err)
		}
	}
	if n := len(d.Numbers); n == 0 || string(d.Numbers[n-1].Number) != lastNumber {
		t.Errorf("%s does not come last: it tells that the rest is there", lastNumber)
	}
}

func TestOwnTimes(t *testing.T) {
	s, err := readStat(os.Getpid())
	if err != nil || s.parent != os.Getppid() {
		t.Errorf("%+v, %v; the parent is %d", s, err, os.Getppid())
	}
	if kb, err := resident(os.Getpid()); err != nil || kb < 500 {
		t.Errorf("%v KB resident, %v", kb, err)
	}
}

func TestVerdict(t *testing.T) {
	for want, f := range map[string]figure{"": {Value: 3}, "met": {Value: 3, Goal: 3}, "missed": {Value: 3.1, Goal: 3}} {
		if got := f.verdict(); got != want {
			b, _ := json.Marshal(f)
			t.Errorf("%s is %q, want %q", b, got, want)
		}
	}
}

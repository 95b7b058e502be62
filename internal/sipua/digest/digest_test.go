package digest_test

import (
	"testing"

	"github.com/callyard/callyard/internal/sipua/digest"
)

// RFC 7616 §3.9.1, both algorithms.
func TestAnswerOfTheRFC(t *testing.T) {
	mufasa := digest.Account{User: "Mufasa", Password: "Circle of Life"}
	const cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
	for alg, want := range map[string]string{
		"MD5": "8ca523f5e9506fed4657c9700eebdbec", "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
	} {
		ch, ok := digest.ParseChallenge(`Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=` + alg +
			`, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`)
		if !ok {
			t.Fatal("no challenge")
		}
		cs := mufasa.Answer([]digest.Challenge{ch}, "GET", "/dir/index.html", cnonce, 1)
		if len(cs) != 1 || cs[0].Digest != want || cs[0].NC != "00000001" {
			t.Errorf("%s: %+v", alg, cs)
		}
		back, ok := digest.ParseCredentials(cs[0].String())
		if !ok || back != cs[0] {
			t.Errorf("written and read: %+v, was %+v", back, cs[0])
		}
	}
}

func TestStrongestChallenge(t *testing.T) {
	a := digest.Account{User: "u", Password: "p"}
	chs := []digest.Challenge{
		{Realm: "a", Nonce: "1", Algorithm: "MD5"},
		{Realm: "a", Nonce: "2", Algorithm: "SHA-256", QOP: []string{"auth"}},
		{Realm: "a", Nonce: "3", Algorithm: "SHA-1024"},
		{Realm: "b", Nonce: "4"},
		{Realm: "b", Nonce: "5", Algorithm: "SHA-256", QOP: []string{"auth-int"}},
	}
	cs := a.Answer(chs, "REGISTER", "sip:x", "cn", 1)
	if len(cs) != 2 || cs[0].Nonce != "2" || cs[1].Nonce != "4" || cs[1].QOP != "" {
		t.Errorf("%+v", cs)
	}
	if cs := a.Answer(chs[2:3], "REGISTER", "sip:x", "cn", 1); cs != nil {
		t.Errorf("answered what we do not know: %+v", cs)
	}
	t.Run("a session key", func(t *testing.T) {
		plain := a.Answer([]digest.Challenge{{Realm: "a", Nonce: "1", Algorithm: "MD5", QOP: []string{"auth"}}}, "REGISTER", "sip:x", "cn", 1)
		sess := a.Answer([]digest.Challenge{{Realm: "a", Nonce: "1", Algorithm: "MD5-sess", QOP: []string{"auth"}}}, "REGISTER", "sip:x", "cn", 1)
		if len(sess) != 1 || sess[0].Digest == plain[0].Digest || sess[0].Digest != sess[0].Response(digest.HA1("MD5", "u", "a", "p"), "REGISTER") {
			t.Errorf("%+v", sess)
		}
	})
}

func TestParse(t *testing.T) {
	for _, v := range []string{"", "Basic abc", "Digest", `Digest realm="a"`, `Digest nonce="`} {
		if c, ok := digest.ParseChallenge(v); ok {
			t.Errorf("%q: %+v", v, c)
		}
	}
	c, ok := digest.ParseChallenge(`digest  realm="a \"b\", c" , nonce = "n" ,stale=TRUE, qop=auth,algorithm=SHA-256`)
	if !ok || c.Realm != `a "b", c` || !c.Stale || c.Algorithm != "SHA-256" || len(c.QOP) != 1 {
		t.Errorf("%+v", c)
	}
}

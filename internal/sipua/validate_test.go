package sipua

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/routing"
)

// request is a request as it would arrive; lines replace or add to the usual
// headers, "-Name" leaves one out.
func testRequest(first string, lines ...string) string {
	method, _, _ := strings.Cut(first, " ")
	hs := []string{"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx1", "From: <sip:a@b>;tag=1", "To: <sip:c@d>", "Call-ID: x@y", "CSeq: 1 " + method, "Max-Forwards: 70"}
	body := ""
	for _, l := range lines {
		if b, ok := strings.CutPrefix(l, "body "); ok {
			body = b
			continue
		}
		if name, ok := strings.CutPrefix(l, "-"); ok {
			for i, h := range hs {
				if strings.HasPrefix(h, name+":") {
					hs = append(hs[:i], hs[i+1:]...)
					break
				}
			}
			continue
		}
		name, _, _ := strings.Cut(l, ":")
		replaced := false
		for i, h := range hs {
			if strings.HasPrefix(h, name+":") && !strings.HasPrefix(l, name+":+") {
				hs[i], replaced = l, true
				break
			}
		}
		if !replaced {
			hs = append(hs, strings.Replace(l, ":+", ": ", 1))
		}
	}
	return first + "\r\n" + strings.Join(hs, "\r\n") + "\r\n\r\n" + body
}

func parse(t *testing.T, raw string) *sip.Request {
	t.Helper()
	setUpLibrary()
	m, err := sip.ParseMessage([]byte(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	req, ok := m.(*sip.Request)
	if !ok {
		t.Fatalf("parsed as %T", m)
	}
	req.SetSource("127.0.0.1:5060")
	req.SetTransport("UDP")
	normalise(&req.MessageData)
	return req
}

func TestValidate(t *testing.T) {
	const v0 = "body v=0\r\n"
	for name, c := range map[string]struct {
		first  string
		lines  []string
		code   int
		header string
	}{
		"a plain INVITE":                        {first: "INVITE sip:c@d SIP/2.0"},
		"with a description":                    {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Content-Type: application/sdp", v0}},
		"with parameters in the type":           {first: "INVITE sip:c@d SIP/2.0", lines: []string{"c: Application/SDP ; x=y", v0}},
		"multipart with a description":          {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Content-Type: multipart/mixed;boundary=x", "body --x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--\r\n"}},
		"badvers":                               {first: "OPTIONS sip:c@d SIP/7.0", code: 505},
		"mismatch01":                            {first: "OPTIONS sip:c@d SIP/2.0", lines: []string{"CSeq: 8 INVITE"}, code: 400},
		"mismatch02":                            {first: "NEWMETHOD sip:c@d SIP/2.0", lines: []string{"CSeq: 8 INVITE"}, code: 400},
		"insuf without Call-ID":                 {first: "INVITE sip:c@d SIP/2.0", lines: []string{"-Call-ID"}, code: 400},
		"insuf without From":                    {first: "INVITE sip:c@d SIP/2.0", lines: []string{"-From"}, code: 400},
		"insuf without To":                      {first: "INVITE sip:c@d SIP/2.0", lines: []string{"-To"}, code: 400},
		"insuf without CSeq":                    {first: "INVITE sip:c@d SIP/2.0", lines: []string{"-CSeq"}, code: 400},
		"insuf without Via":                     {first: "INVITE sip:c@d SIP/2.0", lines: []string{"-Via"}, code: 400},
		"multi01 From":                          {first: "INVITE sip:c@d SIP/2.0", lines: []string{"From:+<sip:x@y>;tag=9"}, code: 400},
		"multi01 To":                            {first: "INVITE sip:c@d SIP/2.0", lines: []string{"To:+<sip:x@y>"}, code: 400},
		"multi01 Call-ID":                       {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Call-ID:+other"}, code: 400},
		"multi01 Max-Forwards":                  {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Max-Forwards:+5"}, code: 400},
		"mcl01":                                 {first: "OPTIONS sip:c@d SIP/2.0", lines: []string{"Content-Length: 0", "Content-Length:+0"}, code: 400},
		"zeromf is served at its destination":   {first: "OPTIONS sip:c@d SIP/2.0", lines: []string{"Max-Forwards: 0"}},
		"Max-Forwards 0 on a call":              {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Max-Forwards: 0"}, code: 483},
		"bext01":                                {first: "OPTIONS sip:c@d SIP/2.0", lines: []string{"Require: nothingSupportsThis, norefersub", "Require:+andThis"}, code: 420, header: "Unsupported: nothingsupportsthis, andthis"},
		"what is not supported":                 {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Require: 100rel, precondition"}, code: 420, header: "Unsupported: precondition"},
		"unkscm":                                {first: "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", code: 416},
		"a tel URI can be called":               {first: "INVITE tel:+34600000001 SIP/2.0"},
		"escruri":                               {first: "INVITE sip:c@d?Route=%3Csip:e.com%3E SIP/2.0", code: 400},
		"invut":                                 {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Content-Type: application/unknownformat", "body <x/>"}, code: 415, header: "Accept: application/sdp"},
		"a body that may be ignored":            {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Content-Type: text/plain", "Content-Disposition: x;handling=optional", "body hi"}},
		"a coded body":                          {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Content-Type: application/sdp", "Content-Encoding: gzip", v0}, code: 415, header: "Accept-Encoding: identity"},
		"sdp01":                                 {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Accept: text/nobodyKnowsThis"}, code: 406},
		"an Accept with a description":          {first: "INVITE sip:c@d SIP/2.0", lines: []string{"Accept: text/plain, application/sdp;q=0.5"}},
		"intmeth":                               {first: "!interesting-Method0123456789_*+`.%indeed'~ sip:c@d SIP/2.0", code: 501},
		"MESSAGE":                               {first: "MESSAGE sip:c@d SIP/2.0", code: 405},
		"PUBLISH":                               {first: "PUBLISH sip:c@d SIP/2.0", code: 489, header: "Allow-Events: dialog, message-summary, refer"},
		"a body of another type outside a call": {first: "OPTIONS sip:c@d SIP/2.0", lines: []string{"Content-Type: text/plain", "body hi"}},
	} {
		t.Run(name, func(t *testing.T) {
			raw := testRequest(c.first, c.lines...)
			req := parse(t, raw)
			bad := screen(req)
			if bad == nil {
				bad = validate(req)
			}
			code := 0
			if bad != nil {
				code = bad.code
			}
			if code != c.code {
				t.Fatalf("%d, want %d", code, c.code)
			}
			if bad == nil {
				return
			}
			if req.Via() == nil {
				return // nowhere to answer to
			}
			res := bad.response(req).String()
			if !strings.Contains(res, c.header) || !strings.HasPrefix(res, "SIP/2.0 ") {
				t.Errorf("%s", res)
			}
		})
	}
}

func TestNormalise(t *testing.T) {
	raw := "REFER sip:c@d SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1;BRANCH = z9hG4bKa;RPort\r\nf: <sip:a@b> ; TAG = 5\r\nt: \"x\" <sip:c@d>;Tag=6\r\ni: 1\r\n" +
		"CSeq: 0009\r\n  REFER\r\nm: <sip:a@h>;Expires=5\r\nr: <sip:700@d>\r\nB: <sip:e@f>\r\nk: timer\r\nSupported: REPLACES\r\no: refer\r\nx: 90\r\ns: subject\r\nu: dialog\r\nl: 0\r\n\r\n"
	req := parse(t, raw)
	if tag, _ := req.From().Params.Get("tag"); tag != "5" {
		t.Errorf("From %v", req.From())
	}
	if tag, _ := req.To().Params.Get("tag"); tag != "6" {
		t.Errorf("To %v", req.To())
	}
	if b, _ := req.Via().Params.Get("branch"); b != "z9hG4bKa" || !req.Via().Params.Has("rport") {
		t.Errorf("Via %v", req.Via())
	}
	if e, _ := req.Contact().Params.Get("expires"); e != "5" {
		t.Errorf("Contact %v", req.Contact())
	}
	if req.CSeq().SeqNo != 9 || req.CSeq().MethodName != "REFER" {
		t.Errorf("CSeq %v", req.CSeq())
	}
	m := &req.MessageData
	for name, want := range map[string]string{"Refer-To": "<sip:700@d>", "Referred-By": "<sip:e@f>", "Event": "refer", "Session-Expires": "90", "Subject": "subject", "Allow-Events": "dialog"} {
		if header(m, name) != want {
			t.Errorf("%s: %q", name, header(m, name))
		}
	}
	if got := strings.Join(tokens(m, "supported"), " "); got != "timer replaces" {
		t.Errorf("Supported %q", got)
	}
	if screen(req) != nil || validate(req) != nil {
		t.Error("refused")
	}
}

func TestOldPeersHaveKeys(t *testing.T) {
	a := parse(t, testRequest("INVITE sip:c@d SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.1", "From: <sip:a@b>"))
	b := parse(t, testRequest("INVITE sip:c@d SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.1", "From: <sip:a@b>", "Call-ID: other"))
	if serverKey(a, sip.INVITE) == serverKey(b, sip.INVITE) {
		t.Error("two calls are one")
	}
	if serverKey(a, sip.INVITE) != serverKey(a, sip.ACK) {
		t.Error("an ACK finds no INVITE")
	}
}

func TestCauseAndStatus(t *testing.T) {
	for cause, st := range statuses {
		if st.code < 400 || st.code > 699 || phrases[st.code] == "" {
			t.Errorf("%s: %+v", cause, st)
		}
	}
	if reasonHeader("normal", "x\r\nEvil: 1\"").Value() != `Q.850;cause=16;text="xEvil: 1"` {
		t.Error(reasonHeader("normal", "x\r\nEvil: 1\"").Value())
	}
}

func TestNumbers(t *testing.T) {
	for user, want := range map[string]string{"+34 600-000.001": "+34600000001", "(600) 1": "6001", "ann": "ann", "Anonymous": "", "": "", "*97": "*97"} {
		if got := numberOf(user); string(got) != want {
			t.Errorf("%q is %q", user, got)
		}
	}
	if escapeUser("7 0;x@y") != "7%200%3Bx%40y" {
		t.Error(escapeUser("7 0;x@y"))
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(testRequest("INVITE sip:c@d SIP/2.0", "Content-Type: application/sdp", "body v=0\r\n")))
	f.Add([]byte(testRequest("REGISTER sip:d SIP/2.0", "Authorization: Digest username=\"a\", nonce=\"b\", response=\"c\"", "Contact: *")))
	f.Fuzz(func(_ *testing.T, b []byte) {
		setUpLibrary()
		m, err := sip.ParseMessage(b)
		if err != nil {
			return
		}
		req, ok := m.(*sip.Request)
		if !ok {
			return
		}
		req.SetSource("127.0.0.1:5060")
		req.SetTransport("UDP")
		normalise(&req.MessageData)
		if bad := screen(req); bad != nil {
			if req.Via() != nil {
				_ = bad.response(req).String()
			}
			return
		}
		_ = serverKey(req, req.Method)
		if bad := validate(req); bad != nil {
			_ = bad.response(req).String()
			return
		}
		_, _ = credentials(&req.MessageData)
		_ = caller(req, routing.Trunk{})
		var d Dialog
		d.asUAS(req, "t", Flow{Transport: "udp", Remote: "127.0.0.1:5060"})
		_ = d.request(sip.BYE, &listener{Interface: Interface{Transport: "udp"}, addr: "127.0.0.1:1", host: "h", port: 1}, 0).String()
	})
}

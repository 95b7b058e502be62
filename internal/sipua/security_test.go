package sipua_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/internal/sipua/sdp"
	"github.com/callyard/callyard/routing"
)

// savp is an offer of SDES with a key that a test recognises.
func savp(key byte, lines ...string) string {
	return strings.Replace(offer(lines...), "RTP/AVP", "RTP/SAVP", 1) +
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{key}, 30)) + "\r\n"
}

// web is a browser's offer, shortened.
func web(ufrag string, lines ...string) string {
	return "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 126\r\nc=IN IP4 0.0.0.0\r\n" +
		"a=ice-ufrag:" + ufrag + "\r\na=ice-pwd:thepasswordofthebrowser\r\na=fingerprint:sha-256 11:22\r\na=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\n" +
		"a=rtpmap:126 telephone-event/8000\r\n" + strings.Join(append(lines, ""), "\r\n")
}

// attribute is an a= line of a description.
func attribute(t *testing.T, body, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^a=` + name + `:(.*)\r$`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no %s in\n%s", name, body)
	}
	return m[1]
}

// encrypting is a hub whose trunk and whose rep1 have a policy.
func encrypting(t *testing.T, policy string, host string) *hub {
	t.Helper()
	return start(t, func(c *sipua.Config) {
		rep := account("rep1", "pw1")
		rep.SRTP = policy
		c.Accounts = accounts{"rep1": rep, "rep2": account("rep2", "pw2")}
		c.Trunks = func() []routing.Trunk {
			return []routing.Trunk{{Name: "carrier", Sources: []string{"127.0.0.0/8"}, SRTP: policy, Host: host}}
		}
		c.Fingerprint = sdp.Fingerprint{Hash: "sha-256", Value: "AA:BB"}
	})
}

func TestProtectionOfInboundCalls(t *testing.T) {
	for name, c := range map[string]struct {
		policy, offer string
		code          int
		answer        string
		means         sdp.Means
	}{
		"off: SRTP is refused":             {"off", savp('t'), 488, "", sdp.Clear},
		"off: a plain offer":               {"off", offer(), 200, "RTP/AVP", sdp.Clear},
		"optional: SRTP is taken":          {"optional", savp('t'), 200, "RTP/SAVP", sdp.SDES},
		"optional: a plain offer":          {"optional", offer(), 200, "RTP/AVP", sdp.Clear},
		"required: SRTP":                   {"required", savp('t'), 200, "RTP/SAVP", sdp.SDES},
		"required: a plain offer":          {"required", offer(), 488, "", sdp.Clear},
		"required: a late offer from us":   {"required", "", 200, "RTP/SAVP", sdp.SDES},
		"optional: keys by DTLS and ICE":   {"optional", web("bRoW"), 200, "UDP/TLS/RTP/SAVPF", sdp.DTLS},
		"optional: a late offer from us":   {"optional", "", 200, "RTP/AVP", sdp.Clear}, // the signalling is for anybody to read
		"off: keys by DTLS are refused":    {"off", web("bRoW"), 488, "", sdp.Clear},
		"required: opportunistic is taken": {"required", strings.Replace(savp('t'), "SAVP", "AVP", 1), 200, "RTP/AVP", sdp.SDES},
	} {
		t.Run(name, func(t *testing.T) {
			h := encrypting(t, c.policy, "")
			p := udpPeer(t, h.udp)
			k := p.talk("+34600000001", "700")
			k.do("INVITE", c.offer)
			if c.code != 200 {
				k.ackFailure(p.status("INVITE", c.code))
				return
			}
			leg, _ := h.incoming()
			leg.leg.Answer(callctl.Party{})
			res := p.status("INVITE", 200)
			if !strings.Contains(res.body(), " "+c.answer+" ") {
				t.Errorf("answered\n%s", res.body())
			}
			k.up(res)
			switch {
			case c.offer != "":
				k.ack("")
			case c.means == sdp.SDES:
				k.ack(savp('t'))
			default:
				k.ack(offer())
			}
			event[callctl.LegAnswered](leg)
			st := <-h.ports.last().streams
			if got := st.Protect; (got == nil) != (c.means == sdp.Clear) || got != nil && got.Means != c.means {
				t.Errorf("the engine was told %+v", got)
			}
		})
	}
	t.Run("an account that requires SRTP", func(t *testing.T) {
		h := encrypting(t, "required", "")
		p := udpPeer(t, h.udp)
		for body, code := range map[string]int{offer(): 488, savp('t'): 200} {
			k := p.talk("rep1", "700")
			k.do("INVITE", body)
			res := p.status("INVITE", 401)
			k.ackFailure(res)
			k.do("INVITE", body, authorization(res, "INVITE", k.target, "rep1", "pw1", "SHA-256", 1))
			if code == 200 {
				leg, _ := h.incoming()
				leg.leg.Answer(callctl.Party{})
			}
			if res = p.status("INVITE", code); code != 200 {
				k.ackFailure(res)
			}
		}
	})
}

// A dialog may be stored, and read by others than the peer.
func TestStoredDialogsHaveNoKeys(t *testing.T) {
	for name, body := range map[string]string{"SDES": savp('t'), "ICE": web("bRoW")} {
		t.Run(name, func(t *testing.T) {
			h := encrypting(t, "optional", "")
			p := udpPeer(t, h.udp)
			k := p.talk("+34600000001", "700")
			k.do("INVITE", body)
			leg, _ := h.incoming()
			leg.leg.Answer(callctl.Party{})
			res := p.status("INVITE", 200)
			k.up(res)
			k.ack("")
			event[callctl.LegAnswered](leg)
			d, ok := leg.leg.(*sipua.Leg).Dialog()
			text, err := json.Marshal(sipua.Dialog{SDP: res.body()})
			if !ok || err != nil || !strings.Contains(res.body(), "inline:") && !strings.Contains(res.body(), "a=ice-pwd:") {
				t.Fatalf("%v, %v:\n%s", ok, err, res.body())
			}
			for _, kept := range []string{d.SDP, string(text)} {
				if !strings.Contains(kept, "m=audio") || strings.Contains(kept, "inline:") || strings.Contains(kept, "ice-pwd") {
					t.Errorf("kept is\n%s", kept)
				}
			}
			// The keys themselves are still there for whoever repeats the offer.
			k.do("INVITE", body)
			if again := p.status("INVITE", 200).body(); !strings.Contains(again, "inline:") && !strings.Contains(again, "a=ice-pwd:") {
				t.Errorf("answered\n%s", again)
			}
			k.ack("")
		})
	}
}

func TestKeysOfADialog(t *testing.T) {
	h := encrypting(t, "optional", "")
	begin := func(t *testing.T, first string) (p *peer, again func(body string) string) {
		p = udpPeer(t, h.udp)
		k := p.talk("+34600000001", "700")
		k.do("INVITE", first)
		leg, _ := h.incoming()
		leg.leg.Answer(callctl.Party{})
		res := p.status("INVITE", 200)
		k.up(res)
		k.ack("")
		event[callctl.LegAnswered](leg)
		sent := res.body()
		return p, func(body string) string {
			if body == first {
				return sent
			}
			k.do("INVITE", body)
			res := p.status("INVITE", 200)
			if body != "" {
				k.ack("")
			} else {
				k.ack(savp('l'))
			}
			return res.body()
		}
	}
	t.Run("SDES", func(t *testing.T) {
		_, again := begin(t, savp('t'))
		ours := attribute(t, again(savp('t')), "crypto")
		if held := again(savp('t', "a=sendonly")); attribute(t, held, "crypto") != ours || !strings.Contains(held, "a=recvonly") {
			t.Errorf("their key is the same, ours is not:\n%s", held)
		}
		renewed := attribute(t, again(savp('n')), "crypto")
		if renewed == ours {
			t.Error("their key is new, ours is not")
		}
		late := again("")
		if !strings.Contains(late, "RTP/SAVP") || attribute(t, late, "crypto") == renewed {
			t.Errorf("our own offer has no key of its own:\n%s", late)
		}
	})
	t.Run("ICE", func(t *testing.T) {
		_, again := begin(t, web("bRoW"))
		ours := attribute(t, again(web("bRoW")), "ice-ufrag")
		if held := again(web("bRoW", "a=sendonly")); attribute(t, held, "ice-ufrag") != ours || !strings.Contains(held, "a=recvonly") {
			t.Errorf("not a restart:\n%s", held)
		}
		restarted := again(web("once"))
		if attribute(t, restarted, "ice-ufrag") == ours {
			t.Error("a restart with the old credentials")
		}
		if got := attribute(t, restarted, "setup"); got != "active" {
			t.Errorf("the role changed to %s", got)
		}
	})
	t.Run("keys that cannot be made end the call", func(t *testing.T) {
		p, _ := begin(t, web("bRoW"))
		h.ports.last().broken()
		bye := p.request("BYE")
		p.reply(bye, 200, "", "")
	})
}

func TestProtectionOfOutboundCalls(t *testing.T) {
	dial := func(t *testing.T, policy string) (*hub, *peer, msg, *party) {
		t.Helper()
		phone := udpPeer(t, "127.0.0.1:9")
		h := encrypting(t, policy, phone.addr)
		phone.hub = udpPeer(t, h.udp).hub
		legs, err := h.Dial(callctl.Target{Trunk: "carrier", Number: "+34911"}, callctl.Invitation{})
		if err != nil {
			t.Fatal(err)
		}
		return h, phone, phone.request("INVITE"), h.watch(legs[0])
	}
	t.Run("required: SRTP is all that is offered", func(t *testing.T) {
		h, phone, inv, leg := dial(t, "required")
		if !strings.Contains(inv.body(), "RTP/SAVP") || strings.Contains(inv.body(), "RTP/AVP") {
			t.Errorf("offered\n%s", inv.body())
		}
		phone.reply(inv, 200, "b1", savp('t'))
		phone.request("ACK")
		event[callctl.LegAnswered](leg)
		if st := <-h.ports.last().streams; st.Protect == nil || st.Protect.Receive.Key[0] != 't' {
			t.Errorf("the engine was told %+v", st.Protect)
		}
	})
	t.Run("required: a plain answer ends the call", func(t *testing.T) {
		_, phone, inv, leg := dial(t, "required")
		phone.reply(inv, 200, "b1", offer())
		phone.request("ACK")
		phone.reply(phone.request("BYE"), 200, "", "")
		if e := event[callctl.LegEnded](leg); e.Cause != call.NotAcceptable {
			t.Errorf("%+v", e)
		}
	})
	t.Run("optional: no keys over signalling that anybody can read", func(t *testing.T) {
		_, _, inv, _ := dial(t, "optional")
		if !strings.Contains(inv.body(), "RTP/AVP") || strings.Contains(inv.body(), "crypto") {
			t.Errorf("offered\n%s", inv.body())
		}
	})
	t.Run("a browser is offered what browsers have, whatever the policy", func(t *testing.T) {
		h := encrypting(t, "off", "")
		p := webPeer(t, h.front())
		p.register("rep1", "pw1", "300")
		leg := h.dial(callctl.Target{Agent: "rep1"}, callctl.Invitation{})[0]
		inv := p.request("INVITE")
		for _, want := range []string{"UDP/TLS/RTP/SAVPF 0 8", "a=setup:actpass", "a=fingerprint:sha-256 AA:BB", "a=ice-lite", "a=rtcp-mux", "a=candidate:"} {
			if !strings.Contains(inv.body(), want) {
				t.Errorf("offer lacks %q:\n%s", want, inv.body())
			}
		}
		p.reply(inv, 200, "b1", strings.Replace(web("bRoW"), "actpass", "active", 1))
		p.request("ACK")
		event[callctl.LegAnswered](leg)
		st := <-h.ports.last().streams
		if got := st.Protect; got == nil || got.Means != sdp.DTLS || got.Active || got.Remote.Ufrag != "bRoW" || got.Local.Ufrag != attribute(t, inv.body(), "ice-ufrag") || !st.Mux {
			t.Errorf("the engine was told %+v", got)
		}
		// It holds: the offer says actpass again, and roles stay as they are.
		k := p.called(inv, "b1")
		k.do("INVITE", web("bRoW", "a=sendonly"))
		res := p.status("INVITE", 200)
		k.ack("")
		if got := res.body(); attribute(t, got, "setup") != "passive" || !strings.Contains(got, "a=recvonly") || attribute(t, got, "ice-ufrag") != attribute(t, inv.body(), "ice-ufrag") {
			t.Errorf("answered\n%s", got)
		}
		event[callctl.LegHeld](leg)
	})
}

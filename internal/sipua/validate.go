package sipua

import (
	"bytes"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// refusal is why a request is not served.
type refusal struct {
	code    int
	reason  string // "" is the code's own phrase
	headers []sip.Header
}

func refuse(code int, reason string, headers ...sip.Header) *refusal {
	return &refusal{code: code, reason: reason, headers: headers}
}

func (r *refusal) response(req *sip.Request) *sip.Response {
	res := newResponse(req, r.code, r.reason, newTag())
	for _, h := range r.headers {
		res.AppendHeader(h)
	}
	return res
}

// allowed are the methods we serve.
var allowed = []sip.RequestMethod{sip.INVITE, sip.ACK, sip.CANCEL, sip.BYE, sip.OPTIONS, sip.INFO, sip.UPDATE, sip.REFER, sip.REGISTER, sip.SUBSCRIBE, sip.PRACK}

// recognised are those we know of and refuse by 405; others are 501.
var recognised = []sip.RequestMethod{sip.NOTIFY, sip.MESSAGE, sip.PUBLISH}

// supported are the option tags we claim. Claiming one means to keep it.
var supported = []string{"norefersub", "timer", "100rel", "replaces"}

func allowHeader() sip.Header {
	names := make([]string, len(allowed))
	for i, m := range allowed {
		names[i] = string(m)
	}
	return sip.NewHeader("Allow", strings.Join(names, ", "))
}

func supportedHeader() sip.Header { return sip.NewHeader("Supported", strings.Join(supported, ", ")) }

// supportedWithin is what we claim in a request within a dialog: a re-INVITE of
// ours is answered at once, so nobody need be sure of a provisional response.
func supportedWithin() sip.Header {
	within := slices.DeleteFunc(slices.Clone(supported), func(s string) bool { return s == "100rel" })
	return sip.NewHeader("Supported", strings.Join(within, ", "))
}

// screen checks what must hold before a request can be given to a transaction.
// The request may be anything that parsed.
func screen(req *sip.Request) *refusal {
	if req.Via() == nil || req.From() == nil || req.To() == nil || req.CallID() == nil || req.CSeq() == nil {
		return refuse(400, "Missing Mandatory Header")
	}
	if !strings.EqualFold(string(req.CSeq().MethodName), string(req.Method)) {
		return refuse(400, "CSeq Method Mismatch")
	}
	if !strings.EqualFold(req.SipVersion, "SIP/2.0") {
		return refuse(505, "")
	}
	return nil
}

// validate checks a new request against RFC 3261 §8.2 and the cases of RFC 4475.
// ACK and CANCEL never get here.
func validate(req *sip.Request) *refusal {
	for _, name := range []string{"from", "to", "call-id", "cseq", "max-forwards", "content-length", "content-type"} {
		if n := len(req.GetHeaders(name)); n > 1 {
			return refuse(400, "Repeated "+name)
		}
	}
	switch req.Recipient.Scheme {
	case "sip", "sips":
		if req.Recipient.Host == "" || len(req.Recipient.Headers) > 0 {
			return refuse(400, "Bad Request-URI") // RFC 3261 §19.1.1: no headers in a Request-URI
		}
	case "tel":
		if req.Method != sip.INVITE {
			return refuse(416, "")
		}
	default:
		return refuse(416, "")
	}
	if !slices.Contains(allowed, req.Method) {
		switch {
		case req.Method == sip.PUBLISH:
			return refuse(489, "", allowEvents(), allowHeader())
		case slices.Contains(recognised, req.Method):
			return refuse(405, "", allowHeader())
		}
		return refuse(501, "", allowHeader())
	}
	if mf := req.MaxForwards(); mf != nil && mf.Val() == 0 && req.Method != sip.OPTIONS && req.Method != sip.REGISTER && req.Method != sip.BYE {
		// We pass calls on, so a loop must end here; what ends at us may have 0.
		return refuse(483, "")
	}
	var unknown []string
	for _, t := range tokens(&req.MessageData, "require") {
		if !slices.Contains(supported, t) && (t != "path" || req.Method != sip.REGISTER) { // RFC 3327 is the registrar's
			unknown = append(unknown, t)
		}
	}
	if len(unknown) > 0 {
		return refuse(420, "", sip.NewHeader("Unsupported", strings.Join(unknown, ", ")))
	}
	return content(req)
}

// content checks the body's type where we would have to read it.
func content(req *sip.Request) *refusal {
	if req.Method != sip.INVITE && req.Method != sip.UPDATE {
		return nil
	}
	accept := sip.NewHeader("Accept", "application/sdp")
	if e := strings.ToLower(header(&req.MessageData, "Content-Encoding")); e != "" && e != "identity" {
		return refuse(415, "", accept, sip.NewHeader("Accept-Encoding", "identity"))
	}
	if len(req.Body()) > 0 && sdpOf(&req.MessageData) == nil && !strings.Contains(strings.ToLower(header(&req.MessageData, "Content-Disposition")), "handling=optional") {
		return refuse(415, "", accept)
	}
	if as := tokens(&req.MessageData, "accept"); len(as) > 0 && req.Method == sip.INVITE {
		for _, a := range as {
			a, _, _ = strings.Cut(a, ";")
			if a = strings.TrimSpace(a); a == "application/sdp" || a == "application/*" || a == "*/*" {
				return nil
			}
		}
		return refuse(406, "")
	}
	return nil
}

// sdpOf finds the session description in a message: the body, or a part of a
// multipart body (RFC 5621). nil if there is none.
func sdpOf(m *sip.MessageData) []byte {
	body := m.Body()
	if len(body) == 0 {
		return nil
	}
	t := mediaType(m)
	switch {
	case t == "application/sdp", t == "" && bytes.HasPrefix(body, []byte("v=0")):
		return body
	case strings.HasPrefix(t, "multipart/"):
		i := bytes.Index(bytes.ToLower(body), []byte("application/sdp"))
		if i < 0 {
			return nil
		}
		_, part, ok := bytes.Cut(body[i:], []byte("\r\n\r\n"))
		if !ok {
			return nil
		}
		if j := bytes.Index(part, []byte("\r\n--")); j >= 0 {
			part = part[:j]
		}
		return part
	}
	return nil
}

package sipua

import (
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// newTag is 64 random bits from a good source: a tag names a dialog, and who
// knows it can end the call.
func newTag() string { return randomHex(8) }

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

// phrases are those statuses that are not worth a table of their own elsewhere.
var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized",
	403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 410: "Gone",
	415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 422: "Session Interval Too Small",
	423: "Interval Too Brief", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops",
	486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
	500: "Server Internal Error", 501: "Not Implemented", 503: "Service Unavailable", 505: "Version Not Supported", 603: "Decline",
}

// newResponse answers a request: to where it came from, whatever its Via says
// (RFC 3581 without being asked), with our tag.
func newResponse(req *sip.Request, code int, reason, tag string) *sip.Response {
	if reason == "" {
		reason = phrases[code]
	}
	old := req.To()
	if old != nil && code > 100 && !old.Params.Has("tag") {
		// A copy, so that every response and every repetition has the same tag.
		to := *old
		to.Params = append(sip.HeaderParams{{K: "tag", V: tag}}, old.Params...)
		res := sip.NewResponseFromRequest(req, code, reason, nil)
		res.ReplaceHeader(&to)
		res.SipVersion = "SIP/2.0"
		return res
	}
	res := sip.NewResponseFromRequest(req, code, reason, nil)
	res.SipVersion = "SIP/2.0"
	return res
}

// userOf is the user part of a URI as dialled: unescaped, without password; for
// tel: the number.
func userOf(u *sip.Uri) string {
	user := u.User
	if u.Scheme == "tel" {
		user = u.Raw()
	}
	user, _, _ = strings.Cut(user, ";") // RFC 3261 §19.1.6: parameters of a telephone number
	if s, err := url.PathUnescape(user); err == nil {
		user = s
	}
	return legible(user)
}

// numberOf is the number a user part stands for, empty for a withheld one.
func numberOf(user string) call.Number {
	switch strings.ToLower(user) {
	case "anonymous", "unknown", "restricted", "unavailable":
		return ""
	}
	if strings.HasPrefix(user, "+") || (user != "" && strings.Trim(user, "0123456789*#.-() ") == "") {
		user = strings.Map(func(r rune) rune {
			if strings.ContainsRune(".-() ", r) {
				return -1
			}
			return r
		}, user)
	}
	return call.Number(user)
}

// escapeUser makes text a user part (RFC 3261 §25.1).
func escapeUser(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.!~*'()&=+$,;?/#", c) >= 0 && c != ';' && c != '?' && c != '#' {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
	}
	return b.String()
}

// nameAddr writes a party as a name-addr at a host: `"Ana" <sip:+34…@host>`.
func nameAddr(p callctl.Party, host string) string {
	user := string(p.Number)
	if user == "" {
		user = p.Agent
	}
	if user == "" {
		user = "anonymous"
	}
	addr := "<sip:" + escapeUser(user) + "@" + host + ">"
	if n := plain(p.Name); n != "" {
		return `"` + n + `" ` + addr
	}
	return addr
}

// uriOf is the URI inside a name-addr or addr-spec; ok is false for nonsense.
func uriOf(text string) (u sip.Uri, name string, ok bool) {
	name, err := sip.ParseAddressValue(strings.TrimSpace(text), &u, nil)
	return u, name, err == nil
}

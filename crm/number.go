package crm

import (
	"strings"
	"unicode"

	// The one library a domain imports: what makes a number complete differs by
	// country and changes monthly, and every provider must agree on it, or the
	// same caller would be known to one and a stranger to the next.
	"github.com/nyaruka/phonenumbers"

	"github.com/callyard/callyard/internal/call"
)

// anonymous lists what callers who withhold their number arrive as. 266696687
// spells ANONYMOUS on a keypad: carriers send it, and it parses as Lesotho.
var anonymous = map[string]bool{
	"anonymous": true, "restricted": true, "unavailable": true, "unknown": true,
	"private": true, "withheld": true, "+266696687": true, "266696687": true,
}

// Normalize turns a caller's number or a number written in a CRM into E.164.
// region ("ES") is the country a number without prefix is read in: the dialled
// number's for callers, the record's for CRM text. It is false for callers who
// withhold their number, short codes, extensions and local numbers: those are
// never looked up. An extension after the number ("x12") is dropped.
func Normalize(s, region string) (call.Number, bool) {
	s = bare(s)
	if s == "" || anonymous[strings.ToLower(s)] {
		return "", false
	}
	if d, cut := strings.CutPrefix(s, "00"); cut && d != "" && d[0] != '0' {
		// 00 is the international prefix of most countries, also when written down in one where it is not.
		if n, err := phonenumbers.Parse("+"+d, ""); err == nil && phonenumbers.IsValidNumber(n) {
			s = "+" + d
		}
	}
	n, err := phonenumbers.Parse(s, region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return foreign(s)
	}
	if phonenumbers.IsPossibleNumberWithReason(n) == phonenumbers.IS_POSSIBLE_LOCAL_ONLY {
		return "", false
	}
	return call.Number(phonenumbers.Format(n, phonenumbers.E164)), true
}

// Split separates the numbers written into one field: "020 7946 0958 / 0959".
func Split(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("/,;|\n", r) })
}

// bare takes off what is around the number: bidi marks pasted from address
// books, the scheme and host of a URI (RFC 3261 §19.1.1, RFC 3966 §3).
func bare(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.TrimSpace(s))
	for _, scheme := range []string{"sip:", "sips:"} {
		if len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			s = s[len(scheme):]
			if i := strings.IndexAny(s, "@;?"); i >= 0 {
				s = s[:i]
			}
		}
	}
	if len(s) >= 4 && strings.EqualFold(s[:4], "tel:") {
		s = s[4:]
	}
	return s
}

// foreign reads digits that begin with another country's code but lack the
// plus sign: 442079460958 in the United States.
func foreign(s string) (call.Number, bool) {
	d := strings.TrimLeft(s, "+")
	if len(d) < 10 || strings.Trim(d, "0123456789") != "" {
		return "", false
	}
	n, err := phonenumbers.Parse("+"+d, "")
	if err != nil || !phonenumbers.IsValidNumber(n) {
		return "", false
	}
	return call.Number(phonenumbers.Format(n, phonenumbers.E164)), true
}

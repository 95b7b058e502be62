package routing

import (
	"cmp"
	"slices"
	"strings"

	"github.com/callyard/callyard/internal/call"
)

// Outward are the trunks that can carry a call to a number, in the order in
// which they are to be tried: the lowest priority first, of those the one that
// is meant most exactly, then by name.
func Outward(trunks []Trunk, to call.Number) []Trunk {
	type fit struct {
		Trunk
		length int
	}
	var fits []fit
	for _, t := range trunks {
		if n, ok := t.carries(to); ok {
			fits = append(fits, fit{t, n})
		}
	}
	slices.SortStableFunc(fits, func(a, b fit) int {
		return cmp.Or(a.Priority-b.Priority, b.length-a.length, strings.Compare(a.Name, b.Name))
	})
	out := make([]Trunk, len(fits))
	for i, f := range fits {
		out[i] = f.Trunk
	}
	return out
}

// carries says whether calls to a number may take the trunk, and by how long a
// beginning of it.
func (t Trunk) carries(to call.Number) (length int, ok bool) {
	if len(t.Gateways()) == 0 {
		return 0, false
	}
	if len(t.For) == 0 {
		return 0, true
	}
	length = -1
	for _, p := range t.For {
		if strings.HasPrefix(string(to), p) || strings.HasPrefix(t.whole(string(to)), p) {
			length = max(length, len(p))
		}
	}
	return length, length >= 0
}

// Write is a number as the carrier wants it dialled and shown. What cannot be
// told to be a whole number, such as 112, stays as it is.
func (t Trunk) Write(n call.Number) string {
	if t.NumberFormat == "" {
		return string(n)
	}
	whole := t.whole(string(n))
	rest, ok := strings.CutPrefix(whole, "+")
	if !ok {
		return whole
	}
	switch t.NumberFormat {
	case "plain":
		return rest
	case "national":
		if national, ours := strings.CutPrefix(rest, t.Country); ours {
			return t.NationalPrefix + national
		}
		return "00" + rest
	}
	return whole
}

// Read is a number as we write it, from how the carrier does.
func (t Trunk) Read(n call.Number) call.Number {
	s := string(n)
	switch t.NumberFormat {
	case "plain":
		if len(s) > shortNumber && s[0] != '0' && s[0] != '+' && onlyDigits(s) {
			return call.Number("+" + s)
		}
		return call.Number(t.whole(s))
	case "e164", "national":
		return call.Number(t.whole(s))
	}
	return n
}

// shortNumber is how long numbers are at most that mean something within a
// country or a company only.
const shortNumber = 6

// whole is a number with + and country code, or as it is if that cannot be told.
func (t Trunk) whole(s string) string {
	switch {
	case strings.HasPrefix(s, "+"), !onlyDigits(s), len(s) <= shortNumber:
		return s
	case strings.HasPrefix(s, "00"):
		return "+" + s[2:]
	case t.Country == "":
		return s
	case t.NationalPrefix != "":
		if rest, ok := strings.CutPrefix(s, t.NationalPrefix); ok {
			return "+" + t.Country + rest
		}
		return s
	}
	return "+" + t.Country + s
}

func onlyDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

package routing

import "unicode/utf8"

// A decision is kept in the ledger for as long as the call is, so that it is
// bounded whatever a document or a CRM brings.
const (
	maxRejected = 20
	maxInputs   = 20
	maxSaid     = 300 // bytes of a reason or of a value
)

// brief is the beginning of a text.
func brief(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// bounded are inputs of which none is large, and not too many.
func bounded(inputs map[string]any) map[string]any {
	fits := len(inputs) <= maxInputs
	for _, v := range inputs {
		fits = fits && small(v)
	}
	if fits {
		return inputs
	}
	out := make(map[string]any, maxInputs)
	for _, name := range keys(inputs) {
		if len(out) == maxInputs {
			break
		}
		switch v := inputs[name].(type) {
		case string:
			out[name] = brief(v, maxSaid)
		default:
			if small(v) {
				out[name] = v
			} else {
				out[name] = "(a record)"
			}
		}
	}
	return out
}

func small(v any) bool {
	switch v := v.(type) {
	case string:
		return len(v) <= maxSaid
	case []string:
		return len(v) <= maxInputs
	case []any:
		for _, x := range v {
			if !small(x) {
				return false
			}
		}
		return len(v) <= maxInputs
	case map[string]any:
		return false
	}
	return true
}

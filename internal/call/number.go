package call

import (
	"log/slog"
	"strings"
)

// Number is a telephone number as routed on: E.164 with its plus sign
// ("+34600000001"), an internal extension ("201"), or empty for a caller who
// withholds it.
type Number string

// LogValue keeps all but the last three digits out of the logs.
func (n Number) LogValue() slog.Value { return slog.StringValue(n.Masked()) }

// Masked shows only the last three characters: "…001".
func (n Number) Masked() string {
	if len(n) <= 3 {
		return strings.Repeat("•", len(n))
	}
	return "…" + string(n[len(n)-3:])
}

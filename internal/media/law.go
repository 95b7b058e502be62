package media

import "strings"

// law is a codec that we make and read sound in.
type law uint8

const (
	lawNone law = iota // passed through, never made
	lawMu
	lawA
)

func lawOf(codec string) law {
	switch strings.ToUpper(codec) {
	case "PCMU":
		return lawMu
	case "PCMA":
		return lawA
	}
	return lawNone
}

// sameCodec reports whether what a sends can go to b as it is.
func sameCodec(a, b *remote) bool {
	if a.law != lawNone || b.law != lawNone {
		return a.law == b.law
	}
	return strings.EqualFold(a.codec.Name, b.codec.Name) && a.codec.Clock == b.codec.Clock
}

package media

import (
	"slices"
	"strings"

	"github.com/pion/opus"

	"github.com/callyard/callyard/internal/media/g711"
	"github.com/callyard/callyard/internal/media/g722"
)

// coding is a codec that sound can be read in, and but for Opus made in.
type coding uint8

const (
	codeNone coding = iota // passed through, neither made nor read
	codeUlaw
	codeAlaw
	codeG722
	codeOpus // read, not made: there is no encoder in Go
)

func codingOf(codec string) coding {
	switch strings.ToUpper(codec) {
	case "PCMU":
		return codeUlaw
	case "PCMA":
		return codeAlaw
	case "G722":
		return codeG722
	case "OPUS":
		return codeOpus
	}
	return codeNone
}

// Codecs are those that are both made and read, by their names in SDP: a leg that
// has one of them hears music and prompts, can be recorded, and can be joined with
// any other. They are what is worth offering.
func Codecs() []string { return []string{"PCMU", "PCMA", "G722"} }

// made reports whether music can be sent in a coding.
func (c coding) made() bool { return c == codeUlaw || c == codeAlaw || c == codeG722 }

// sampled is the samples per second that a coding carries, and that of its encoder.
func (c coding) sampled() int {
	if c == codeG722 {
		return g722.Rate
	}
	return rate
}

// sameCodec reports whether what a sends can go to b as it is.
func sameCodec(a, b *remote) bool {
	if a.code != codeNone || b.code != codeNone {
		return a.code == b.code
	}
	return strings.EqualFold(a.codec.Name, b.codec.Name) && a.codec.Clock == b.codec.Clock
}

// mostSamples is a packet of 120 ms, the longest there is of Opus, at 16 kHz.
const mostSamples = 120 * g722.Rate / 1000

// decoder reads one stream at a rate of 8 or 16 kHz. G.722 and Opus remember what
// was before: packets have to come in order.
type decoder struct {
	code   coding
	rate   int
	g722   *g722.Decoder
	opus   *opus.Decoder
	native []int16
	up     *doubler
	down   *halver
}

// newDecoder is one for a coding that is not codeNone.
func newDecoder(code coding, hz int) *decoder {
	d := &decoder{code: code, rate: hz}
	switch code {
	case codeG722:
		d.g722 = g722.NewDecoder()
	case codeOpus: // its decoder resamples
		o, err := opus.NewDecoderWithOutput(hz, 1)
		if err != nil {
			panic(err) // of 8 and 16 kHz there is none
		}
		d.opus = &o
	case codeNone, codeUlaw, codeAlaw:
	}
	if code != codeOpus && code.sampled() != hz {
		d.native = make([]int16, 0, mostSamples)
		if hz == g722.Rate {
			d.up = &doubler{}
		} else {
			d.down = &halver{}
		}
	}
	return d
}

// decode appends a packet's samples. What cannot be decoded adds none.
func (d *decoder) decode(pcm []int16, payload []byte) []int16 {
	switch {
	case d.opus != nil:
		return d.decodeOpus(pcm, payload)
	case d.native == nil:
		return d.plain(pcm, payload)
	}
	d.native = d.plain(d.native[:0], payload)
	if d.up != nil {
		return d.up.double(pcm, d.native)
	}
	return d.down.halve(pcm, d.native)
}

// plain is at the coding's own rate.
func (d *decoder) plain(pcm []int16, payload []byte) []int16 {
	switch d.code {
	case codeUlaw:
		for _, v := range payload {
			pcm = append(pcm, g711.DecodeUlaw(v))
		}
	case codeAlaw:
		for _, v := range payload {
			pcm = append(pcm, g711.DecodeAlaw(v))
		}
	case codeG722:
		pcm = d.g722.Decode(pcm, payload)
	case codeNone, codeOpus:
	}
	return pcm
}

// decodeOpus survives what the decoder does not: the packet is anybody's.
func (d *decoder) decodeOpus(pcm []int16, payload []byte) (out []int16) {
	out = pcm
	defer func() {
		if recover() != nil {
			_ = d.opus.Init(d.rate, 1)
		}
	}()
	most := 120 * d.rate / 1000
	pcm = slices.Grow(pcm, most)
	n, err := d.opus.DecodeToInt16(payload, pcm[len(pcm):len(pcm)+most])
	if err != nil {
		return out
	}
	return pcm[:len(pcm)+n]
}

// encoder makes one stream.
type encoder struct {
	code coding
	g722 *g722.Encoder
}

func newEncoder(code coding) *encoder {
	e := &encoder{code: code}
	if code == codeG722 {
		e.g722 = g722.NewEncoder()
	}
	return e
}

// encode appends samples, which are at the coding's rate.
func (e *encoder) encode(b []byte, pcm []int16) []byte {
	switch e.code {
	case codeUlaw:
		for _, v := range pcm {
			b = append(b, g711.EncodeUlaw(v))
		}
	case codeAlaw:
		for _, v := range pcm {
			b = append(b, g711.EncodeAlaw(v))
		}
	case codeG722:
		b = e.g722.Encode(b, pcm)
	case codeNone, codeOpus:
	}
	return b
}

// encodeAll is a whole sound in a coding, from its rate.
func encodeAll(code coding, pcm []int16) []byte {
	return newEncoder(code).encode(make([]byte, 0, len(pcm)), pcm)
}

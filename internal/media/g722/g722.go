// Package g722 is the wideband codec of desk phones: 16 kHz speech in 64 kbit/s
// (ITU-T G.722, mode 1).
//
// Each byte carries two samples. A filter splits them into a lower and an upper
// band, each coded by an adaptive difference: six bits for the lower, two for the
// upper. In RTP its clock is 8000 although it samples at 16000, by an error that
// RFC 3551 §4.5.2 made the rule.
package g722

// Rate is the samples per second of what is encoded and decoded.
const Rate = 16000

// qmf is half of the 24 coefficients of the filter that splits and joins the bands.
var qmf = [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}

// Encoder turns samples into bytes. It remembers what it encoded: one per stream.
type Encoder struct {
	line         [24]int32 // of the filter
	lower, upper band
}

// NewEncoder is one that has heard nothing yet.
func NewEncoder() *Encoder {
	return &Encoder{lower: band{scale: lowerRest}, upper: band{scale: upperRest}}
}

// Encode appends a byte for every two samples. An odd last sample is left out.
func (e *Encoder) Encode(dst []byte, pcm []int16) []byte {
	for ; len(pcm) > 1; pcm = pcm[2:] {
		copy(e.line[:], e.line[2:])
		e.line[22], e.line[23] = int32(pcm[0]), int32(pcm[1])
		var odd, even int32
		for i, c := range qmf {
			odd += e.line[2*i] * c
			even += e.line[2*i+1] * qmf[11-i]
		}
		low, high := e.lower.encodeLower((even+odd)>>14), e.upper.encodeUpper((even-odd)>>14)
		dst = append(dst, high<<6|low)
	}
	return dst
}

// Decoder turns bytes into samples. It remembers what it decoded: one per stream.
type Decoder struct {
	line         [24]int32
	lower, upper band
}

// NewDecoder is one that has heard nothing yet.
func NewDecoder() *Decoder {
	return &Decoder{lower: band{scale: lowerRest}, upper: band{scale: upperRest}}
}

// Decode appends two samples for every byte.
func (d *Decoder) Decode(dst []int16, b []byte) []int16 {
	for _, v := range b {
		low, high := d.lower.decodeLower(v&0x3f), d.upper.decodeUpper(v>>6)
		copy(d.line[:], d.line[2:])
		d.line[22], d.line[23] = low+high, low-high
		var odd, even int32
		for i, c := range qmf {
			even += d.line[2*i] * c
			odd += d.line[2*i+1] * qmf[11-i]
		}
		dst = append(dst, int16(saturated(odd>>11)), int16(saturated(even>>11)))
	}
	return dst
}

func saturated(v int32) int32 { return max(-32768, min(32767, v)) }

// Package g711 turns 16-bit samples into µ-law and A-law bytes and back
// (ITU-T G.711), by table.
package g711

// UlawSilence and AlawSilence are the bytes that decode to quiet.
const (
	UlawSilence = 0xff
	AlawSilence = 0xd5
)

// All tables are filled once, before any use, by package initialisation of
// variables: 132 KB that every call shares.
var (
	ulawToLinear = decodeTable(decodeUlaw)
	alawToLinear = decodeTable(decodeAlaw)
	linearToUlaw = encodeTable(encodeUlaw)
	linearToAlaw = encodeTable(encodeAlaw)
	ulawToAlaw   = crossTable(decodeUlaw, encodeAlaw)
	alawToUlaw   = crossTable(decodeAlaw, encodeUlaw)
)

// EncodeUlaw is the µ-law byte of one sample.
func EncodeUlaw(s int16) byte { return linearToUlaw[uint16(s)] }

// EncodeAlaw is the A-law byte of one sample.
func EncodeAlaw(s int16) byte { return linearToAlaw[uint16(s)] }

// DecodeUlaw is the sample of one µ-law byte.
func DecodeUlaw(b byte) int16 { return ulawToLinear[b] }

// DecodeAlaw is the sample of one A-law byte.
func DecodeAlaw(b byte) int16 { return alawToLinear[b] }

// UlawToAlaw rewrites µ-law as A-law, in place.
func UlawToAlaw(b []byte) {
	for i, v := range b {
		b[i] = ulawToAlaw[v]
	}
}

// AlawToUlaw rewrites A-law as µ-law, in place.
func AlawToUlaw(b []byte) {
	for i, v := range b {
		b[i] = alawToUlaw[v]
	}
}

// Ulaw encodes samples as µ-law.
func Ulaw(pcm []int16) []byte {
	out := make([]byte, len(pcm))
	for i, s := range pcm {
		out[i] = EncodeUlaw(s)
	}
	return out
}

// Alaw encodes samples as A-law.
func Alaw(pcm []int16) []byte {
	out := make([]byte, len(pcm))
	for i, s := range pcm {
		out[i] = EncodeAlaw(s)
	}
	return out
}

// FromUlaw decodes µ-law.
func FromUlaw(b []byte) []int16 {
	out := make([]int16, len(b))
	for i, v := range b {
		out[i] = ulawToLinear[v]
	}
	return out
}

// FromAlaw decodes A-law.
func FromAlaw(b []byte) []int16 {
	out := make([]int16, len(b))
	for i, v := range b {
		out[i] = alawToLinear[v]
	}
	return out
}

func decodeTable(f func(byte) int16) *[256]int16 {
	var t [256]int16
	for i := range t {
		t[i] = f(byte(i))
	}
	return &t
}

func encodeTable(f func(int16) byte) *[1 << 16]byte {
	var t [1 << 16]byte
	for i := range t {
		t[i] = f(int16(uint16(i)))
	}
	return &t
}

func crossTable(dec func(byte) int16, enc func(int16) byte) *[256]byte {
	var t [256]byte
	for i := range t {
		t[i] = enc(dec(byte(i)))
	}
	return &t
}

// encodeUlaw follows G.711 table 2: 14 bits, bias 33 (here times 4), 8 segments, all bits inverted.
func encodeUlaw(s int16) byte {
	const bias, clip = 0x84, 32635
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, clip) + bias
	exp := 7
	for mask := 0x4000; v&mask == 0 && exp > 0; mask >>= 1 {
		exp--
	}
	return ^(sign | byte(exp)<<4 | byte(v>>(exp+3))&0x0f)
}

func decodeUlaw(b byte) int16 {
	b = ^b
	v := (int(b&0x0f)<<3+0x84)<<(b>>4&7) - 0x84
	if b&0x80 != 0 {
		v = -v
	}
	return int16(v)
}

// encodeAlaw follows G.711 table 1: 13 bits, 8 segments, even bits inverted.
func encodeAlaw(s int16) byte {
	v, mask := int(s)>>3, byte(0xd5)
	if v < 0 {
		v, mask = -v-1, 0x55
	}
	exp := 0
	for x := v >> 5; x > 0 && exp < 7; x >>= 1 {
		exp++
	}
	mant := v >> 1
	if exp > 0 {
		mant = v >> exp
	}
	return (byte(exp)<<4 | byte(mant)&0x0f) ^ mask
}

func decodeAlaw(b byte) int16 {
	b ^= 0x55
	v := int(b&0x0f)<<4 + 8
	if exp := b >> 4 & 7; exp > 0 {
		v = (v + 0x100) << (exp - 1)
	}
	if b&0x80 == 0 {
		v = -v
	}
	return int16(v)
}

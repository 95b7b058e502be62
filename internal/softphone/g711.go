package softphone

// codec is one of the two G.711 laws: what it is called and how it sounds.
type codec struct {
	name    string
	payload byte // RFC 3551 §6
	decode  *[256]int16
	encode  func(int16) byte
	silence byte
}

var (
	pcmu = codec{name: "PCMU", payload: 0, decode: lawTable(fromMuLaw), encode: toMuLaw, silence: 0xFF}
	pcma = codec{name: "PCMA", payload: 8, decode: lawTable(fromALaw), encode: toALaw, silence: 0xD5}
)

func codecNamed(name string) (codec, bool) {
	switch name {
	case pcmu.name:
		return pcmu, true
	case pcma.name:
		return pcma, true
	}
	return codec{}, false
}

func lawTable(from func(byte) int16) *[256]int16 {
	var t [256]int16
	for i := range t {
		t[i] = from(byte(i))
	}
	return &t
}

// G.711 table 2: sign, three bits of exponent, four of mantissa, all inverted.
func toMuLaw(s int16) byte {
	const bias, clip = 0x84, 32635
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, clip) + bias
	exponent := byte(7)
	for mask := 0x4000; exponent > 0 && v&mask == 0; mask >>= 1 {
		exponent--
	}
	mantissa := byte(v>>(exponent+3)) & 0x0F
	return ^(sign | exponent<<4 | mantissa)
}

func fromMuLaw(b byte) int16 {
	b = ^b
	v := ((int(b&0x0F) << 3) + 0x84) << (b >> 4 & 7)
	v -= 0x84
	if b&0x80 != 0 {
		v = -v
	}
	return int16(v)
}

// G.711 table 1: as above with even bits inverted and a linear first segment.
func toALaw(s int16) byte {
	v, sign := int(s)>>3, byte(0x80)
	if v < 0 {
		v, sign = -v-1, 0
	}
	exponent, top := byte(0), 0x1F
	for v > top && exponent < 7 {
		exponent++
		top = top<<1 | 1
	}
	v = min(v, top)
	mantissa := byte(v>>max(exponent, 1)) & 0x0F
	return (sign | exponent<<4 | mantissa) ^ 0x55
}

func fromALaw(b byte) int16 {
	b ^= 0x55
	v, exponent := int(b&0x0F)<<4+8, b>>4&7
	if exponent > 0 {
		v = (v + 0x100) << (exponent - 1)
	}
	if b&0x80 == 0 {
		v = -v
	}
	return int16(v)
}

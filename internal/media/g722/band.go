package g722

// band is one of the two: a predictor of two poles and six zeros and the scale of
// its quantiser. Encoder and decoder step it by the same bits, so that both
// predict the same. Names in the comments are the recommendation's.
type band struct {
	predicted     int32    // s: of the next sample
	zeros         int32    // sz: the part of the zeros in it
	r             [2]int32 // the last two reconstructed samples, the newer first
	p             [2]int32 // the last two partial reconstructions
	poles         [2]int32 // a1, a2
	d             [6]int32 // the last six differences
	b             [6]int32 // the zeros' coefficients
	factor, scale int32    // nb, and delta that it stands for
}

// The scales with which both sides begin.
const (
	lowerRest = 32
	upperRest = 8
)

// Decision levels of the lower band, and the codes between them for either sign.
var (
	levels   = [30]int32{0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919}
	negative = [31]byte{0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4}
	positive = [31]byte{0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32}
)

// What a code stands for, in units of the scale: of all six bits, of the four
// that the predictor of the lower band goes by, and of the two of the upper.
var (
	sixBits = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	fourBits = [16]int32{0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0}
	twoBits  = [4]int32{-7408, -1616, 7408, 1616}
)

// How a code moves the logarithm of the scale, and what that stands for.
var (
	lowerStep = [16]int32{-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60}
	upperStep = [4]int32{798, -214, 798, -214}
	exponents = [32]int32{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	}
)

func (b *band) encodeLower(sample int32) byte {
	diff := saturated(sample - b.predicted)
	size := diff
	if diff < 0 {
		size = ^diff
	}
	i := 1
	for i < 30 && size >= levels[i]*b.scale>>12 {
		i++
	}
	code := positive[i]
	if diff < 0 {
		code = negative[i]
	}
	b.lower(code)
	return code
}

func (b *band) decodeLower(code byte) int32 {
	sample := max(-16384, min(16383, b.predicted+b.scale*sixBits[code]>>15))
	b.lower(code)
	return sample
}

// lower steps the lower band by a code.
func (b *band) lower(code byte) {
	diff := b.scale * fourBits[code>>2] >> 15
	b.rescale(lowerStep[code>>2], 18432, 8)
	b.adapt(diff)
}

func (b *band) encodeUpper(sample int32) byte {
	diff := saturated(sample - b.predicted)
	size, code := diff, byte(3)
	if diff < 0 {
		size, code = ^diff, 1
	}
	if size >= 564*b.scale>>12 {
		code--
	}
	b.upper(code)
	return code
}

func (b *band) decodeUpper(code byte) int32 {
	sample := max(-16384, min(16383, b.predicted+b.scale*twoBits[code]>>15))
	b.upper(code)
	return sample
}

// upper steps the upper band by a code.
func (b *band) upper(code byte) {
	diff := b.scale * twoBits[code] >> 15
	b.rescale(upperStep[code], 22528, 10)
	b.adapt(diff)
}

// rescale moves the scale of the quantiser (LOGSCL and SCALEL, LOGSCH and SCALEH).
func (b *band) rescale(step, most, shift int32) {
	b.factor = max(0, min(most, b.factor*127>>7+step))
	i, down := b.factor>>6&31, shift-b.factor>>11
	if down < 0 {
		b.scale = exponents[i] << -down << 2
	} else {
		b.scale = exponents[i] >> down << 2
	}
}

// adapt moves the predictor on by a difference (block 4: RECONS to PREDIC).
func (b *band) adapt(diff int32) {
	r, p := saturated(b.predicted+diff), saturated(b.zeros+diff)

	// The poles follow the signs of the partial reconstructions (UPPOL2, UPPOL1).
	first := saturated(b.poles[0] << 2)
	same := p>>31 == b.p[0]>>31
	if same {
		first = min(32767, -first)
	}
	second := int32(-128)
	if p>>31 == b.p[1]>>31 {
		second = 128
	}
	second = max(-12288, min(12288, second+first>>7+b.poles[1]*32512>>15))
	first = -192
	if same {
		first = 192
	}
	limit := saturated(15360 - second)
	first = max(-limit, min(limit, saturated(first+b.poles[0]*32640>>15)))
	b.poles = [2]int32{first, second}

	// The zeros follow the signs of the differences (UPZERO).
	step := int32(128)
	if diff == 0 {
		step = 0
	}
	sign, newer := diff>>31, diff
	zeros := int32(0)
	for i := range b.b {
		move := -step
		if b.d[i]>>31 == sign {
			move = step
		}
		b.b[i] = saturated(move + b.b[i]*32640>>15)
		b.d[i], newer = newer, b.d[i]
		zeros += b.b[i] * saturated(b.d[i]<<1) >> 15
	}
	b.zeros = saturated(zeros)

	b.r, b.p = [2]int32{r, b.r[0]}, [2]int32{p, b.p[0]}
	poles := first*saturated(b.r[0]<<1)>>15 + second*saturated(b.r[1]<<1)>>15
	b.predicted = saturated(saturated(poles) + b.zeros)
}

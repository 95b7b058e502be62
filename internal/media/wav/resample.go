package wav

import "math"

// Resample gives pcm at another rate, through a windowed-sinc low-pass at just
// under the lower of the two Nyquist rates, so that music does not alias.
func Resample(pcm []int16, from, to int) []int16 {
	if from == to || len(pcm) == 0 {
		return pcm
	}
	const lobes = 12
	ratio := float64(from) / float64(to)
	cutoff := 0.95 * min(1, 1/ratio) // of the source's Nyquist rate
	reach := int(math.Ceil(lobes / cutoff))
	out := make([]int16, int(int64(len(pcm))*int64(to)/int64(from)))
	for i := range out {
		centre := float64(i) * ratio
		first := int(centre) - reach + 1
		var sum, weight float64
		for j := first; j < first+2*reach; j++ {
			x := centre - float64(j)
			w := sinc(x*cutoff) * (0.5 + 0.5*math.Cos(math.Pi*x/float64(reach+1)))
			weight += w
			if j >= 0 && j < len(pcm) {
				sum += w * float64(pcm[j])
			}
		}
		out[i] = int16(math.Round(max(-32768, min(32767, sum/weight))))
	}
	return out
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

package wav

import "math"

// Resample gives pcm at another rate, through a windowed-sinc low-pass at just
// under the lower of the two Nyquist rates, so that music does not alias.
func Resample(pcm []int16, from, to int) []int16 {
	if from == to || len(pcm) == 0 {
		return pcm
	}
	// The output falls between the same few places of the input over and over: each
	// has its coefficients made once.
	shared := divisor(from, to)
	up, down := to/shared, from/shared
	phases := make([][]float32, up)
	out := make([]int16, int(int64(len(pcm))*int64(to)/int64(from)))
	reach := reachOf(from, to)
	for i := range out {
		at := i * down
		centre, phase := at/up, at%up
		if phases[phase] == nil {
			phases[phase] = coefficients(from, to, float64(phase)/float64(up))
		}
		first := centre - reach + 1
		var sum float32
		for j, c := range phases[phase] {
			if k := first + j; k >= 0 && k < len(pcm) {
				sum += c * float32(pcm[k])
			}
		}
		out[i] = int16(math.Round(float64(max(-32768, min(32767, sum)))))
	}
	return out
}

const lobes = 16

func cutoff(from, to int) float64 { return 0.95 * min(1, float64(to)/float64(from)) } // of the source's Nyquist rate

// reachOf is how many samples on either side of a new one it is made of.
func reachOf(from, to int) int { return int(math.Ceil(lobes / cutoff(from, to))) }

// coefficients are those for a place that far after a sample, from reach-1
// samples before to reach after.
func coefficients(from, to int, after float64) []float32 {
	reach, cut := reachOf(from, to), cutoff(from, to)
	w, weight := make([]float64, 2*reach), 0.0
	for j := range w {
		x := after - float64(j-reach+1)
		w[j] = sinc(x*cut) * (0.5 + 0.5*math.Cos(math.Pi*x/float64(reach+1)))
		weight += w[j]
	}
	out := make([]float32, len(w))
	for j, v := range w {
		out[j] = float32(v / weight)
	}
	return out
}

func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

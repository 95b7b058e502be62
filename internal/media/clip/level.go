package clip

import "math"

const (
	// speech is the level that clips are brought to, as dB below full scale of the
	// parts that are not pauses. ITU-T P.56 measures telephone speech so and finds
	// it near -26; recorded prompts are commonly a little louder.
	speech = -23.0
	// ceiling is what no sample goes beyond: codecs and echo cancellers do badly
	// near full scale.
	ceiling = -3.0
	// quiet is what counts as a pause whatever else is in the file.
	quiet = -55.0
	// below is how far under the average a block is a pause, too.
	below = 15.0
	// block is 50 ms.
	block = Rate / 20
)

// level brings a clip to the common loudness, in place; false when there is
// nothing to be heard. Loud peaks keep it softer: they are not clipped.
func level(pcm []int16) bool {
	loud := loudness(pcm)
	if math.IsInf(loud, -1) {
		return false
	}
	peak := 0.0
	for _, s := range pcm {
		peak = max(peak, math.Abs(float64(s)))
	}
	gain := math.Pow(10, (speech-loud)/20)
	gain = min(gain, 32768*math.Pow(10, ceiling/20)/peak)
	for i, s := range pcm {
		pcm[i] = int16(math.Round(float64(s) * gain))
	}
	return true
}

// loudness is the mean power of the blocks that are no pauses, in dB of full
// scale; minus infinity when all are.
func loudness(pcm []int16) float64 {
	var blocks []float64
	for at := 0; at < len(pcm); at += block {
		var sum float64
		b := pcm[at:min(at+block, len(pcm))]
		for _, s := range b {
			sum += float64(s) * float64(s)
		}
		if p := sum / float64(len(b)) / (32768 * 32768); decibel(p) > quiet {
			blocks = append(blocks, p)
		}
	}
	gate := decibel(mean(blocks)) - below
	kept := blocks[:0]
	for _, p := range blocks {
		if decibel(p) > gate {
			kept = append(kept, p)
		}
	}
	return decibel(mean(kept))
}

func decibel(power float64) float64 { return 10 * math.Log10(power) }

func mean(powers []float64) float64 {
	if len(powers) == 0 {
		return 0
	}
	var sum float64
	for _, p := range powers {
		sum += p
	}
	return sum / float64(len(powers))
}

// Command gen computes the sounds of package assets. What it computes is the
// same on every run; what espeak-ng speaks is the same for the same espeak-ng.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
)

const rate = 8000

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen <folder>")
		os.Exit(2)
	}
	if err := write(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, dir string) error {
	for name, pcm := range map[string][]int16{
		"default": music(),
		// 880 whole periods: it loops without a click.
		"tone440":  tone.Generate(440, 2*time.Second, rate),
		"beep":     faded(tone.Generate(1000, 400*time.Millisecond, rate)),
		"ringback": cadence(2*time.Second, 4*time.Second, 440, 480),
		"busy":     cadence(500*time.Millisecond, 500*time.Millisecond, 480, 620),
	} {
		if err := save(dir, name, pcm); err != nil {
			return err
		}
	}
	if _, err := exec.LookPath("espeak-ng"); err != nil {
		fmt.Fprintln(os.Stderr, "gen: no espeak-ng, the spoken sounds stay as they are")
		return nil //nolint:nilerr // the sounds that are there will do
	}
	spoken := map[string]string{
		"parked-at": "Parked at", "leave-message": "Please leave a message after the tone.",
		"goodbye": "Goodbye.", "invalid": "That number is not valid.", "recorded": "This call is recorded.", "unavailable": "Nobody can take your call right now.",
	}
	for i, word := range [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"} {
		spoken[fmt.Sprint("digits/", i)] = word
	}
	for name, text := range spoken {
		pcm, err := speak(ctx, text)
		if err != nil {
			return fmt.Errorf("speak %q: %w", text, err)
		}
		if err := save(dir, name, pcm); err != nil {
			return err
		}
	}
	return nil
}

func save(dir, name string, pcm []int16) error {
	path := filepath.Join(dir, filepath.FromSlash(name)+".wav")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, wav.Ulaw(pcm, rate), 0o644)
}

// speak has espeak-ng say text, and trims the silence around it.
func speak(ctx context.Context, text string) ([]int16, error) {
	b, err := exec.CommandContext(ctx, "espeak-ng", "-v", "en-us+f3", "-s", "150", "-p", "45", "--stdout", text).Output()
	if err != nil {
		return nil, err
	}
	a, err := wav.Parse(b)
	if err != nil {
		return nil, err
	}
	pcm := trim(wav.Resample(a.PCM, a.Rate, rate))
	if len(pcm) == 0 {
		return nil, errors.New("nothing was said")
	}
	return level(pcm, -20), nil
}

// trim cuts the quiet at both ends, and leaves 40 ms of it for the ear.
func trim(pcm []int16) []int16 {
	const quiet, margin = 250, rate / 25
	from, to := 0, len(pcm)
	for from < to && pcm[from] < quiet && pcm[from] > -quiet {
		from++
	}
	for to > from && pcm[to-1] < quiet && pcm[to-1] > -quiet {
		to--
	}
	return faded(pcm[max(0, from-margin):min(len(pcm), to+margin)])
}

// faded ramps the first and last 5 ms, so that nothing clicks.
func faded(pcm []int16) []int16 {
	const ramp = rate / 200
	for i := range min(ramp, len(pcm)/2) {
		pcm[i] = int16(int(pcm[i]) * i / ramp)
		pcm[len(pcm)-1-i] = int16(int(pcm[len(pcm)-1-i]) * i / ramp)
	}
	return pcm
}

// cadence is a tone of two frequencies, then a pause.
func cadence(on, off time.Duration, a, b float64) []int16 {
	pcm := tone.Generate(a, on, rate)
	for i, v := range tone.Generate(b, on, rate) {
		pcm[i] = (pcm[i] + v) / 2
	}
	return append(faded(pcm), make([]int16, int(off.Seconds()*rate))...)
}

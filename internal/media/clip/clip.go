// Package clip makes what people upload fit to be heard on a telephone: WAV or
// MP3 becomes one channel at 16 kHz, at the loudness of all other prompts.
package clip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hajimehoshi/go-mp3"

	"github.com/callyard/callyard/internal/media/wav"
)

// Rate is what clips are kept at: enough for wideband phones (G.722).
const Rate = 16000

// longest is half an hour, as long as music on hold need be.
const longest = 30 * 60

var (
	// ErrFormat is a file that is neither WAV nor MP3.
	ErrFormat = errors.New("neither a WAV file (PCM, A-law, µ-law) nor an MP3 file")
	// ErrTooLong is a sound of more than half an hour.
	ErrTooLong = errors.New("longer than 30 minutes")
	// ErrSilent is a file in which nothing is heard.
	ErrSilent = errors.New("nothing is heard in it")
)

// Read decodes a WAV or MP3 file, whichever it is, and levels it. What is
// returned is 16-bit samples of one channel at Rate.
func Read(file []byte) ([]int16, error) {
	a, err := decode(file)
	if err != nil {
		return nil, err
	}
	if len(a.PCM) > longest*a.Rate {
		return nil, ErrTooLong
	}
	pcm := wav.Resample(a.PCM, a.Rate, Rate)
	if !level(pcm) {
		return nil, ErrSilent
	}
	return pcm, nil
}

func decode(file []byte) (wav.Audio, error) {
	switch {
	case bytes.HasPrefix(file, []byte("RIFF")):
		a, err := wav.Parse(file)
		if errors.Is(err, wav.ErrFormat) {
			return a, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return a, err
	case bytes.HasPrefix(file, []byte("ID3")), len(file) > 2 && file[0] == 0xff && file[1]&0xe0 == 0xe0:
		return decodeMP3(file)
	}
	return wav.Audio{}, ErrFormat
}

// decodeMP3 reads MPEG layer III. What follows a broken frame is lost; a file
// without one good frame is none.
func decodeMP3(file []byte) (a wav.Audio, err error) {
	defer func() {
		if r := recover(); r != nil { // the decoder is not proof against every file
			err = fmt.Errorf("%w: broken MP3 data", ErrFormat)
		}
	}()
	d, err := mp3.NewDecoder(bytes.NewReader(file))
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	a.Rate = d.SampleRate()
	raw, err := io.ReadAll(io.LimitReader(d, 4*int64(longest+1)*int64(a.Rate)))
	if len(raw) < 4 {
		return a, fmt.Errorf("%w: no sound in it: %w", ErrFormat, err)
	}
	a.PCM = make([]int16, len(raw)/4) // always two channels of 16 bits
	for i := range a.PCM {
		left, right := int16(binary.LittleEndian.Uint16(raw[4*i:])), int16(binary.LittleEndian.Uint16(raw[4*i+2:]))
		a.PCM[i] = int16((int(left) + int(right)) / 2)
	}
	return a, nil
}

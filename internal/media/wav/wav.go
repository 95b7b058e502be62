// Package wav reads RIFF WAVE files of speech and writes those of 16-bit samples
// or µ-law bytes.
package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/callyard/callyard/internal/media/g711"
)

// The WAVE format tags that are understood (RFC 2361).
const (
	formatPCM        = 1
	formatFloat      = 3
	formatAlaw       = 6
	formatUlaw       = 7
	formatExtensible = 0xfffe
)

// ErrFormat is a file that is no WAVE file, or one of a kind that is not read.
var ErrFormat = errors.New("not a WAV file of PCM, 32-bit float, A-law or µ-law")

// Audio is a decoded file: one channel, the average of those there were.
type Audio struct {
	Rate int
	PCM  []int16
}

// Parse decodes a whole file. A data chunk that is longer than the file, as a
// recording that was cut off has it, is read as far as it goes.
func Parse(b []byte) (Audio, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return Audio{}, ErrFormat
	}
	var format, channels, bits, rate int
	for at := 12; at+8 <= len(b); {
		id, size := string(b[at:at+4]), int(binary.LittleEndian.Uint32(b[at+4:]))
		at += 8
		chunk := b[at:min(at+size, len(b))]
		switch id {
		case "fmt ":
			if len(chunk) < 16 {
				return Audio{}, fmt.Errorf("format chunk of %d bytes: %w", len(chunk), ErrFormat)
			}
			format = int(binary.LittleEndian.Uint16(chunk))
			channels = int(binary.LittleEndian.Uint16(chunk[2:]))
			rate = int(binary.LittleEndian.Uint32(chunk[4:]))
			bits = int(binary.LittleEndian.Uint16(chunk[14:]))
			if format == formatExtensible && len(chunk) >= 26 {
				format = int(binary.LittleEndian.Uint16(chunk[24:]))
			}
		case "data":
			if channels < 1 || channels > 8 || rate < 4000 || rate > 192000 {
				return Audio{}, fmt.Errorf("%d channels at %d Hz: %w", channels, rate, ErrFormat)
			}
			pcm, err := decode(chunk, format, bits)
			if err != nil {
				return Audio{}, err
			}
			return Audio{Rate: rate, PCM: mono(pcm, channels)}, nil
		}
		at += size + size&1 // chunks are padded to even length
	}
	return Audio{}, fmt.Errorf("no data chunk: %w", ErrFormat)
}

func decode(b []byte, format, bits int) ([]int16, error) {
	switch {
	case format == formatUlaw && bits == 8:
		return g711.FromUlaw(b), nil
	case format == formatAlaw && bits == 8:
		return g711.FromAlaw(b), nil
	case format == formatPCM && bits == 16:
		out := make([]int16, len(b)/2)
		for i := range out {
			out[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
		}
		return out, nil
	case format == formatPCM && (bits == 24 || bits == 32): // as studios deliver; the low bits are noise on a telephone
		width := bits / 8
		out := make([]int16, len(b)/width)
		for i := range out {
			out[i] = int16(binary.LittleEndian.Uint16(b[(i+1)*width-2:]))
		}
		return out, nil
	case format == formatFloat && bits == 32:
		out := make([]int16, len(b)/4)
		for i := range out {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
			if v != v { // NaN
				v = 0
			}
			out[i] = int16(32767 * max(-1, min(1, v)))
		}
		return out, nil
	case format == formatPCM && bits == 8: // unsigned, by the format's definition
		out := make([]int16, len(b))
		for i, v := range b {
			out[i] = (int16(v) - 128) << 8
		}
		return out, nil
	}
	return nil, fmt.Errorf("format %d of %d bits: %w", format, bits, ErrFormat)
}

func mono(pcm []int16, channels int) []int16 {
	if channels == 1 {
		return pcm
	}
	out := make([]int16, len(pcm)/channels)
	for i := range out {
		sum := 0
		for _, v := range pcm[i*channels : (i+1)*channels] {
			sum += int(v)
		}
		out[i] = int16(sum / channels)
	}
	return out
}

// HeaderSize is the length of the header that Header writes.
const HeaderSize = 44

// Header is that of a file of 16-bit samples with so many bytes of data.
func Header(rate, channels int, dataBytes uint32) [HeaderSize]byte {
	return header(formatPCM, rate, channels, 2, dataBytes)
}

// Linear is a whole mono file of 16-bit samples.
func Linear(pcm []int16, rate int) []byte {
	h := Header(rate, 1, uint32(2*len(pcm)))
	out := make([]byte, 0, len(h)+2*len(pcm))
	out = append(out, h[:]...)
	for _, v := range pcm {
		out = binary.LittleEndian.AppendUint16(out, uint16(v))
	}
	return out
}

// Ulaw is a whole mono file of µ-law bytes: half the size for the same call.
func Ulaw(pcm []int16, rate int) []byte {
	h := header(formatUlaw, rate, 1, 1, uint32(len(pcm)))
	return append(h[:], g711.Ulaw(pcm)...)
}

func header(format uint16, rate, channels int, width uint16, dataBytes uint32) (h [HeaderSize]byte) {
	copy(h[:], "RIFF")
	binary.LittleEndian.PutUint32(h[4:], HeaderSize-8+dataBytes)
	copy(h[8:], "WAVEfmt ")
	binary.LittleEndian.PutUint32(h[16:], 16)
	binary.LittleEndian.PutUint16(h[20:], format)
	binary.LittleEndian.PutUint16(h[22:], uint16(channels))
	binary.LittleEndian.PutUint32(h[24:], uint32(rate))
	binary.LittleEndian.PutUint32(h[28:], uint32(rate)*uint32(channels)*uint32(width))
	binary.LittleEndian.PutUint16(h[32:], uint16(channels)*width)
	binary.LittleEndian.PutUint16(h[34:], 8*width)
	copy(h[36:], "data")
	binary.LittleEndian.PutUint32(h[40:], dataBytes)
	return h
}

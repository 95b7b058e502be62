// Package assets is the sound that ships with the binary: hold music, spoken
// digits and phrases, and the signals of a telephone network, as 8 kHz µ-law.
package assets

import "embed"

//go:generate go run ./gen .

// Files holds one WAV file per sound: "default.wav", "digits/7.wav".
//
//go:embed *.wav digits/*.wav
var Files embed.FS

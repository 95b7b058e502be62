package g722

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"testing"
)

// noise is a sequence that is the same everywhere.
func noise(seed uint32) func() uint32 {
	return func() uint32 {
		seed = seed*1664525 + 1013904223
		return seed
	}
}

// speech rises and falls, has both bands in it, and clips now and then. It is made
// of integers, so that every machine makes the same.
func speech(n int) []int16 {
	out := make([]int16, n)
	next := noise(1)
	for i := range out {
		hiss, loud := int(int32(next())>>16), i/40%256
		v := ((i*137)%4096-2048)*loud/40 + ((i*1511)%2048-1024)*loud/80 + hiss/32
		if i%8000 > 7900 {
			v = hiss * 2
		}
		out[i] = int16(max(-32768, min(32767, v)))
	}
	return out
}

func sum(pcm []int16) uint32 {
	var b []byte
	for _, v := range pcm {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return crc32.ChecksumIEEE(b)
}

// The sums are of another implementation, which phones and browsers understood.
func TestBitsAreThoseOfOthers(t *testing.T) {
	b := NewEncoder().Encode(nil, speech(32000))
	if got := fmt.Sprintf("% x", b[4000:4008]); got != "b1 8c 45 4b 20 0b e4 6c" {
		t.Errorf("bytes %s", got)
	}
	if got := crc32.ChecksumIEEE(b); got != 0xc2be483d {
		t.Errorf("encoded: %08x", got)
	}
	if got := sum(NewDecoder().Decode(nil, b)); got != 0x2d85860c {
		t.Errorf("decoded: %08x", got)
	}
	anything := make([]byte, 65536)
	next := noise(7)
	for i := range anything {
		anything[i] = byte(next() >> 24)
	}
	if got := sum(NewDecoder().Decode(nil, anything)); got != 0xd3c2eda3 {
		t.Errorf("decoded from anything: %08x", got)
	}
}

// through is how faithfully tones come through the codec, in dB, at its delay of
// 22 samples.
func through(hz ...float64) float64 {
	const delay = 22
	in := make([]int16, Rate)
	for i := range in {
		for _, f := range hz {
			in[i] += int16(8000 / float64(len(hz)) * math.Sin(2*math.Pi*f*float64(i)/Rate))
		}
	}
	out := NewDecoder().Decode(nil, NewEncoder().Encode(nil, in))
	var signal, wrong float64
	for i := 2000; i < len(out); i++ {
		want, got := float64(in[i-delay]), float64(out[i])
		signal += want * want
		wrong += (want - got) * (want - got)
	}
	return 10 * math.Log10(signal/wrong)
}

func TestSoundComesThrough(t *testing.T) {
	for _, c := range []struct {
		hz    []float64
		least float64
	}{
		{[]float64{440}, 30},
		{[]float64{1300}, 30},
		{[]float64{3000}, 25},
		{[]float64{5200}, 12}, // two bits
		{[]float64{440, 1300, 5200}, 20},
	} {
		if got := through(c.hz...); got < c.least {
			t.Errorf("%v Hz: %.1f dB", c.hz, got)
		}
	}
}

func TestSilenceIsSilent(t *testing.T) {
	for i, v := range NewDecoder().Decode(nil, NewEncoder().Encode(nil, make([]int16, 1600))) {
		if v > 8 || v < -8 {
			t.Fatalf("sample %d is %d", i, v)
		}
	}
}

func TestAFrameIsCodedWithoutAllocation(t *testing.T) {
	e, d := NewEncoder(), NewDecoder()
	pcm, b, out := speech(320), make([]byte, 0, 160), make([]int16, 0, 320)
	if n := testing.AllocsPerRun(100, func() {
		b = e.Encode(b[:0], pcm)
		out = d.Decode(out[:0], b)
	}); n != 0 || len(b) != 160 || len(out) != 320 {
		t.Errorf("%v allocations, %d bytes, %d samples", n, len(b), len(out))
	}
}

func BenchmarkEncode(b *testing.B) {
	e, pcm, out := NewEncoder(), speech(320), make([]byte, 0, 160)
	for b.Loop() {
		out = e.Encode(out[:0], pcm)
	}
}

func BenchmarkDecode(b *testing.B) {
	d, in, out := NewDecoder(), NewEncoder().Encode(nil, speech(320)), make([]int16, 0, 320)
	for b.Loop() {
		out = d.Decode(out[:0], in)
	}
}

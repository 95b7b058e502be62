package g711

import "testing"

func TestKnownValues(t *testing.T) {
	// ITU-T G.711 tables 1 and 2, as every implementation prints them.
	for _, c := range []struct {
		sample     int16
		ulaw, alaw byte
	}{
		{0, 0xff, 0xd5}, {32767, 0x80, 0xaa}, {-32768, 0x00, 0x2a}, {1000, 0xce, 0xfa}, {-1000, 0x4e, 0x7a},
	} {
		if got := EncodeUlaw(c.sample); got != c.ulaw {
			t.Errorf("µ-law of %d = %#x, want %#x", c.sample, got, c.ulaw)
		}
		if got := EncodeAlaw(c.sample); got != c.alaw {
			t.Errorf("A-law of %d = %#x, want %#x", c.sample, got, c.alaw)
		}
	}
}

func TestEveryByteSurvivesDecodingAndEncoding(t *testing.T) {
	for i := range 256 {
		b := byte(i)
		// µ-law has two zeros, 0x7f and 0xff, that decode to the same sample.
		if got := EncodeUlaw(DecodeUlaw(b)); got != b && b != 0x7f {
			t.Errorf("µ-law %#x became %#x", b, got)
		}
		if got := EncodeAlaw(DecodeAlaw(b)); got != b {
			t.Errorf("A-law %#x became %#x", b, got)
		}
	}
}

func TestErrorStaysSmall(t *testing.T) {
	for s := -32000; s <= 32000; s += 7 {
		allowed := max(64, abs(s)/16)
		if d := abs(int(DecodeUlaw(EncodeUlaw(int16(s)))) - s); d > allowed {
			t.Fatalf("µ-law: %d is off by %d", s, d)
		}
		if d := abs(int(DecodeAlaw(EncodeAlaw(int16(s)))) - s); d > allowed {
			t.Fatalf("A-law: %d is off by %d", s, d)
		}
		a := []byte{EncodeUlaw(int16(s))}
		UlawToAlaw(a)
		if d := abs(int(DecodeAlaw(a[0])) - s); d > 2*allowed {
			t.Fatalf("µ-law to A-law: %d is off by %d", s, d)
		}
		AlawToUlaw(a)
		if d := abs(int(DecodeUlaw(a[0])) - s); d > 3*allowed {
			t.Fatalf("and back: %d is off by %d", s, d)
		}
	}
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}

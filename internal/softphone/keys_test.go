package softphone

import (
	"encoding/binary"
	"net"
	"testing"
	"time"
)

func TestKeyOnTheWire(t *testing.T) {
	t.Parallel()
	sink, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer sink.Close()
	a, err := openAudio("127.0.0.1", []codec{pcmu})
	must(t, err)
	defer a.close()
	a.to, a.event = sink.LocalAddr().(*net.UDPAddr), 97
	a.keys.queue = []byte{11}
	a.start()
	for f := 1; a.keys.busy() && f < 50; f++ {
		a.tick(a.started.Add(time.Duration(f) * frame))
	}

	must(t, sink.SetReadDeadline(time.Now().Add(5*time.Second)))
	var stamp uint32
	var seq uint16
	buf := make([]byte, 2048)
	for i := range keyFrames + keyEnds + pauseFrames {
		n, err := sink.Read(buf)
		must(t, err)
		b := buf[:n]
		if next := binary.BigEndian.Uint16(b[2:]); i > 0 && next != seq+1 {
			t.Errorf("packet %d: sequence %d after %d", i, next, seq)
		}
		seq = binary.BigEndian.Uint16(b[2:])
		if i >= keyFrames+keyEnds {
			if b[1] != pcmu.payload {
				t.Errorf("packet %d of the pause: payload type %d", i, b[1])
			}
			continue
		}
		if i == 0 {
			stamp = binary.BigEndian.Uint32(b[4:])
		}
		first, last := i == 0, i >= keyFrames
		duration := uint16(min(i+1, keyFrames) * frameSize)
		if b[1]&0x7F != 97 || (b[1]&0x80 != 0) != first || binary.BigEndian.Uint32(b[4:]) != stamp {
			t.Errorf("packet %d: header %x", i, b[:12])
		}
		if b[12] != 11 || (b[13]&0x80 != 0) != last || binary.BigEndian.Uint16(b[14:]) != duration {
			t.Errorf("packet %d: event %x", i, b[12:])
		}
	}
}

package softphone

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// RFC 4733 §3.2: the events 0 to 15 in this order.
const keypad = "0123456789*#ABCD"

const (
	keyFrames   = 5 // 100 ms
	pauseFrames = 3 // 60 ms
	keyEnds     = 3 // RFC 4733 §2.5.1.4: the end is sent three times
)

// keys is the digits waiting to be sent.
type keys struct {
	queue []byte // events
	sent  int    // digits done since the beginning
	put   int    // digits queued since the beginning
	step  int    // frames of the first one sent so far
	stamp uint32
}

func (k *keys) busy() bool { return len(k.queue) > 0 }

// sendKey sends the next packet of the first digit, or of the pause after it.
func (a *audio) sendKey() {
	k := &a.keys
	k.step++
	if k.step > keyFrames {
		a.packet(a.codec.payload, a.stamp, false, silentFrame(a.codec))
		if k.step >= keyFrames+pauseFrames {
			k.queue, k.step = k.queue[1:], 0
			k.sent++
			a.bell.ring()
		}
		return
	}
	if k.step == 1 {
		k.stamp = a.stamp // the beginning of the digit, in all its packets
	}
	payload := []byte{k.queue[0], 10, 0, 0}
	binary.BigEndian.PutUint16(payload[2:], uint16(k.step*frameSize))
	a.packet(byte(a.event), k.stamp, k.step == 1, payload)
	if k.step == keyFrames {
		payload[1] |= 0x80
		for range keyEnds {
			a.packet(byte(a.event), k.stamp, false, payload)
		}
	}
}

func silentFrame(c codec) []byte {
	b := make([]byte, frameSize)
	for i := range b {
		b[i] = c.silence
	}
	return b
}

// ErrNoKeys: the other side did not negotiate telephone-event.
var ErrNoKeys = errors.New("softphone: no telephone-event negotiated")

// SendDigits presses keys ("1#") as RFC 4733 events of 100 ms each and returns
// when the last one is sent.
func (d *Dialog) SendDigits(ctx context.Context, digits string) error {
	a := d.audio
	a.mu.Lock()
	if a.event < 0 {
		a.mu.Unlock()
		return ErrNoKeys
	}
	for _, r := range strings.ToUpper(digits) {
		i := strings.IndexRune(keypad, r)
		if i < 0 {
			a.mu.Unlock()
			return fmt.Errorf("send digits: %q is not on the keypad", r)
		}
		a.keys.queue = append(a.keys.queue, byte(i))
		a.keys.put++
	}
	until := a.keys.put
	a.mu.Unlock()
	err := a.await(ctx, func() bool { return a.keys.sent >= until })
	if err != nil {
		return fmt.Errorf("send digits: %w", err)
	}
	return nil
}

// Digits is the keys the other side has pressed so far, each once.
func (d *Dialog) Digits() string {
	d.audio.mu.Lock()
	defer d.audio.mu.Unlock()
	return string(d.audio.heard.digits)
}

// WaitDigits waits until the other side has pressed these keys, as the last of
// all it has pressed.
func (d *Dialog) WaitDigits(ctx context.Context, digits string) error {
	a := d.audio
	err := a.await(ctx, func() bool { return strings.HasSuffix(string(a.heard.digits), digits) })
	if err != nil {
		return fmt.Errorf("wait for digits, got %q: %w", d.Digits(), err)
	}
	return nil
}

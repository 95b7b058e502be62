package media

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// quarantine is how long a released port stays closed: what a late peer still
// sends to the last call must not be heard in the next.
const quarantine = 5 * time.Second

// ErrNoPorts is returned by Open when every port of the range is in use, in
// quarantine or taken by another program.
var ErrNoPorts = errors.New("no free RTP port")

// portRange gives out even ports. The odd one above belongs to it (RFC 3550 §11).
type portRange struct {
	first, count int // even ports: first, first+2, …

	mu   sync.Mutex
	busy map[int]time.Time // zero while in use, else when it is free again
}

func newPortRange(lowest, highest int) (*portRange, error) {
	first := lowest + lowest&1
	count := (highest - first + 1) / 2
	if lowest < 1 || highest > 65535 || count < 1 {
		return nil, fmt.Errorf("RTP ports %d-%d: no even port with an odd one above it", lowest, highest)
	}
	return &portRange{first: first, count: count, busy: map[int]time.Time{}}, nil
}

// take finds a port that bind accepts, from a random one on, so that ports
// cannot be foretold.
func (r *portRange) take(now time.Time, bind func(number int) error) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	offset := rand.IntN(r.count)
	for i := range r.count {
		number := r.first + 2*((offset+i)%r.count)
		if until, busy := r.busy[number]; busy && (until.IsZero() || now.Before(until)) {
			continue
		}
		err := bind(number)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // another program's
		}
		if err != nil {
			return 0, fmt.Errorf("bind port %d: %w", number, err)
		}
		r.busy[number] = time.Time{}
		return number, nil
	}
	return 0, fmt.Errorf("%w in %d-%d", ErrNoPorts, r.first, r.first+2*r.count-1)
}

func (r *portRange) release(number int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy[number] = now.Add(quarantine)
}

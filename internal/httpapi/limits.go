package httpapi

import (
	"container/list"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits is how much one key, session or stranger may ask for. Zero is no limit.
type Limits struct {
	PerS      float64 // requests a second of a key or session
	Burst     int     // at once
	OpenPerS  float64 // of one source that shows neither, or a wrong one
	OpenBurst int
}

// buckets are token buckets by name. Beyond most names the one that was idle the
// longest is forgotten.
type buckets struct {
	perS  float64
	burst int
	most  int

	mu     sync.Mutex
	recent *list.List // of *bucket, the one used last at the front
	byName map[string]*list.Element
}

type bucket struct {
	name string
	*rate.Limiter
}

func newBuckets(perS float64, burst int) *buckets {
	return &buckets{perS: perS, burst: max(burst, 1), most: 10_000, recent: list.New(), byName: map[string]*list.Element{}}
}

// taken is what came of taking a token.
type taken struct {
	ok    bool
	limit int
	left  int
	wait  time.Duration // until there is another

	back func() // gives the token back; nil if none was taken
}

// take takes a token of a name. Without a limit there is always one.
func (b *buckets) take(name string, now time.Time) taken {
	if b == nil || b.perS <= 0 {
		return taken{ok: true}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.byName[name]
	if e == nil {
		if b.recent.Len() >= b.most {
			last := b.recent.Back()
			if gone, ok := b.recent.Remove(last).(*bucket); ok {
				delete(b.byName, gone.name)
			}
		}
		e = b.recent.PushFront(&bucket{name, rate.NewLimiter(rate.Limit(b.perS), b.burst)})
		b.byName[name] = e
	}
	b.recent.MoveToFront(e)
	it, _ := e.Value.(*bucket)
	t := taken{limit: b.burst}
	if r := it.ReserveN(now, 1); r.DelayFrom(now) > 0 {
		r.CancelAt(now)
	} else {
		t.ok, t.back = true, func() { r.CancelAt(now) }
	}
	left := it.TokensAt(now)
	t.left = max(0, int(left))
	if left < 1 {
		t.wait = time.Duration((1 - left) / b.perS * float64(time.Second))
	}
	return t
}

// tell writes how much is left (draft-ietf-httpapi-ratelimit-headers).
func (t taken) tell(h http.Header) {
	if t.limit == 0 {
		return
	}
	h.Set("RateLimit-Limit", strconv.Itoa(t.limit))
	h.Set("RateLimit-Remaining", strconv.Itoa(t.left))
	h.Set("RateLimit-Reset", strconv.Itoa(seconds(t.wait)))
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// tooMany is the refusal of a request for which there was no token.
func tooMany(t taken) *Problem {
	after := max(1, seconds(t.wait))
	return &Problem{
		Status: http.StatusTooManyRequests, Code: "rate_limited",
		Detail: fmt.Sprintf("too many requests; the next may come in %d s", after), headers: retryAfter(strconv.Itoa(after)),
	}
}

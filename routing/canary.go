package routing

import (
	"crypto/sha256"
	bits "encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Canary is a version that a part of a flow's callers are sent to, to see how it
// does before all are.
type Canary struct {
	Version int     `json:"version"`
	Percent float64 `json:"percent"` // of callers, 0 to MaxCanary
	Salt    string  `json:"salt"`    // sets this canary's callers apart from those of others
}

// MaxCanary is the greatest part of callers, in per cent: somebody must be left to compare with.
const MaxCanary = 90.0

// Has says whether a call goes to the canary: by its caller, so that who calls
// again meets the same version, and by the call itself if the number is withheld.
// A caller who is in stays in when the percentage grows. share is where between 0
// and 1 the caller stands; by is "caller" or "call".
func (c Canary) Has(flow string, from call.Number, id call.ID) (in bool, share float64, by string) {
	key, by := string(id), "call"
	if from != "" {
		key, by = string(from), "caller"
	}
	sum := sha256.Sum256([]byte(flow + "\x00" + c.Salt + "\x00" + key))
	share = float64(bits.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
	return share*100 < c.Percent, math.Floor(share*1e4) / 1e4, by
}

// Ended is a call of a flow that has a canary, as its end was written.
type Ended struct {
	From      call.Number
	Call      call.ID
	Version   int
	StartedAt time.Time
	Lost      string // "abandoned", "failed"
}

// Stage is from when on a canary had its percentage.
type Stage struct {
	At      time.Time `json:"at"`
	Percent float64   `json:"percent"`
}

// settled is how long after a change of the percentage a node may not know of it
// yet: who is lost among the calls of that time proves nothing.
const settled = 10 * time.Second

// FirstLost turns calls into what Judge takes: of each caller the first, as who is
// lost once and calls again is no second witness.
func (c Canary) FirstLost(calls []Ended, stages []Stage) []Lost {
	var out []Lost
	seen := map[call.Number]bool{}
	slices.SortStableFunc(calls, func(a, b Ended) int { return a.StartedAt.Compare(b.StartedAt) })
	for _, e := range calls {
		i := len(stages) - 1
		for i >= 0 && stages[i].At.After(e.StartedAt) {
			i--
		}
		if i < 0 || e.StartedAt.Sub(stages[i].At) < settled || e.From != "" && seen[e.From] {
			continue
		}
		seen[e.From] = true
		out = append(out, Lost{Canary: e.Version == c.Version, Part: stages[i].Percent / 100})
	}
	return out
}

// GuardDue is the job that looks after a canary until it has ended.
type GuardDue struct {
	Flow   string `json:"flow"`
	Canary int64  `json:"canary"` // its id
}

// Kind names the job.
func (GuardDue) Kind() string { return "canary_guard" }

// GuardEvery is how often it looks.
const GuardEvery = 10 * time.Second

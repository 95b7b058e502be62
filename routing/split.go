package routing

import (
	"cmp"
	"crypto/sha256"
	bits "encoding/binary"
	"fmt"
	"math"
	"regexp"
)

// split sends callers to arms by weights, without chance: where a call goes
// follows from its key (the caller's number, or the call's id) and the salt, so
// that a replay goes the same way.
//
// The scheme is weighted rendezvous hashing: every arm draws a number from a
// hash of salt, key and its own name, divides it by its weight, and the lowest
// wins. Each arm's draw depends on nothing but itself, so that changing one
// weight moves callers to that arm or away from it, and none between others.
type split struct {
	Weights map[string]float64 `json:"weights"`
	Sticky  string             `json:"sticky"`
	Salt    string             `json:"salt"`

	arms []arm // by name
}

type arm struct {
	name   string
	weight float64
	share  float64 // of all callers
}

func splitType() kind {
	weight := amount("number", "the arm's part; 0 sends nobody there", nil, 0, 1e6)
	return kind{NodeType{
		Type: "split", Doc: "Divides callers among arms by their weights, to try something out or to share work. A caller always takes the same arm; changing one weight moves callers to or from that arm only.",
		Cfg: object(fields{
			"weights": mapOf(outcomeName, weight),
			"sticky":  choice("caller: by the caller's number, or by the call if it is withheld; none: each call anew", "caller", "none"),
			"salt":    text("splits with the same salt and arms send a caller the same way; by default each split divides callers in its own way"),
		}, "weights"),
		Outcomes: []string{},
	}, as[split]}
}

// outcomeName is what an outcome may be called.
const outcomeName = `^[A-Za-z][A-Za-z0-9_-]{0,63}$`

var outcomeNames = regexp.MustCompile(outcomeName)

func (s *split) prepare(*Flow) {
	total := 0.0
	for _, w := range s.Weights {
		total += w
	}
	s.arms = make([]arm, 0, len(s.Weights))
	for _, name := range keys(s.Weights) {
		if w := s.Weights[name]; w > 0 {
			s.arms = append(s.arms, arm{name, w, w / total})
		}
	}
}

func (s *split) pass(w *walk) turn {
	salt := cmp.Or(s.Salt, w.here.named(w.flow))
	key, by := string(w.run.Caller.Call), "call"
	if s.Sticky == "caller" && w.run.Caller.From != "" {
		key, by = string(w.run.Caller.From), "caller"
	}
	draws := make([]float64, len(s.arms))
	best := -1
	for i, a := range s.arms {
		draws[i] = draw(salt, key, a.name) / a.weight
		if best < 0 || draws[i] < draws[best] {
			best = i
		}
	}
	if best < 0 { // refused when published
		return turn{outcome: "default", rule: "weights", reason: "no arm has a weight"}
	}
	won := s.arms[best]
	t := turn{
		outcome: won.name, rule: "weights." + won.name,
		reason: fmt.Sprintf("lowest draw of the %s, %s; %s of all callers come here", by, short(draws[best]), percent(won.share)),
		inputs: map[string]any{"by": by, "share": won.share, "draw": rounded(draws[best])},
	}
	for i, a := range s.arms {
		if i != best {
			t.reject(a.name, "draw %s, share %s", short(draws[i]), percent(a.share))
		}
	}
	return t
}

// draw is a number that is exponentially distributed over keys. Equal inputs
// draw the same on every machine: the hash is fixed, and two draws that differ by
// less than the last bit of a logarithm do not come about.
func draw(salt, key, arm string) float64 {
	sum := sha256.Sum256([]byte(salt + "\x00" + key + "\x00" + arm))
	u := (float64(bits.BigEndian.Uint64(sum[:8])>>11) + 0.5) / (1 << 53) // within (0, 1)
	return -math.Log(u)
}

func short(f float64) string   { return fmt.Sprintf("%.4g", f) }
func percent(f float64) string { return fmt.Sprintf("%.4g %%", f*100) }

func rounded(f float64) float64 { return math.Round(f*1e6) / 1e6 }

func (s *split) outcomes() []string { return keys(s.Weights) }

func (s *split) lint(_ *node, at place, out *faults) {
	if len(s.arms) == 0 {
		out.err(at.in("weights"), "a split needs at least one arm with a weight")
	}
}

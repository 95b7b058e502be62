// Package disposition is what reps say came of their calls: the codes that they
// choose from, what they said, and the asking, which outlives the call.
package disposition

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/callyard/callyard/internal/call"
)

// Category says what a code means for the business.
type Category string

// The categories.
const (
	Positive      Category = "positive"
	Negative      Category = "negative"
	Neutral       Category = "neutral"
	Uncategorized Category = "uncategorized"
)

// Code is one thing that can have come of a call.
type Code struct {
	Code     string   `json:"code"` // "won", "call_again"
	Label    string   `json:"label"`
	Category Category `json:"category"`
}

// List is the codes that reps choose from, in the order in which they are shown.
type List []Code

// Auto begins the codes that the hub notes by itself. Nobody can choose them.
const Auto = "auto:"

// Defaults are in force for as long as nobody has said which codes there are.
func Defaults() List {
	return List{
		{"won", "Won", Positive},
		{"interested", "Interested", Positive},
		{"call_again", "Call again", Neutral},
		{"not_interested", "Not interested", Negative},
		{"wrong_number", "Wrong number", Uncategorized},
	}
}

// Find is the code of that name.
func (l List) Find(code string) (Code, bool) {
	i := slices.IndexFunc(l, func(c Code) bool { return c.Code == code })
	if i < 0 {
		return Code{}, false
	}
	return l[i], true
}

// Names are the codes alone.
func (l List) Names() []string {
	out := make([]string, len(l))
	for i, c := range l {
		out[i] = c.Code
	}
	return out
}

// WithDefaults fills in what a list leaves out: a code is its own label, and of
// no category.
func (l List) WithDefaults() List {
	l = slices.Clone(l)
	for i := range l {
		if l[i].Label == "" {
			l[i].Label = l[i].Code
		}
		if l[i].Category == "" {
			l[i].Category = Uncategorized
		}
	}
	return l
}

var codeName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// Validate finds everything that is wrong with a list.
func (l List) Validate() error {
	var errs []error
	wrong := func(i int, key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("dispositions[%d].%s: "+format, append([]any{i, key}, args...)...))
	}
	seen := map[string]bool{}
	for i, c := range l {
		switch {
		case strings.HasPrefix(c.Code, Auto):
			wrong(i, "code", "%q: what begins with %s is noted by the hub and cannot be chosen", c.Code, Auto)
		case !codeName.MatchString(c.Code):
			wrong(i, "code", "%q is not made of small letters, digits, _ and - (64 at most)", c.Code)
		case seen[c.Code]:
			wrong(i, "code", "%q is there twice", c.Code)
		}
		seen[c.Code] = true
		if utf8.RuneCountInString(c.Label) > 200 {
			wrong(i, "label", "is longer than 200 characters")
		}
		if !slices.Contains([]Category{"", Positive, Negative, Neutral, Uncategorized}, c.Category) {
			wrong(i, "category", "%q is none of positive, negative, neutral and uncategorized", c.Category)
		}
	}
	return errors.Join(errs...)
}

// Said is what somebody said came of a call, or the hub in their place. Label and
// category are those of the moment.
type Said struct {
	Code     string     `json:"code"`
	Label    string     `json:"label"`
	Category Category   `json:"category"`
	Note     string     `json:"note"`
	By       call.Actor `json:"by"`
	At       time.Time  `json:"at"`
}

// Fact is what is noted of it. before is what was said until then, nil if nothing was.
func (s Said) Fact(id call.ID, before *Said) call.Event {
	data := map[string]any{"code": s.Code, "label": s.Label, "category": string(s.Category)}
	if s.Note != "" {
		data["note"] = s.Note
	}
	if before != nil {
		data["before"] = before.Code
	}
	return call.Event{Call: id, Type: call.Disposed, At: s.At, Actor: s.By, Data: data}
}

// NotSet is what the hub notes when the time to choose is over.
func NotSet(code string, at time.Time) Said {
	return Said{Code: code, Label: code, Category: Uncategorized, By: call.Actor{Via: "timeout"}, At: at}
}

// Ask is a flow's question what came of a call. It is answered by whoever says so
// next, or by the end of its time, also when the call is long over and the hub
// was started anew meanwhile; then the flow goes on.
type Ask struct {
	ID      string // "ask_…"
	Call    call.ID
	Hub     call.NodeID // which node carries the call, or did
	Flow    string
	Version int
	Node    string    // of the flow: the one that waits
	Agent   string    // the rep who talked last
	Since   time.Time // when they began to: what was said since is the answer
	At      time.Time
	Due     time.Time
	Default string          // noted when nobody says anything
	Run     json.RawMessage // the walk as it waits

	State State // set by the store
	Said  *Said // the answer, once there is one
	On    bool  // the flow has gone on
}

// State of an ask.
type State string

// The states. The last two are the outcomes of the flow's node.
const (
	Open     State = "open"
	Set      State = "set"
	TimedOut State = "timed_out"
)

// Fact is what is noted of the asking.
func (a Ask) Fact() call.Event {
	return call.Event{
		Call: a.Call, Type: call.DispositionAsked, At: a.At, Flow: a.Flow, Version: a.Version, Node: a.Node,
		Actor: call.Actor{User: a.Agent, Via: "flow"}, Data: map[string]any{"ask": a.ID, "timeout_ms": a.Due.Sub(a.At).Milliseconds()},
	}
}

// Jobs.
type (
	// Due is the end of the time to choose.
	Due struct {
		Ask string `json:"ask" river:"unique"`
	}
	// Settled lets the flow go on once an ask has its answer.
	Settled struct {
		Ask string `json:"ask" river:"unique"`
	}
)

// Kind names the job.
func (Due) Kind() string { return "disposition_due" }

// Kind names the job.
func (Settled) Kind() string { return "disposition_settled" }

// Errors that callers tell apart with errors.As and errors.Is.
type (
	// UnknownCodeError: nobody can choose this code.
	UnknownCodeError struct {
		Code  string
		Known []string
	}
	// UnknownAskError: there is no such ask.
	UnknownAskError struct{ ID string }
)

// ErrNoCall: the ledger does not know the call.
var ErrNoCall = errors.New("no such call")

func (e *UnknownCodeError) Error() string {
	return fmt.Sprintf("%q is none of the dispositions %s", e.Code, strings.Join(e.Known, ", "))
}

func (e *UnknownAskError) Error() string { return fmt.Sprintf("nobody was asked %s", e.ID) }

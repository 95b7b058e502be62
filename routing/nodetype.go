package routing

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// NodeType describes a type of node to editors.
type NodeType struct {
	Type     string   `json:"type"`
	Doc      string   `json:"doc"`
	Cfg      *Schema  `json:"cfg"`
	Outcomes []string `json:"outcomes"` // a menu adds its digits, a park the outcomes of its goto steps
	Waits    bool     `json:"waits"`    // the call stays here until something happens
}

// NodeTypes lists what flows can be made of, by name.
func NodeTypes() []NodeType {
	var out []NodeType
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, kinds[name].NodeType)
	}
	return out
}

// kind is a node type with the decoder of its cfg.
type kind struct {
	NodeType
	decode func(cfg []byte) (any, error)
}

// branches: a node that can be left in more than one way.
func (k *kind) branches() bool {
	return len(k.Outcomes) > 1 || k.Type == "switch" || k.Type == "split" || k.Type == "subflow"
}

// ends: nothing comes after such a node.
func (k *kind) ends() bool { return k.Type == "hangup" || k.Type == "return" }

// kinds is every type there is.
var kinds = map[string]kind{
	"answer":      answerType(),
	"play":        playType(),
	"menu":        menuType(),
	"collect":     collectType(),
	"set":         setType(),
	"tag":         tagType(),
	"switch":      switchType(),
	"hours":       hoursType(),
	"split":       splitType(),
	"subflow":     subflowType(),
	"return":      returnType(),
	"crm_lookup":  lookupType(),
	"http":        httpType(),
	"dial":        dialType(),
	"transfer":    transferType(),
	"queue":       queueType(),
	"park":        parkType(),
	"callback":    callbackType(),
	"voicemail":   voicemailType(),
	"record":      recordType(),
	"notify":      notifyType(),
	"disposition": dispositionType(),
	"hangup":      hangupType(),
}

// What a node does is one of passing and waiting, or *hangup.
type (
	// passing nodes are left as soon as they are reached.
	passing interface{ pass(w *walk) turn }
	// waiting nodes give a command and are left by the event that answers it.
	waiting interface {
		ask(w *walk, n *node) Command
		told(w *walk, n *node, e Event) turn
	}
)

// What some nodes have beyond that.
type (
	prepared interface{ prepare(f *Flow) } // looks up or compiles once, after all nodes are read
	branched interface{ outcomes() []string }
	jumping  interface{ jumps() []jump } // edges outside `on`
	linted   interface {
		lint(n *node, at place, out *faults)
	}
	// dated nodes look at a calendar, which may be a shared one.
	dated interface {
		calendarName() string
		onCalendar(c *calendar) any // the node with it
	}
	// lasting nodes say how long a caller may be in them before somebody's phone
	// rings, or that nobody's does.
	lasting interface {
		untilHuman() (d time.Duration, human bool)
	}
)

type jump struct {
	to string
	at string // the key within cfg: "cases[0].to"
}

// turn is what comes of being in a node.
type turn struct {
	outcome  string
	to       string // a target that stands outside `on`
	rule     string // what in the node's cfg decided
	reason   string
	inputs   map[string]any
	rejected []Rejection
	again    Command // stay and wait once more
	failed   bool
}

// reject notes why something else was not chosen.
func (t *turn) reject(choice, format string, args ...any) {
	if len(t.rejected) < maxRejected {
		t.rejected = append(t.rejected, Rejection{choice, brief(fmt.Sprintf(format, args...), maxSaid)})
	}
}

// as decodes a cfg into the struct of its type.
func as[T any](cfg []byte) (any, error) {
	v := new(T)
	return v, json.Unmarshal(cfg, v)
}

// secs is a number of seconds as documents write it.
type secs float64

func (s secs) duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// millis is a number of milliseconds.
type millis float64

func (m millis) duration() time.Duration {
	return time.Duration(float64(m) * float64(time.Millisecond))
}

package routing

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Severity of a finding.
type Severity string

// The severities. A flow with an error is not published.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is one fault of a flow document.
type Finding struct {
	Severity Severity `json:"severity"`
	Node     string   `json:"node,omitempty"` // id of the node it is in, if in one
	Key      string   `json:"key"`            // the key that is wrong: "after_s"
	Location string   `json:"location"`       // where it stands: "nodes.park.cfg.ladder[1].after_s"
	Message  string   `json:"message"`
}

func (f Finding) String() string {
	return fmt.Sprintf("%s: %s: %s", f.Severity, f.Location, f.Message)
}

// Findings are all faults of a flow document.
type Findings []Finding

// Errors are the findings that stand in the way of publishing.
func (fs Findings) Errors() Findings { return fs.of(Error) }

// Warnings are the findings that do not.
func (fs Findings) Warnings() Findings { return fs.of(Warning) }

func (fs Findings) of(s Severity) Findings {
	var out Findings
	for _, f := range fs {
		if f.Severity == s {
			out = append(out, f)
		}
	}
	return out
}

func (fs Findings) String() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts errors first, then by location, without repetitions.
func (fs Findings) sorted() Findings {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Location, b.Location), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(fs)
}

// ParseError says why a document is no flow: everything at once.
type ParseError struct{ Findings Findings }

func (e *ParseError) Error() string {
	if len(e.Findings) == 1 {
		return "flow: " + e.Findings[0].Location + ": " + e.Findings[0].Message
	}
	return fmt.Sprintf("flow: %d faults, the first at %s: %s", len(e.Findings), e.Findings[0].Location, e.Findings[0].Message)
}

// faults collects findings.
type faults struct{ found Findings }

func (f *faults) err(at place, format string, args ...any)  { f.add(Error, at, format, args) }
func (f *faults) warn(at place, format string, args ...any) { f.add(Warning, at, format, args) }

func (f *faults) add(s Severity, at place, format string, args []any) {
	said := fmt.Sprintf(format, args...)
	if at.within != "" {
		said = at.within + ": " + said
	}
	f.found = append(f.found, Finding{Severity: s, Node: at.node, Key: at.key, Location: at.path, Message: said})
}

// place is somewhere in a document.
type place struct {
	path, key, node string
	within          string // a node of a flow that is called there; the place has no parts then
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// in is the place of a key of the object at p.
func (p place) in(key string) place {
	if p.within != "" {
		return p
	}
	path := p.path
	switch {
	case !plainKey.MatchString(key):
		path += "[" + strconv.Quote(key) + "]"
	case path == "":
		path = key
	default:
		path += "." + key
	}
	node := p.node
	if p.path == "nodes" {
		node = key
	}
	return place{path: path, key: key, node: node}
}

// item is the place of an element of the list at p, which keeps the list's key.
func (p place) item(i int) place {
	if p.within != "" {
		return p
	}
	return place{path: p.path + "[" + strconv.Itoa(i) + "]", key: p.key, node: p.node}
}

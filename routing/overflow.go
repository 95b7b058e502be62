package routing

import (
	"encoding/json"
	"fmt"
)

// Overflow is the flow of a call that was parked by a person and has expired:
// "voicemail" with a box, "queue" with a queue (and a voicemail after it),
// "callback" with the box of who cannot be called back, or "hangup".
func Overflow(do, arg string) (*Flow, error) {
	type m = map[string]any
	bye := m{"type": "hangup"}
	nodes := m{"bye": bye}
	entry := do
	box := "owner_or_team"
	switch do {
	case "voicemail":
		if arg != "" {
			box = arg
		}
	case "queue":
		nodes["queue"] = m{"type": "queue", "cfg": m{"queue": arg}, "on": m{"answered": "bye", "default": "voicemail"}}
	case "callback":
		if arg != "" {
			box = arg
		}
		nodes["callback"] = m{"type": "callback", "on": m{"scheduled": "bye", "default": "voicemail"}}
	case "hangup":
		entry = "bye"
	default:
		return nil, fmt.Errorf("overflow of an expired park: %q is not voicemail, queue or hangup", do)
	}
	if do != "hangup" {
		nodes["voicemail"] = m{"type": "voicemail", "cfg": m{"box": box}, "on": m{"default": "bye"}}
	}
	return internal("overflow-"+do, entry, nodes)
}

func internal(name, entry string, nodes map[string]any) (*Flow, error) {
	doc, err := json.Marshal(map[string]any{"schema": schemaName, "name": name, "entry": entry, "nodes": nodes})
	if err != nil {
		return nil, fmt.Errorf("flow %s: %w", name, err)
	}
	return Parse(doc)
}

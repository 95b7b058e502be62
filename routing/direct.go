package routing

// Direct is the flow of a call that one of our own people places: it rings the
// target, "agent:ann" or "number:+34…", and is over when that has come to
// nothing. Busy stays busy.
func Direct(target string) *Flow {
	type m = map[string]any
	f, err := internal("direct", "dial", m{
		"dial": m{
			"type": "dial", "cfg": m{"targets": []string{target}, "ring_s": 60},
			"on": m{"answered": "bye", "busy": "busy", "rejected": "rejected", "default": "unavailable"},
		},
		"bye":         m{"type": "hangup"},
		"busy":        m{"type": "hangup", "cfg": m{"cause": "busy"}},
		"rejected":    m{"type": "hangup", "cfg": m{"cause": "rejected"}},
		"unavailable": m{"type": "hangup", "cfg": m{"cause": "unavailable"}},
	})
	if err != nil { // only a target that is no text of reasonable length
		return &Flow{name: "direct", broken: Findings{{Severity: Error, Message: err.Error()}}}
	}
	return f
}

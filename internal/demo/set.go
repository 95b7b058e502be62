// Package demo holds what "callyard demo" shows: a set-up with four reps, the
// state of a running demo, and a call in which a built-in caller and a built-in
// rep really talk to each other through the hub.
package demo

import (
	_ "embed"
	"fmt"

	"github.com/callyard/callyard/internal/setup"
)

//go:embed demo.yaml
var document []byte

// What is in the demo set and spoken of elsewhere.
const (
	Number    = "+12025550100" // runs the demo flow
	Caller    = "+12025550142" // is in the address book
	Rep       = "ben"          // the built-in rep
	Extension = "700"          // of the lot
	FirstSlot = "701"
)

// Set is the demo set.
func Set() (setup.Document, error) {
	d, err := setup.Read(document)
	if err != nil {
		return setup.Document{}, fmt.Errorf("demo set: %w", err)
	}
	return d, nil
}

// Password is a rep's password in the demo set, "" for somebody else.
func Password(rep string) string {
	d, err := Set()
	if err != nil {
		return ""
	}
	for _, a := range d.Agents {
		if a.Name == rep {
			return a.Password
		}
	}
	return ""
}

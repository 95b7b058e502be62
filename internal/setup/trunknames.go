package setup

import (
	"fmt"

	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// SharedAccounts finds trunks whose username is an agent's name or extension: who
// gives it in a call could be either, and would be asked for the wrong password.
func SharedAccounts(trunks []routing.Trunk, agents []queues.Agent) (faults []string) {
	for _, t := range trunks {
		for _, a := range agents {
			if t.Username != "" && (t.Username == a.Name || t.Username == a.Extension) {
				faults = append(faults, fmt.Sprintf("trunk %q: username %s is agent %q; a call that gives it could be either's", t.Name, t.Username, a.Name))
			}
		}
	}
	return faults
}

package httpapi_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/callyard/callyard/internal/apitest"
)

// elsewhere are operations that are tried in test/e2e, because they need what is
// not in this package's hub.
var elsewhere = []string{
	"list_voicemail_boxes", "list_voicemail_messages", "read_voicemail_message", "hear_voicemail_message", "mark_voicemail_message", "delete_voicemail_message",
	"set_voicemail_greeting", "hear_voicemail_greeting", "delete_voicemail_greeting",
}

// TestMain tells, after all tests, which operations none of them has carried out.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if all := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == ""; all && code == 0 && !testing.Short() {
		code = untried()
	}
	os.Exit(code)
}

func untried() int {
	d, err := apitest.Read()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := 0
	for _, id := range d.Untried() {
		if !slices.Contains(elsewhere, id) {
			fmt.Fprintf(os.Stderr, "no test carries out %s; write one, or name it in elsewhere with one in test/e2e\n", id)
			code = 1
		}
	}
	return code
}

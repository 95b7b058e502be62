package dialoginfo_test

import (
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/sipua/dialoginfo"
)

func TestDocument(t *testing.T) {
	for name, c := range map[string]struct {
		doc    dialoginfo.Document
		has    []string
		hasNot []string
	}{
		"a dark lamp tells nothing but that": {
			dialoginfo.Document{Entity: "sip:701@hub", Dialog: dialoginfo.Dialog{
				ID: "701", State: dialoginfo.Terminated, Remote: dialoginfo.Identity{Display: "Ana", URI: "sip:1@hub"}, IDs: dialoginfo.IDs{CallID: "c"},
			}},
			[]string{`<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" entity="sip:701@hub">`, `<dialog id="701"><state>terminated</state></dialog>`},
			[]string{"Ana", "call-id", "direction"},
		},
		"a caller's name cannot leave its attribute": {
			dialoginfo.Document{Version: 7, Entity: "sip:701@hub", Dialog: dialoginfo.Dialog{
				ID: "701", State: dialoginfo.Early, Remote: dialoginfo.Identity{Display: `Ana "& <Co>`, URI: "sip:+34600@hub"},
			}},
			[]string{`version="7"`, `direction="recipient"`, `display="Ana &#34;&amp; &lt;Co&gt;"`, `<state>early</state><local>`, `<target uri="sip:+34600@hub"></target></remote>`},
			[]string{`call-id`},
		},
		"a dialog that can be picked up has its ids": {
			dialoginfo.Document{Entity: "sip:rep1@hub", Dialog: dialoginfo.Dialog{ID: "rep1", State: dialoginfo.Confirmed, IDs: dialoginfo.IDs{CallID: "c", LocalTag: "l", RemoteTag: "r"}}},
			[]string{`call-id="c" local-tag="l" remote-tag="r"`, `<state>confirmed</state>`},
			[]string{"<remote>"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := c.doc.XML()
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range c.has {
				if !strings.Contains(string(b), w) {
					t.Errorf("no %s in\n%s", w, b)
				}
			}
			for _, w := range c.hasNot {
				if strings.Contains(string(b), w) {
					t.Errorf("%s in\n%s", w, b)
				}
			}
		})
	}
}

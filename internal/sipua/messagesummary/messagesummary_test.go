package messagesummary_test

import (
	"testing"

	"github.com/callyard/callyard/internal/sipua/messagesummary"
)

func TestText(t *testing.T) {
	if got := string(messagesummary.Text("sip:sales@hub", 2, 8)); got != "Messages-Waiting: yes\r\nMessage-Account: sip:sales@hub\r\nVoice-Message: 2/8 (0/0)\r\n" {
		t.Errorf("%q", got)
	}
	if got := string(messagesummary.Text("sip:sales@hub", 0, 8)); got != "Messages-Waiting: no\r\nMessage-Account: sip:sales@hub\r\nVoice-Message: 0/8 (0/0)\r\n" {
		t.Errorf("%q", got)
	}
}

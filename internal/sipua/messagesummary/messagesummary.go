// Package messagesummary writes the documents by which phones show that messages
// wait (RFC 3842).
package messagesummary

import "fmt"

// Type is the media type of the documents.
const Type = "application/simple-message-summary"

// Text is the document of a mailbox: how many voice messages are new and how many
// have been heard.
func Text(account string, fresh, heard int) []byte {
	waiting := "no"
	if fresh > 0 {
		waiting = "yes"
	}
	// RFC 3842 §5.2: the urgent ones, which we do not tell apart, come in brackets.
	return fmt.Appendf(nil, "Messages-Waiting: %s\r\nMessage-Account: %s\r\nVoice-Message: %d/%d (0/0)\r\n", waiting, account, fresh, heard)
}

package crm

import (
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Contact is a person in the built-in address book: the CRM of those who have
// no other, and the index that answers at once for those who have.
type Contact struct {
	ID      string         `json:"id"` // "ctc_…"
	Name    string         `json:"name"`
	Company string         `json:"company"`
	Owner   string         `json:"owner"` // agent name; "" when unowned
	Phones  []call.Number  `json:"phones"`
	Fields  map[string]any `json:"fields"`
	Tags    []string       `json:"tags"`
	Updated time.Time      `json:"updated"`
}

// ContactFilter narrows a list of contacts; zero fields match everything.
type ContactFilter struct {
	Text  string // in the name, the company or a number
	Owner string
	Tag   string
	After string // the last ID of the page before
	Limit int    // 50 unless set
}

// Package setup brings a hub's configuration to what one file says: lots,
// queues, agents, trunks, numbers, contacts, calendars and flows. Applying it again
// changes nothing.
package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/parking"
	"github.com/callyard/callyard/queues"
	"github.com/callyard/callyard/routing"
)

// Document is a set-up file. Everything in it is keyed by name (numbers by
// their digits); what it does not name is left as it is.
type Document struct {
	Trunks    []routing.Trunk   `json:"trunks"`
	Agents    []Agent           `json:"agents"`
	Lots      []parking.Lot     `json:"lots"` // what is absent is the default
	Queues    []queues.Queue    `json:"queues"`
	Contacts  []crm.Contact     `json:"contacts"`
	Calendars []json.RawMessage `json:"calendars"` // that flows share: as in a flow, with a name
	Flows     []json.RawMessage `json:"flows"`     // documents of callflow/v1; published when they changed
	Numbers   []routing.Number  `json:"numbers"`

	Dispositions disposition.List `json:"dispositions"` // if there are any, they are all
}

// Agent is an agent as a set-up file has it.
type Agent struct {
	Name      string        `json:"name"`
	Display   string        `json:"display"`
	Extension string        `json:"extension"`
	Password  string        `json:"password"` // of the SIP account; kept only as a digest
	Teams     []string      `json:"teams"`
	Skills    []string      `json:"skills"`
	SRTP      string        `json:"srtp"`   // "off", "optional", "required"; "" is the node's default
	Status    queues.Status `json:"status"` // of a new agent; "" is available
}

// Read reads YAML or JSON. Every unknown key is an error that names it.
func Read(b []byte) (Document, error) {
	doc, err := JSON(b)
	if err != nil {
		return Document{}, fmt.Errorf("set-up file: %w", err)
	}
	if string(doc) == "null" {
		return Document{}, errors.New("set-up file: it is empty")
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.DisallowUnknownFields()
	var d Document
	if err := dec.Decode(&d); err != nil {
		return Document{}, fmt.Errorf("set-up file: %w", err)
	}
	return d, nil
}

// JSON turns YAML, or JSON, into JSON. A date is the text that it is written as:
// calendars are full of them, and nothing else here is a point in time to YAML.
func JSON(b []byte) (json.RawMessage, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		return nil, err
	}
	datesAsText(&root)
	var tree any
	if err := root.Decode(&tree); err != nil {
		return nil, err
	}
	doc, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("%w (keys must be text)", err)
	}
	return doc, nil
}

func datesAsText(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, child := range n.Content {
		datesAsText(child)
	}
}

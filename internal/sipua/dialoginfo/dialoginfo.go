// Package dialoginfo writes the documents by which phones light their lamps
// (RFC 4235).
package dialoginfo

import (
	"encoding/xml"
	"fmt"
)

// Type is the media type of the documents.
const Type = "application/dialog-info+xml"

// State of a dialog as far as lamps care (RFC 4235 §3.7.1).
type State string

// Phones show terminated dark, early blinking and confirmed steady.
const (
	Terminated State = "terminated"
	Early      State = "early"
	Confirmed  State = "confirmed"
)

// Document is the full state of one resource: of a slot, a lot or a rep. It is
// always whole and holds one dialog, so that a document that was lost is made
// good by the next.
type Document struct {
	Version int    // 0, 1, 2 … within a subscription
	Entity  string // the URI subscribed to
	Dialog  Dialog
}

// Dialog is what goes on at the resource.
type Dialog struct {
	ID    string // unique within the document
	State State
	// IDs are those of the SIP dialog, for an INVITE with Replaces; the zero value
	// when the call is to be had by dialling the entity.
	IDs IDs
	// Initiator: whoever is watched has placed the call.
	Initiator bool
	// Remote is who is at the other end; "" URI: nobody, or not to be shown.
	Remote Identity
}

// IDs name a SIP dialog from the side of the resource (RFC 4235 §4.1.2).
type IDs struct{ CallID, LocalTag, RemoteTag string }

// Identity is a party with the name to be displayed.
type Identity struct{ Display, URI string }

type (
	document struct {
		XMLName xml.Name `xml:"urn:ietf:params:xml:ns:dialog-info dialog-info"`
		Version int      `xml:"version,attr"`
		State   string   `xml:"state,attr"`
		Entity  string   `xml:"entity,attr"`
		Dialog  dialog   `xml:"dialog"`
	}
	// dialog has its elements in the order of the schema (RFC 4235 §4.4).
	dialog struct {
		ID        string `xml:"id,attr"`
		CallID    string `xml:"call-id,attr,omitempty"`
		LocalTag  string `xml:"local-tag,attr,omitempty"`
		RemoteTag string `xml:"remote-tag,attr,omitempty"`
		Direction string `xml:"direction,attr,omitempty"`
		State     State  `xml:"state"`
		Local     *party `xml:"local"`
		Remote    *party `xml:"remote"`
	}
	party struct {
		Identity identity `xml:"identity"`
		Target   target   `xml:"target"`
	}
	identity struct {
		Display string `xml:"display,attr,omitempty"`
		URI     string `xml:",chardata"`
	}
	target struct {
		URI string `xml:"uri,attr"`
	}
)

// XML is the document's text.
func (d Document) XML() ([]byte, error) {
	out := document{Version: d.Version, State: "full", Entity: d.Entity, Dialog: dialog{ID: d.Dialog.ID, State: d.Dialog.State}}
	if d.Dialog.State != Terminated {
		g := &out.Dialog
		// Phones blink for a call that comes in, not for one that goes out.
		g.Direction = "recipient"
		if d.Dialog.Initiator {
			g.Direction = "initiator"
		}
		g.CallID, g.LocalTag, g.RemoteTag = d.Dialog.IDs.CallID, d.Dialog.IDs.LocalTag, d.Dialog.IDs.RemoteTag
		g.Local = &party{identity{"", d.Entity}, target{d.Entity}}
		if r := d.Dialog.Remote; r.URI != "" {
			g.Remote = &party{identity(r), target{r.URI}}
		}
	}
	b, err := xml.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("dialog-info of %s: %w", d.Entity, err)
	}
	return append([]byte(xml.Header), b...), nil
}

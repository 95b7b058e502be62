package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/contacts"
	"github.com/callyard/callyard/internal/call"
)

// Contact is a person in the address book.
type Contact struct {
	ID      string         `json:"id" readOnly:"true"`
	Name    string         `json:"name" minLength:"1" maxLength:"200"`
	Company string         `json:"company,omitempty" maxLength:"200"`
	Owner   string         `json:"owner,omitempty" maxLength:"64" doc:"An agent"`
	Phones  []call.Number  `json:"phones,omitzero" maxItems:"50" doc:"With or without prefix; stored as +…"`
	Fields  map[string]any `json:"fields,omitempty" doc:"What flows read: tier, deal.amount …"`
	Tags    []string       `json:"tags,omitzero" maxItems:"100"`
	Updated time.Time      `json:"updated" readOnly:"true"`
}

// Imported is what came of an import.
type Imported struct {
	Created  int                `json:"created"`
	Changed  int                `json:"changed"`
	Same     int                `json:"unchanged"`
	Problems []contacts.Problem `json:"problems" doc:"Lines that were not, or not wholly, taken"`
}

func (a *api) contacts() {
	route(a, op{method: "GET", path: "/v1/contacts", scope: "read", role: "rep", id: "list_contacts", summary: "List contacts"},
		func(ctx context.Context, in *struct {
			Paging
			Text  string `query:"text" maxLength:"100" doc:"In the name, the company or a number"`
			Owner string `query:"owner" maxLength:"64"`
			Tag   string `query:"tag" maxLength:"64"`
		},
		) (*body[Page[Contact]], error) {
			after, err := in.after()
			if err != nil {
				return nil, err
			}
			list, err := a.Contacts.Contacts(ctx, crm.ContactFilter{Text: in.Text, Owner: in.Owner, Tag: in.Tag, After: after, Limit: in.Limit + 1})
			if err != nil {
				return nil, err
			}
			all, _ := each(list, func(c crm.Contact) (Contact, error) { return contactOf(c), nil })
			if len(all) <= in.Limit {
				return last(all), nil
			}
			all = all[:in.Limit]
			return part(all, cursorOf(all[in.Limit-1].ID)), nil
		})
	route(a, op{method: "GET", path: "/v1/contacts/{id}", scope: "read", role: "rep", id: "read_contact", summary: "Read a contact"},
		func(ctx context.Context, in *Identified) (*body[Contact], error) {
			c, err := a.Contacts.Contact(ctx, in.ID)
			return &body[Contact]{contactOf(c)}, err
		})
	route(a, op{method: "POST", path: "/v1/contacts", scope: "write", role: "manager", id: "add_contact", status: http.StatusCreated, summary: "Add a contact"},
		func(ctx context.Context, in *body[Contact]) (*created[Contact], error) {
			c, err := a.saveContact(ctx, "", in.Body)
			if err != nil {
				return nil, err
			}
			return &created[Contact]{Location: "/v1/contacts/" + c.ID, Body: c}, nil
		})
	route(a, op{method: "PUT", path: "/v1/contacts/{id}", scope: "write", role: "manager", merges: true, id: "save_contact", summary: "Replace a contact"},
		func(ctx context.Context, in *struct {
			Identified
			Body Contact
		},
		) (*body[Contact], error) {
			c, err := a.saveContact(ctx, in.ID, in.Body)
			return &body[Contact]{c}, err
		})
	route(a, op{method: "DELETE", path: "/v1/contacts/{id}", scope: "write", role: "manager", id: "delete_contact", summary: "Delete a contact"},
		func(ctx context.Context, in *Identified) (*nothing, error) {
			return nil, a.Contacts.Delete(ctx, in.ID)
		})
	route(a, op{
		method: "POST", path: "/v1/contacts/import", scope: "write", role: "manager", id: "import_contacts", summary: "Add many contacts, or bring them up to date",
		takes: map[string]*huma.Schema{
			"text/csv":         {Type: huma.TypeString, Description: "Columns name, company, owner, tags, phone…; any other is a field"},
			"application/json": {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
		},
	}, a.importContacts)
}

func (a *api) importContacts(ctx context.Context, in *struct {
	ContentType string `header:"Content-Type"`
	RawBody     []byte
},
) (*body[Imported], error) {
	read := contacts.ReadJSON
	if strings.HasPrefix(in.ContentType, "text/csv") {
		read = contacts.ReadCSV
	}
	list, problems, err := read(bytes.NewReader(in.RawBody), a.Region)
	if err != nil {
		return nil, invalid(err)
	}
	made, changed, err := a.Contacts.Import(ctx, list, a.Now())
	if err != nil {
		return nil, err
	}
	return &body[Imported]{Imported{Created: made, Changed: changed, Same: len(list) - made - changed, Problems: some(problems)}}, nil
}

func (a *api) saveContact(ctx context.Context, id string, in Contact) (Contact, error) {
	c := crm.Contact{ID: id, Name: in.Name, Company: in.Company, Owner: in.Owner, Fields: in.Fields, Tags: some(in.Tags), Phones: []call.Number{}}
	if c.Fields == nil {
		c.Fields = map[string]any{}
	}
	for i, p := range in.Phones {
		n, ok := crm.Normalize(string(p), a.Region)
		if !ok {
			return Contact{}, wrong("body.phones["+strconv.Itoa(i)+"]", "this is no telephone number")
		}
		c.Phones = append(c.Phones, n)
	}
	c, err := a.Contacts.Save(ctx, c, a.Now())
	return contactOf(c), err
}

func contactOf(c crm.Contact) Contact {
	if c.Fields == nil {
		c.Fields = map[string]any{}
	}
	return Contact{
		ID: c.ID, Name: c.Name, Company: c.Company, Owner: c.Owner, Phones: some(c.Phones),
		Fields: c.Fields, Tags: some(c.Tags), Updated: c.Updated,
	}
}

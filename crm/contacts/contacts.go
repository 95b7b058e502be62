// Package contacts is the built-in CRM: an address book and the calls logged in
// it, for those who have no other CRM, and the index that knows numbers at once
// for those who have.
package contacts

import (
	"context"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
)

// Name is the provider's in references and in the outbox.
const Name = "contacts"

// Store is what the provider needs of the address book.
type Store interface {
	ByNumber(ctx context.Context, n call.Number) ([]crm.Contact, error) // most recently changed first
	// SaveActivity adds an activity, or changes the one with its key unless that
	// has a later revision.
	SaveActivity(ctx context.Context, a crm.Activity) error
	Ping(ctx context.Context) error
}

// Provider is the address book as a crm.Provider.
type Provider struct{ Store Store }

var _ crm.Provider = Provider{}

// Name is "contacts".
func (Provider) Name() string { return Name }

// Check tells whether the store answers.
func (p Provider) Check(ctx context.Context) error { return p.Store.Ping(ctx) }

// Lookup finds who has the number.
func (p Provider) Lookup(ctx context.Context, n call.Number) ([]crm.Record, error) {
	cs, err := p.Store.ByNumber(ctx, n)
	if err != nil {
		return nil, err
	}
	rs := make([]crm.Record, 0, len(cs))
	for _, c := range cs {
		rs = append(rs, crm.Record{
			Ref:  crm.Ref{Provider: Name, Type: "contact", ID: c.ID},
			Kind: "contact", Name: c.Name, Company: c.Company, Owner: c.Owner,
			Phones: c.Phones, Fields: c.Fields, Updated: c.Updated,
		})
	}
	return rs, nil
}

// LogCall keeps the activity.
func (p Provider) LogCall(ctx context.Context, a crm.Activity) (crm.Ref, error) {
	if err := p.Store.SaveActivity(ctx, a); err != nil {
		return crm.Ref{}, &crm.TransientError{Err: err}
	}
	return Ref(a), nil
}

// Ref is what the address book calls an activity that it keeps.
func Ref(a crm.Activity) crm.Ref { return crm.Ref{Provider: Name, Type: "activity", ID: a.Key} }

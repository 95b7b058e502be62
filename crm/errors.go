package crm

import (
	"fmt"
	"time"
)

// What can go wrong with a write, told apart with errors.As. An error that is
// none of these, such as a dropped connection, is read as transient: repeating
// a write is safe, since it carries a Key.
type (
	// TransientError: the outcome is unknown or the CRM is unwell. Try again.
	TransientError struct{ Err error }
	// RateLimitedError: try again, not before After, without counting a failure.
	RateLimitedError struct{ After time.Duration }
	// RefusedError: the CRM does not want this, however often it is sent. A person
	// has to look at it.
	RefusedError struct {
		Why    string // "status 422"
		Answer string // the first of what the CRM said, for a person's eyes, not for logs
		Gone   bool   // it wants nothing more from us at all: switch the connection off
	}
	// UnauthorizedError: our credentials do not work. Once they do, the write will.
	UnauthorizedError struct{ Why string }
	// UnknownProviderError: the delivery is for a CRM that is not connected.
	UnknownProviderError struct{ Provider string }
	// UnknownDeliveryError: there is no such line in the outbox.
	UnknownDeliveryError struct{ ID int64 }
	// UnknownContactError: there is no such contact.
	UnknownContactError struct{ ID string }
)

func (e *TransientError) Error() string    { return "crm, for now: " + e.Err.Error() }
func (e *TransientError) Unwrap() error    { return e.Err }
func (e *RateLimitedError) Error() string  { return fmt.Sprintf("crm asks to wait %s", e.After) }
func (e *RefusedError) Error() string      { return "crm refused: " + e.Why }
func (e *UnauthorizedError) Error() string { return "crm does not let us in: " + e.Why }
func (e *UnknownProviderError) Error() string {
	return fmt.Sprintf("no crm named %q is connected", e.Provider)
}

func (e *UnknownDeliveryError) Error() string { return fmt.Sprintf("there is no delivery %d", e.ID) }
func (e *UnknownContactError) Error() string  { return fmt.Sprintf("there is no contact %q", e.ID) }

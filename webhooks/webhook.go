// Package webhooks tells other systems what happens: which facts of the ledger go
// to which addresses, how often it is tried, and when an address is given up. It
// sends nothing itself.
package webhooks

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
)

// Webhook is an address that facts are sent to.
type Webhook struct {
	ID          string // "whk_…"
	URL         string
	Description string
	Events      []string // types of facts and their families: "call.ended", "park.*", "*"
	Enabled     bool
	// Disabled says why the hub has disabled it; "" if a person did, or it is enabled.
	Disabled   string
	DisabledAt time.Time
	// FailingSince is the first failure since the last success; zero: all is well.
	FailingSince time.Time
	CreatedAt    time.Time
	UpdatedAt    time.Time

	Secret Secret
	// OldSecret signs too until OldUntil, while receivers change over.
	OldSecret Secret
	OldUntil  time.Time
}

// Secret is what a webhook is signed with, "whsec_" and base64, as Standard
// Webhooks writes it. It does not print.
type Secret string

func (Secret) String() string   { return "[hidden]" }
func (Secret) GoString() string { return "[hidden]" }

// secretPrefix begins every secret (Standard Webhooks 1.0.0, "Signature scheme").
const secretPrefix = "whsec_"

// NewSecret makes a secret of 32 random bytes; the specification asks for 24 to 64.
func NewSecret() Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return Secret(secretPrefix + base64.StdEncoding.EncodeToString(b[:]))
}

// Secrets are those that a message is signed with at a time, the newest first.
func (w Webhook) Secrets(now time.Time) []Secret {
	if w.OldSecret == "" || !now.Before(w.OldUntil) {
		return []Secret{w.Secret}
	}
	return []Secret{w.Secret, w.OldSecret}
}

// Rotate gives the webhook a new secret; the one before signs too for a while.
func (w Webhook) Rotate(overlap time.Duration, now time.Time) Webhook {
	w.OldSecret, w.OldUntil = w.Secret, now.Add(overlap)
	if overlap <= 0 {
		w.OldSecret, w.OldUntil = "", time.Time{}
	}
	w.Secret, w.UpdatedAt = NewSecret(), now
	return w
}

// Wants reports whether facts of a type go to the webhook.
func (w Webhook) Wants(t call.EventType) bool {
	return slices.ContainsFunc(w.Events, func(pattern string) bool {
		if family, ok := strings.CutSuffix(pattern, "*"); ok {
			return strings.HasPrefix(string(t), family)
		}
		return pattern == string(t)
	})
}

// pattern is a type of facts, a family of them, or all.
var pattern = regexp.MustCompile(`^(\*|[a-z_]+\.(\*|[a-z_]+))$`)

// InvalidError is a fault of a webhook that somebody wants to save.
type InvalidError struct{ Field, Why string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Why }

// Validate finds all faults; each is an *InvalidError.
func (w Webhook) Validate() error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, &InvalidError{field, fmt.Sprintf(format, args...)})
	}
	switch u, err := url.Parse(w.URL); {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		bad("url", "must be an address that begins with https://, or http:// inside your own network")
	case u.User != nil:
		bad("url", "must hold no user and password: messages are signed")
	case u.Fragment != "":
		bad("url", "must not hold a #fragment")
	}
	if len(w.Events) == 0 {
		bad("events", `name at least one type of facts, such as "park.*"; "*" is all`)
	}
	for i, p := range w.Events {
		if !pattern.MatchString(p) {
			bad(fmt.Sprintf("events[%d]", i), `%q is neither a type of facts ("call.ended"), a family ("park.*") nor "*"`, p)
		}
	}
	return errors.Join(errs...)
}

// UnknownError is returned for a webhook or delivery that is not there.
type UnknownError struct{ What, ID string }

func (e *UnknownError) Error() string { return fmt.Sprintf("there is no %s %s", e.What, e.ID) }

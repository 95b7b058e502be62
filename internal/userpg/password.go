package userpg

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// cost is what a password's hash costs, kept with each so that it can be raised.
type cost struct {
	memoryKiB uint32
	passes    uint32
	threads   uint8
}

// today is the cost of new hashes: what OWASP asks of argon2id.
var today = cost{memoryKiB: 19 * 1024, passes: 2, threads: 1}

// The most a stored hash may cost: a row that somebody wrote by hand must not
// take the machine's memory.
var most = cost{memoryKiB: 256 * 1024, passes: 10, threads: 8}

// Bounds of a password. Length is what makes it strong; the upper one bounds work.
const (
	MinPassword = 12
	MaxPassword = 200
)

// WeakPasswordError says why a password is not taken.
type WeakPasswordError struct{ Why string }

func (e *WeakPasswordError) Error() string { return "the password " + e.Why }

// acceptable checks a new password of a user.
func acceptable(password, name string) error {
	n := utf8.RuneCountInString(password)
	lower := strings.ToLower(password)
	switch {
	case n < MinPassword:
		return &WeakPasswordError{fmt.Sprintf("has %d characters; %d are the least", n, MinPassword)}
	case len(password) > MaxPassword:
		return &WeakPasswordError{fmt.Sprintf("is longer than %d bytes", MaxPassword)}
	case strings.Contains(lower, strings.ToLower(name)) && len(name) >= 3 && n < MinPassword+len(name):
		return &WeakPasswordError{"is little more than the name"}
	case strings.Count(lower, lower[:1]) == len(lower), strings.HasPrefix(lower, "password") && n < 16,
		strings.HasPrefix("012345678901234567890", lower), strings.HasPrefix("123456789012345678901", lower):
		return &WeakPasswordError{"is one of those that are tried first"}
	}
	return nil
}

// hashing bounds how many passwords are hashed at once: each takes 19 MiB.
type hashing chan struct{}

func (h hashing) enter(ctx context.Context) error {
	select {
	case h <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h hashing) leave() { <-h }

// hash makes the PHC string of a password.
func (h hashing) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	var salt [16]byte
	_, _ = rand.Read(salt[:]) // never fails, see crypto/rand
	sum := argon2.IDKey([]byte(password), salt[:], today.passes, today.memoryKiB, today.threads, 32)
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, today.memoryKiB, today.passes, today.threads, enc(salt[:]), enc(sum)), nil
}

// nobody is a hash that no password has, checked in place of one that is not
// there so that the answer takes as long.
var nobody = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, today.memoryKiB, today.passes, today.threads,
	base64.RawStdEncoding.EncodeToString(make([]byte, 16)), base64.RawStdEncoding.EncodeToString(make([]byte, 32)))

var errHash = errors.New("a stored password is not understood")

// matches reports whether a password is the stored one, and whether the hash is
// cheaper than it would be today.
func (h hashing) matches(ctx context.Context, stored, password string) (ok, cheap bool, err error) {
	if stored == "" {
		stored = nobody
	}
	var version int
	var c cost
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, false, errHash
	}
	if n, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &c.memoryKiB, &c.passes, &c.threads); err != nil || n != 4 || version != argon2.Version {
		return false, false, errHash
	}
	if c.memoryKiB > most.memoryKiB || c.passes < 1 || c.passes > most.passes || c.threads < 1 || c.threads > most.threads {
		return false, false, errHash
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	sum, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(sum) < 16 || len(sum) > 64 {
		return false, false, errHash
	}
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	got := argon2.IDKey([]byte(password), salt, c.passes, c.memoryKiB, c.threads, uint32(len(sum)))
	return subtle.ConstantTimeCompare(got, sum) == 1, c != today, nil
}

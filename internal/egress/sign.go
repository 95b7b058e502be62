package egress

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of Standard Webhooks 1.0.0.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// Signer signs requests as Standard Webhooks 1.0.0 asks. It does not print.
type Signer struct{ keys []secret }

// secret is the key that endpoint and hub share. It does not print.
type secret []byte

func (secret) String() string   { return "[hidden]" }
func (secret) GoString() string { return "[hidden]" }

// NewSigner makes a signer of one or more secrets, each "whsec_…": several
// while receivers change over from one to the next. Empty ones are passed over,
// but one must be there. Errors hold nothing of the secrets.
func NewSigner(secrets ...string) (Signer, error) {
	var s Signer
	for _, one := range secrets {
		if one == "" {
			continue
		}
		key, err := parseSecret(one)
		if err != nil {
			return Signer{}, err
		}
		s.keys = append(s.keys, key)
	}
	if len(s.keys) == 0 {
		return Signer{}, errors.New(`webhook secret: must begin with "whsec_"`)
	}
	return s, nil
}

// NewSecret makes a secret for a new endpoint.
func NewSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// parseSecret reads "whsec_" and base64. Standard Webhooks asks for 24 to 64 bytes.
func parseSecret(s string) (secret, error) {
	b64, ok := strings.CutPrefix(s, "whsec_")
	if !ok {
		return nil, errors.New(`webhook secret: must begin with "whsec_"`)
	}
	key, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		return nil, errors.New("webhook secret: not base64") // the cause would print part of it
	}
	if len(key) < 24 || len(key) > 64 {
		return nil, fmt.Errorf("webhook secret: %d bytes, must be 24 to 64", len(key))
	}
	return key, nil
}

// Sign puts id, time and signature of one attempt into the headers. id is the
// same for every attempt, so that a receiver can drop what it has already; as
// dots separate the parts that are signed, those in it become dashes.
func (s Signer) Sign(h http.Header, id string, at time.Time, body []byte) {
	id = strings.ReplaceAll(id, ".", "-")
	ts := strconv.FormatInt(at.Unix(), 10)
	signatures := make([]string, 0, len(s.keys))
	for _, k := range s.keys {
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(k.mac(id, ts, body)))
	}
	h.Set(headerID, id)
	h.Set(headerTimestamp, ts)
	h.Set(headerSignature, strings.Join(signatures, " "))
}

// mac is HMAC-SHA256 over "id.timestamp.body".
func (s secret) mac(id, timestamp string, body []byte) []byte {
	m := hmac.New(sha256.New, s)
	m.Write([]byte(id + "." + timestamp + "."))
	m.Write(body)
	return m.Sum(nil)
}

// ErrSignature says that a webhook does not come from who holds the secret, or
// is a replay of an old one.
var ErrSignature = errors.New("webhook signature does not fit")

// tolerance is how far the sender's clock may be off.
const tolerance = 5 * time.Minute

// Verify is the receiver's part: it checks that a webhook was sent by a holder
// of the secret ("whsec_…") within five minutes of now. ErrSignature if not.
func Verify(whsec string, h http.Header, body []byte, now time.Time) error {
	key, err := parseSecret(whsec)
	if err != nil {
		return err
	}
	ts := h.Get(headerTimestamp)
	sec, err := strconv.ParseInt(ts, 10, 64)
	if err != nil || now.Sub(time.Unix(sec, 0)).Abs() > tolerance {
		return fmt.Errorf("%w: timestamp %q", ErrSignature, ts)
	}
	want := key.mac(h.Get(headerID), ts, body)
	for s := range strings.FieldsSeq(h.Get(headerSignature)) { // several while a secret is being changed
		b64, v1 := strings.CutPrefix(s, "v1,")
		got, err := base64.StdEncoding.DecodeString(b64)
		if v1 && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return ErrSignature
}

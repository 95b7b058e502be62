package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer is how much of an answer is read.
const maxAnswer = 64 << 10

// ErrTooLarge says that an answer is longer than what is read of one.
var ErrTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxAnswer)

// ErrNoSecret says that a request was to be signed and there is nothing to do it with.
var ErrNoSecret = errors.New("there is no secret to sign with")

// Question is one request for JSON.
type Question struct {
	ID      string // of the request: signed with it
	Method  string
	URL     string
	Headers map[string]string
	Body    []byte // JSON; nil: none
	Signed  bool
	Wanted  bool // the answer is; else the status alone
}

// Asker asks other systems.
type Asker struct {
	Client *http.Client
	Signer *Signer // nil: nothing can be signed
	Now    func() time.Time
}

// Ask makes a request, within ctx from its beginning to the last byte of the
// answer. An answer of any status is one. Errors hold neither the address,
// which may have what is nobody else's business in its query, nor anything
// that was answered.
func (a Asker) Ask(ctx context.Context, q Question) (status int, answer []byte, err error) {
	var body io.Reader
	if q.Body != nil {
		body = bytes.NewReader(q.Body)
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, q.URL, body)
	if err != nil {
		return 0, nil, errors.New("the address is none")
	}
	for k, v := range q.Headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Callyard")
	if q.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.Signed {
		if a.Signer == nil {
			return 0, nil, ErrNoSecret
		}
		a.Signer.Sign(req.Header, q.ID, a.Now(), q.Body)
	}
	res, err := a.Client.Do(req)
	if err != nil {
		return 0, nil, withoutAddress(err)
	}
	defer func() { _ = res.Body.Close() }()
	if !q.Wanted {
		return res.StatusCode, nil, nil
	}
	if res.ContentLength > maxAnswer {
		return res.StatusCode, nil, ErrTooLarge
	}
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return res.StatusCode, nil, fmt.Errorf("read the answer: %w", withoutAddress(err))
	case len(answer) > maxAnswer:
		return res.StatusCode, nil, ErrTooLarge
	}
	return res.StatusCode, answer, nil
}

// withoutAddress is the cause of an error of the client's.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

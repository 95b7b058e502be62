// Package sender posts webhooks' messages, signed as Standard Webhooks 1.0.0 asks.
package sender

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/egress"
	"github.com/callyard/callyard/webhooks"
)

// longest is how much of a refusal is kept.
const longest = 300

// Sender posts with a client of package egress.
type Sender struct{ Client *http.Client }

var _ webhooks.Poster = Sender{}

// Post implements webhooks.Poster.
func (s Sender) Post(ctx context.Context, w webhooks.Webhook, d webhooks.Delivery, now time.Time) (webhooks.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(d.Body))
	if err != nil {
		return webhooks.Answer{}, errors.New("the address is not understood")
	}
	var secrets []string
	for _, one := range w.Secrets(now) {
		secrets = append(secrets, string(one))
	}
	signer, err := egress.NewSigner(secrets...)
	if err != nil {
		return webhooks.Answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Callyard")
	signer.Sign(req.Header, d.Message, now, d.Body)

	res, err := s.Client.Do(req)
	if errors.Is(err, egress.ErrCrowded) {
		return webhooks.Answer{}, webhooks.ErrCrowded
	}
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the address, which may hold a token
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %s", webhooks.Timeout)
		}
		return webhooks.Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	a := webhooks.Answer{Status: res.StatusCode, RetryAfter: retryAfter(res.Header.Get("Retry-After"), now)}
	if a.Status/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(res.Body, longest)) // the status alone decides
		a.Excerpt = legible(said)
	}
	return a, nil
}

// legible keeps what a person can read and Postgres can store.
func legible(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), ""))
}

// retryAfter reads the header of RFC 9110 §10.2.3: seconds, or a date.
func retryAfter(v string, now time.Time) time.Duration {
	if s, err := strconv.Atoi(v); err == nil {
		return max(0, time.Duration(min(s, 86400))*time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

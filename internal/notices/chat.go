package notices

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/egress"
)

// Chat posts into a room, by its incoming webhook: {"text": "…"}, as Slack,
// Mattermost, Teams and others take it.
type Chat struct {
	url    string
	client *http.Client
}

// NewChat checks an address. It is written by whoever runs the hub, so it may
// lead inside.
func NewChat(address string) (*Chat, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("must be http:// or https://") // the address itself is the secret
	}
	return &Chat{address, egress.New(egress.Config{Allow: egress.Everywhere(), PerHost: 10})}, nil
}

// Send posts a notice. The errors are those of Mail.Send, and *BusyError.
func (c *Chat) Send(ctx context.Context, n Notice) error {
	body, err := json.Marshal(map[string]string{"text": tame(newPage(n).plain())})
	if err != nil {
		return &RefusedError{Why: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return &RefusedError{Why: "the address is none"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Callyard")
	res, err := c.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address
		}
		return fmt.Errorf("post to the chat: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4096)) // the connection can be used again
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil
	case code == http.StatusTooManyRequests:
		after, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return &BusyError{time.Duration(min(max(after, 1), 3600)) * time.Second}
	case code >= 500 || code == http.StatusRequestTimeout:
		return fmt.Errorf("the chat answers %d", code)
	default:
		return &RefusedError{Why: fmt.Sprintf("the chat answers %d", code)}
	}
}

// tame keeps what a caller or a CRM says from being read as a mention of
// everybody or as a link with another text.
func tame(s string) string {
	return strings.NewReplacer("<", "‹", ">", "›", "@", "@\u200b", "](", "] (").Replace(s)
}

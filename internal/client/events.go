package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/callyard/callyard/internal/call"
)

// Fact is an event of the ledger as the hub sends it.
type Fact struct {
	call.Event
	AgeMS int64 `json:"age_ms"`

	Raw json.RawMessage `json:"-"` // the event whole
}

// ErrStreamEnded is returned when the hub has closed the stream of events.
var ErrStreamEnded = errors.New("the hub has closed the stream of events: it is stopping, or this reader was too slow")

// Events is an open stream of the ledger's events.
type Events struct {
	body   io.ReadCloser
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

// Events opens the stream of events. What happens after it has returned is in it.
func (c *Client) Events(ctx context.Context) (*Events, error) {
	ctx, cancel := context.WithCancel(ctx)
	res, err := c.send(ctx, Request{Path: "/v1/events", Header: http.Header{"Accept": {"text/event-stream"}}}) //nolint:bodyclose // Close does
	if err != nil {
		cancel()
		return nil, err
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 64<<10), 16<<20) // a snapshot is one line
	e := &Events{body: res.Body, lines: lines, cancel: cancel}
	if _, err := e.block(); err != nil { // the snapshot
		e.Close()
		return nil, err
	}
	return e, nil
}

// Close ends the stream.
func (e *Events) Close() {
	e.cancel()
	_ = e.body.Close()
}

// Next waits for the next fact.
func (e *Events) Next() (Fact, error) {
	for {
		data, err := e.block()
		if err != nil {
			return Fact{}, err
		}
		var f Fact
		if err := json.Unmarshal([]byte(data), &f); err != nil || f.Type == "" || f.Call == "" {
			continue // a snapshot, a change of the board: not the ledger's
		}
		f.Raw = json.RawMessage(data)
		return f, nil
	}
}

// block reads up to the empty line that ends an event. Comments keep the
// connection open and are passed over.
func (e *Events) block() (data string, err error) {
	var lines []string
	for e.lines.Scan() {
		line := e.lines.Text()
		if line == "" {
			if len(lines) > 0 {
				return strings.Join(lines, "\n"), nil
			}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		if field == "data" {
			lines = append(lines, value)
		}
	}
	if err := e.lines.Err(); err != nil {
		return "", fmt.Errorf("%w (%w)", ErrStreamEnded, err)
	}
	return "", ErrStreamEnded
}

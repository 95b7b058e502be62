package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

// Listening is what to be told of.
type Listening struct {
	Call  string // only of this call
	Type  string // only these, with commas: "park.parked,queue.*"
	After string // go on behind the message with this id
}

// Message is one message of the stream as it comes.
type Message struct {
	ID    string          // to go on behind it; "" of one that is no place
	Event string          // "snapshot", "resync", or the type of a fact
	Data  json.RawMessage // a fact, or how things stand
}

// Events opens the stream of events. What happens after it has returned is in it.
func (c *Client) Events(ctx context.Context) (*Events, error) {
	e, err := c.Listen(ctx, Listening{})
	if err != nil {
		return nil, err
	}
	if _, err := e.Message(); err != nil { // the snapshot
		e.Close()
		return nil, err
	}
	return e, nil
}

// Listen opens the stream of events. The first message is the snapshot, unless
// it goes on behind another one.
func (c *Client) Listen(ctx context.Context, l Listening) (*Events, error) {
	q := url.Values{}
	for key, v := range map[string]string{"call": l.Call, "type": l.Type} {
		if v != "" {
			q.Set(key, v)
		}
	}
	path := "/v1/events"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	header := http.Header{"Accept": {"text/event-stream"}}
	if l.After != "" {
		header.Set("Last-Event-ID", l.After)
	}
	ctx, cancel := context.WithCancel(ctx)
	res, err := c.send(ctx, Request{Path: path, Header: header}) //nolint:bodyclose // Close does
	if err != nil {
		cancel()
		return nil, err
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(make([]byte, 64<<10), 16<<20) // a snapshot is one line
	return &Events{body: res.Body, lines: lines, cancel: cancel}, nil
}

// Close ends the stream.
func (e *Events) Close() {
	e.cancel()
	_ = e.body.Close()
}

// Next waits for the next fact.
func (e *Events) Next() (Fact, error) {
	for {
		m, err := e.Message()
		if err != nil {
			return Fact{}, err
		}
		var f Fact
		if err := json.Unmarshal(m.Data, &f); err != nil || f.Type == "" || f.Call == "" {
			continue // a snapshot, a change of the board: not the ledger's
		}
		f.Raw = m.Data
		return f, nil
	}
}

// Message waits for the next message: up to the empty line that ends it. Comments
// keep the connection open and are passed over.
func (e *Events) Message() (m Message, err error) {
	var lines []string
	for e.lines.Scan() {
		line := e.lines.Text()
		if line == "" {
			if len(lines) > 0 {
				m.Data = json.RawMessage(strings.Join(lines, "\n"))
				return m, nil
			}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "data":
			lines = append(lines, value)
		case "id":
			m.ID = value
		case "event":
			m.Event = value
		}
	}
	if err := e.lines.Err(); err != nil {
		return Message{}, fmt.Errorf("%w (%w)", ErrStreamEnded, err)
	}
	return Message{}, ErrStreamEnded
}

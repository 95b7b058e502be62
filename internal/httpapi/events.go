package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/callpg"
	"github.com/callyard/callyard/parking"
)

// Snapshot is how things stand when a client begins to listen.
type Snapshot struct {
	Parked []ParkedCall `json:"parked_calls"`
	Live   []LiveCall   `json:"live_calls" doc:"Of this node"`
	Cursor string       `json:"cursor" doc:"Also the id of the event"`
}

// LiveCall is a call that is going on.
type LiveCall struct {
	ID      call.ID     `json:"id"`
	From    call.Number `json:"from"`
	To      call.Number `json:"to"`
	State   string      `json:"state" enum:"routing,parked,queued,talking"`
	Agent   string      `json:"agent,omitempty"`
	Since   time.Time   `json:"since"`
	Ringing int         `json:"ringing" doc:"Phones that ring for it"`
}

// catchUp is how many events are read at once for a client that was away.
const catchUp = 500

func (a *api) events() {
	route(a, op{
		method: "GET", path: "/v1/events", scope: "read", role: "rep", id: "stream_events",
		summary: "What happens, as server-sent events: a snapshot first, then every fact of the ledger",
		also: func(o *huma.Operation) {
			o.Description = "The first event is snapshot, unless Last-Event-ID says where to go on. " +
				"Then come the facts of the ledger, named for their type; one that is in the snapshot already may come again. " +
				"resync means that what was missed cannot be told any more: a snapshot follows."
			r := a.huma.OpenAPI().Components.Schemas
			r.Schema(reflect.TypeFor[Snapshot](), true, "")
			r.Schema(reflect.TypeFor[Event](), true, "")
			o.Responses = map[string]*huma.Response{"200": {Description: "The stream: data is a Snapshot or an Event", Content: map[string]*huma.MediaType{
				"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}},
			}}}
		},
	}, a.stream)
}

type listening struct {
	LastEventID string `header:"Last-Event-ID" maxLength:"64"`
	Call        string `query:"call" maxLength:"64" doc:"Only of this call"`
	Type        string `query:"type" maxLength:"500" doc:"Only these, with commas: park.parked,queue.*"`
}

func (a *api) stream(_ context.Context, in *listening) (*huma.StreamResponse, error) {
	c, err := a.Feed.join()
	if err != nil {
		return nil, &Problem{Status: http.StatusServiceUnavailable, Code: "starting", Detail: "events are not to be had yet", headers: retryAfter("1")}
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) { //nolint:contextcheck // huma.Context carries the request's
		defer a.Feed.leave(c)
		s := &stream{api: a, in: *in, out: http.NewResponseController(unwrap(ctx).Writer), w: ctx}
		if err := s.run(ctx.Context(), c); err != nil && ctx.Context().Err() == nil {
			a.Log.DebugContext(ctx.Context(), "event stream ended", "request_id", requestOf(ctx.Context()).id, "err", err)
		}
	}}, nil
}

// stream is one client's connection. It belongs to the request's goroutine.
type stream struct {
	*api
	in  listening
	out *http.ResponseController
	w   huma.Context
	// told are the events that the client has been told and that its lots of the
	// feed may hold too.
	told map[int64]bool
}

func (s *stream) run(ctx context.Context, c *client) error {
	s.w.SetHeader("Content-Type", "text/event-stream")
	s.w.SetHeader("Cache-Control", "no-store")
	s.w.SetHeader("X-Accel-Buffering", "no")
	s.w.SetStatus(http.StatusOK)
	// The server's deadline for reading a request is not for one that lasts.
	if err := s.out.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if err := s.write([]byte(": hello\n\n")); err != nil {
		return err
	}
	from, err := s.begin(ctx, c)
	if err != nil {
		return err
	}
	ping := time.NewTicker(s.Feed.Ping)
	defer ping.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ping.C:
			if err := s.still(ctx); err != nil {
				return err
			}
			if err := s.write([]byte(": ping\n\n")); err != nil {
				return err
			}
		case l, ok := <-c.lots:
			switch {
			case !ok:
				return errors.New("the client was too slow, or the feed has ended")
			case !before(from, l.next): // the snapshot has all of it
				continue
			}
			events := l.events
			// A feed that is behind the one that the client has come from: only of its first lot.
			if i := slices.IndexFunc(events, func(e call.Event) bool { return e.ID == from.ID }); i >= 0 {
				events = events[i+1:]
			}
			if err := s.send(events); err != nil {
				return err
			}
		}
	}
}

// begin tells the client how things stand, or what it missed, up to where its
// lots of the feed go on.
func (s *stream) begin(ctx context.Context, c *client) (callpg.Cursor, error) {
	from, err := s.resume(ctx)
	switch {
	case err != nil:
		return from, err
	case from != (callpg.Cursor{}):
		ok, err := s.catchUp(ctx, from, c.from)
		if err != nil || ok {
			return from, err
		}
	}
	if s.in.LastEventID != "" {
		if err := s.write([]byte("event: resync\ndata: {}\n\n")); err != nil {
			return from, err
		}
	}
	return s.snapshot(ctx, c)
}

// resume is where the client stopped; zero if it cannot be told.
func (s *stream) resume(ctx context.Context) (callpg.Cursor, error) {
	if s.in.LastEventID == "" {
		return callpg.Cursor{}, nil
	}
	if c, err := callpg.ParseCursor(s.in.LastEventID); err == nil {
		return c, nil
	}
	id, err := strconv.ParseInt(s.in.LastEventID, 10, 64)
	if err != nil {
		return callpg.Cursor{}, nil //nolint:nilerr // not ours: the client is told all anew
	}
	c, err := s.Feed.ledger.After(ctx, id)
	if errors.Is(err, callpg.ErrNoEvent) {
		return callpg.Cursor{}, nil
	}
	return c, err
}

// catchUp sends what came between two places of the ledger. ok is false when
// that is too much, or the first place is in the future.
func (s *stream) catchUp(ctx context.Context, from, to callpg.Cursor) (ok bool, err error) {
	tip, err := s.Feed.ledger.Tip(ctx)
	if err != nil {
		return false, err
	}
	if before(tip, callpg.Cursor{Tx: from.Tx}) && before(to, callpg.Cursor{Tx: from.Tx}) {
		return false, nil // of another database
	}
	if many, err := s.Feed.ledger.More(ctx, from, to, s.Feed.Most); err != nil || many {
		return false, err
	}
	s.told = map[int64]bool{}
	for before(from, to) {
		events, next, err := s.Feed.ledger.Since(ctx, from, catchUp)
		if err != nil {
			return false, err
		}
		if len(events) == 0 {
			break
		}
		if before(to, next) {
			for _, e := range events {
				s.told[e.ID] = true
			}
		}
		if err := s.write(s.lines(events)); err != nil {
			return false, err
		}
		from = next
	}
	return true, nil
}

func (s *stream) snapshot(ctx context.Context, c *client) (callpg.Cursor, error) {
	tip, err := s.Feed.ledger.Tip(ctx)
	if err != nil {
		return tip, err
	}
	parks, err := s.Lots.Live(ctx, parking.Filter{Call: call.ID(s.in.Call)})
	if err != nil {
		return tip, err
	}
	snap := Snapshot{Cursor: tip.String(), Parked: turned(parks, s.parkOf), Live: []LiveCall{}}
	for _, l := range s.Live.Live() {
		if s.in.Call == "" || string(l.ID) == s.in.Call {
			snap.Live = append(snap.Live, liveOf(l))
		}
	}
	data, err := json.Marshal(snap)
	if err != nil {
		return tip, err
	}
	if err := s.write(fmt.Appendf(nil, "id: %s\nevent: snapshot\ndata: %s\n\n", tip, data)); err != nil {
		return tip, err
	}
	_, err = s.catchUp(ctx, tip, c.from) // the feed may have been ahead when the client joined
	return tip, err
}

func (s *stream) send(events []call.Event) error {
	fresh := make([]call.Event, 0, len(events))
	for _, e := range events {
		if s.told[e.ID] {
			delete(s.told, e.ID)
			continue
		}
		fresh = append(fresh, e)
	}
	return s.write(s.lines(fresh))
}

func (s *stream) lines(events []call.Event) []byte {
	var b bytes.Buffer
	for _, e := range events {
		if !s.in.wants(e) {
			continue
		}
		data, err := json.Marshal(eventOf(e))
		if err != nil {
			s.Log.Warn("event not shown", "event", e.ID, "err", err)
			continue
		}
		fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Type, data)
	}
	return b.Bytes()
}

func (s *stream) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := s.out.SetWriteDeadline(time.Now().Add(s.Feed.Patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.BodyWriter().Write(b); err != nil {
		return err
	}
	return s.out.Flush()
}

func (in listening) wants(e call.Event) bool {
	if in.Call != "" && string(e.Call) != in.Call {
		return false
	}
	if in.Type == "" {
		return true
	}
	for t := range strings.SplitSeq(in.Type, ",") {
		if family, ok := strings.CutSuffix(t, "*"); ok && strings.HasPrefix(string(e.Type), family) || t == string(e.Type) {
			return true
		}
	}
	return false
}

func liveOf(s callctl.Snapshot) LiveCall {
	return LiveCall{ID: s.ID, From: s.From, To: s.To, State: s.State, Agent: s.Agent, Since: s.Since, Ringing: s.Ringing}
}

package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/voicemail"
)

// Voicemail is the messages that callers left, with their sound, and what boxes
// greet callers with.
type Voicemail interface {
	Boxes(ctx context.Context) ([]voicemail.Count, error)
	Messages(ctx context.Context, f voicemail.Filter) ([]voicemail.Message, error)
	Message(ctx context.Context, id string) (voicemail.Message, error)
	Heard(ctx context.Context, id, by string, at time.Time) (voicemail.Message, error)
	Renew(ctx context.Context, id string) (voicemail.Message, error)
	Delete(ctx context.Context, id string) (voicemail.Message, error) // with its file
	Sound(m voicemail.Message) ([]byte, error)

	HasGreeting(box string) bool
	Greeting(ctx context.Context, box string) ([]byte, error)
	SetGreeting(ctx context.Context, box string, wav []byte) error
	DropGreeting(ctx context.Context, box string) error
}

// VoicemailBox is a box that holds messages.
type VoicemailBox struct {
	Name     string `json:"name"`
	New      int    `json:"new"`
	Heard    int    `json:"heard"`
	Greeting bool   `json:"greeting" doc:"Whether it has one of its own"`
}

// VoicemailMessage is a message that a caller left.
type VoicemailMessage struct {
	ID      string      `json:"id"`
	Box     string      `json:"box"`
	Call    call.ID     `json:"call_id"`
	Node    call.NodeID `json:"node" doc:"Which has the sound"`
	From    call.Number `json:"from"`
	Name    string      `json:"name"`
	Length  int64       `json:"length_ms"`
	LeftAt  time.Time   `json:"left_at"`
	HeardAt *time.Time  `json:"heard_at" nullable:"true" doc:"null: new"`
	HeardBy string      `json:"heard_by"`
}

func messageOf(m voicemail.Message) VoicemailMessage {
	return VoicemailMessage{
		ID: m.ID, Box: m.Box, Call: m.Call, Node: m.Node, From: m.From, Name: m.Name, Length: m.Length.Milliseconds(),
		LeftAt: m.LeftAt, HeardAt: moment(m.HeardAt), HeardBy: m.HeardBy,
	}
}

// sound is an answer that is a WAV file.
type sound struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func wavFile(b []byte, err error) (*sound, error) { return &sound{"audio/wav", b}, err }

// hears documents an answer that is a WAV file.
func hears(o *huma.Operation) {
	o.Responses = map[string]*huma.Response{"200": {
		Description: "A WAV file", Content: map[string]*huma.MediaType{"audio/wav": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
}

// Mailbox is the box in a path.
type Mailbox struct {
	Box string `path:"name" maxLength:"64"`
}

// Resolve refuses names that no box can have.
func (m *Mailbox) Resolve(huma.Context) []error {
	if !voicemail.ValidBox(m.Box) {
		return []error{&huma.ErrorDetail{Message: "no box can be named so", Location: "path.name", Value: m.Box}}
	}
	return nil
}

func (a *api) voicemail() {
	route(a, op{method: "GET", path: "/v1/voicemail_boxes", scope: "read", role: "manager", id: "list_voicemail_boxes", summary: "List the boxes that hold messages"},
		func(ctx context.Context, in *struct{ Paging }) (*body[Page[VoicemailBox]], error) {
			counts, err := a.Voicemail.Boxes(ctx)
			if err != nil {
				return nil, err
			}
			var all []VoicemailBox
			for _, c := range counts {
				all = append(all, VoicemailBox{Name: c.Box, New: c.New, Heard: c.Heard, Greeting: a.Voicemail.HasGreeting(c.Box)})
			}
			return page(all, func(b VoicemailBox) string { return b.Name }, in.Paging)
		})
	a.greetings()
	route(a, op{method: "GET", path: "/v1/voicemail_messages", scope: "read", role: "manager", id: "list_voicemail_messages", summary: "List messages, the latest first"},
		func(ctx context.Context, in *struct {
			Paging
			Box string `query:"box" maxLength:"64"`
			New bool   `query:"new" doc:"Only those that nobody has heard"`
		},
		) (*body[Page[VoicemailMessage]], error) {
			before, err := in.after()
			if err != nil {
				return nil, err
			}
			list, err := a.Voicemail.Messages(ctx, voicemail.Filter{Box: in.Box, New: in.New, Before: before, Limit: in.Limit + 1})
			if err != nil {
				return nil, err
			}
			var all []VoicemailMessage
			for _, m := range list {
				all = append(all, messageOf(m))
			}
			if len(all) <= in.Limit {
				return last(all), nil
			}
			all = all[:in.Limit]
			return part(all, cursorOf(all[in.Limit-1].ID)), nil
		})
	route(a, op{method: "GET", path: "/v1/voicemail_messages/{id}", scope: "read", role: "manager", id: "read_voicemail_message", summary: "Read a message"},
		func(ctx context.Context, in *Identified) (*body[VoicemailMessage], error) {
			m, err := a.Voicemail.Message(ctx, in.ID)
			return &body[VoicemailMessage]{messageOf(m)}, err
		})
	route(a, op{method: "GET", path: "/v1/voicemail_messages/{id}/audio", scope: "read", role: "manager", id: "hear_voicemail_message", summary: "The sound of a message; that does not make it heard", also: hears},
		func(ctx context.Context, in *Identified) (*sound, error) {
			m, err := a.Voicemail.Message(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return wavFile(a.Voicemail.Sound(m))
		})
	route(a, op{method: "PUT", path: "/v1/voicemail_messages/{id}/heard", scope: "write", role: "manager", id: "mark_voicemail_message", summary: "Mark a message as heard, or as new again"},
		func(ctx context.Context, in *struct {
			Identified
			Body struct {
				Heard bool   `json:"heard"`
				By    string `json:"by,omitempty" maxLength:"64" doc:"The agent"`
			}
		},
		) (*body[VoicemailMessage], error) {
			var m voicemail.Message
			var err error
			if in.Body.Heard {
				m, err = a.Voicemail.Heard(ctx, in.ID, in.Body.By, a.Now())
			} else {
				m, err = a.Voicemail.Renew(ctx, in.ID)
			}
			return &body[VoicemailMessage]{messageOf(m)}, err
		})
	route(a, op{method: "DELETE", path: "/v1/voicemail_messages/{id}", scope: "write", role: "manager", id: "delete_voicemail_message", summary: "Delete a message and its sound"},
		func(ctx context.Context, in *Identified) (*nothing, error) {
			_, err := a.Voicemail.Delete(ctx, in.ID)
			return nil, err
		})
}

func (a *api) greetings() {
	const path = "/v1/voicemail_boxes/{name}/greeting"
	route(a, op{method: "GET", path: path, scope: "read", role: "manager", id: "hear_voicemail_greeting", summary: "What callers of a box hear before the beep", also: hears},
		func(ctx context.Context, in *Mailbox) (*sound, error) {
			return wavFile(a.Voicemail.Greeting(ctx, in.Box))
		})
	route(a, op{
		method: "PUT", path: path, scope: "write", role: "admin", id: "set_voicemail_greeting", summary: "Give a box a greeting of its own, on all nodes",
		takes: map[string]*huma.Schema{"audio/wav": {Type: huma.TypeString, Format: "binary", Description: "A WAV file, at most 1 MiB: a minute of 8 kHz, 16 bit, mono"}},
	}, func(ctx context.Context, in *struct {
		Mailbox
		RawBody []byte
	},
	) (*nothing, error) {
		return nil, a.Voicemail.SetGreeting(ctx, in.Box, in.RawBody)
	})
	route(a, op{method: "DELETE", path: path, scope: "write", role: "admin", id: "delete_voicemail_greeting", summary: "Greet a box's callers as usual again"},
		func(ctx context.Context, in *Mailbox) (*nothing, error) {
			return nil, a.Voicemail.DropGreeting(ctx, in.Box)
		})
}

// voicemailProblem is the part of the table of errors that is about messages.
func voicemailProblem(err error) *Problem {
	if e, ok := errors.AsType[*voicemail.UnknownError](err); ok {
		return &Problem{Status: http.StatusNotFound, Code: "voicemail_message_not_found", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*voicemail.ElsewhereError](err); ok {
		return &Problem{Status: http.StatusConflict, Code: "voicemail_on_another_node", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*voicemail.NoSoundError](err); ok {
		return &Problem{Status: http.StatusNotFound, Code: "sound_not_found", Detail: e.Error()}
	}
	if e, ok := errors.AsType[*voicemail.BadSoundError](err); ok {
		p := &Problem{Status: http.StatusUnprocessableEntity, Code: "sound_not_understood", Detail: e.Error()}
		return p.in("body", "wants WAV")
	}
	return nil
}

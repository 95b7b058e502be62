package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/callyard/callyard/internal/media/clip"
	"github.com/callyard/callyard/internal/media/wav"
	"github.com/callyard/callyard/internal/promptpg"
	"github.com/callyard/callyard/internal/speech"
	"github.com/callyard/callyard/routing"
)

// maxSound is the longest sound file that is taken, in bytes: half an hour of
// 16 kHz WAV, or a good deal of music as MP3.
const maxSound = 64 << 20

// Prompts is the sounds that people uploaded or had spoken.
type Prompts interface {
	Prompts(ctx context.Context) ([]promptpg.Prompt, error)
	Prompt(ctx context.Context, name string) (promptpg.Prompt, error)
	Sound(ctx context.Context, name string) ([]byte, error)
	Save(ctx context.Context, p promptpg.Prompt, wav []byte) (promptpg.Prompt, error)
	Delete(ctx context.Context, name string) error
}

// Prompt is a sound that flows, lots and queues play by its name.
type Prompt struct {
	Name     string     `json:"name"`
	Text     string     `json:"text,omitempty" doc:"What was spoken; absent for a recording"`
	Lang     string     `json:"lang,omitempty"`
	LengthMS int64      `json:"length_ms,omitempty"`
	BuiltIn  bool       `json:"built_in,omitempty" doc:"Comes with the program; uploading one of this name takes its place until it is deleted"`
	SavedAt  *time.Time `json:"saved_at,omitempty"`
}

// Spoken is a text to be made a prompt.
type Spoken struct {
	Text string `json:"text" minLength:"1" maxLength:"1200"`
	Lang string `json:"lang,omitempty" maxLength:"20" doc:"A language tag: en, pt-BR; empty: en"`
}

// PromptName is the name of a prompt in a path.
type PromptName struct {
	Name string `path:"name" maxLength:"64" pattern:"^[a-z0-9][a-z0-9_-]*$" patternDescription:"small letters, digits, - and _"`
}

func (a *api) prompts() {
	route(a, op{method: "GET", path: "/v1/prompts", scope: "read", role: "manager", id: "list_prompts", summary: "List prompts and music, those that come with the program too"},
		func(ctx context.Context, in *Paging) (*body[Page[Prompt]], error) {
			all, err := a.allPrompts(ctx)
			if err != nil {
				return nil, err
			}
			return page(all, func(p Prompt) string { return p.Name }, *in)
		})
	route(a, op{method: "GET", path: "/v1/prompts/{name}", scope: "read", role: "manager", id: "read_prompt", summary: "Read what is known of a prompt"},
		func(ctx context.Context, in *PromptName) (*body[Prompt], error) {
			p, err := a.Prompts.Prompt(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			return &body[Prompt]{promptOf(p)}, nil
		})
	route(a, op{method: "GET", path: "/v1/prompts/{name}/audio", scope: "read", role: "manager", id: "hear_prompt", summary: "The sound, as WAV", also: answersWAV},
		func(ctx context.Context, in *PromptName) (*file, error) {
			b, err := a.Prompts.Sound(ctx, in.Name)
			return &file{"audio/wav", b}, err
		})
	route(a, op{
		method: "PUT", path: "/v1/prompts/{name}", scope: "write", role: "admin", id: "save_prompt", summary: "Make or replace a prompt by a WAV or MP3 file, brought to the loudness of the others", most: maxSound,
		takes: map[string]*huma.Schema{
			"audio/wav":  {Type: huma.TypeString, Format: "binary"},
			"audio/mpeg": {Type: huma.TypeString, Format: "binary"},
		},
	}, func(ctx context.Context, in *struct {
		PromptName
		RawBody []byte
	},
	) (*body[Prompt], error) {
		pcm, err := clip.Read(in.RawBody)
		if err != nil {
			p := &Problem{Status: http.StatusUnprocessableEntity, Code: "not_a_sound", Detail: "The file cannot be played: " + err.Error() + "."}
			return nil, p.in("body", "wants WAV or MP3")
		}
		return a.savePrompt(ctx, promptpg.Prompt{Name: in.Name}, wav.Linear(pcm, clip.Rate))
	})
	route(a, op{method: "POST", path: "/v1/prompts/{name}/speech", scope: "write", role: "admin", id: "speak_prompt", summary: "Make or replace a prompt by a text that is spoken"},
		func(ctx context.Context, in *struct {
			PromptName
			Body Spoken
		},
		) (*body[Prompt], error) {
			p := promptpg.Prompt{Name: in.Name, Text: strings.TrimSpace(in.Body.Text), Lang: cmp.Or(in.Body.Lang, "en")}
			file, err := a.Speak(ctx, p.Text, p.Lang)
			switch {
			case errors.Is(err, speech.ErrNoCommand):
				return nil, &Problem{Status: http.StatusNotImplemented, Code: "no_speech", Detail: err.Error()}
			case errors.Is(err, speech.ErrLanguage):
				return nil, wrong("body.lang", "%s", err)
			case err != nil:
				p := &Problem{Status: http.StatusUnprocessableEntity, Code: "not_spoken", Detail: err.Error()}
				return nil, p.in("body.text", "cannot be spoken")
			}
			return a.savePrompt(ctx, p, file)
		})
	route(a, op{method: "DELETE", path: "/v1/prompts/{name}", scope: "write", role: "admin", id: "delete_prompt", summary: "Delete a prompt that nothing plays"},
		func(ctx context.Context, in *PromptName) (*nothing, error) {
			if err := a.unplayed(ctx, in.Name); err != nil {
				return nil, err
			}
			return a.changed(ctx, a.Prompts.Delete(ctx, in.Name))
		})
}

func (a *api) savePrompt(ctx context.Context, p promptpg.Prompt, file []byte) (*body[Prompt], error) {
	p.SavedAt = a.Now().UTC().Truncate(time.Millisecond)
	p.Length = time.Duration((len(file)-wav.HeaderSize)/2) * time.Second / clip.Rate
	p, err := a.Prompts.Save(ctx, p, file)
	if err != nil {
		return nil, err
	}
	return &body[Prompt]{promptOf(p)}, a.Changed(ctx)
}

func (a *api) allPrompts(ctx context.Context) ([]Prompt, error) {
	stored, err := a.Prompts.Prompts(ctx)
	if err != nil {
		return nil, err
	}
	var all []Prompt
	for _, p := range stored {
		if unlisted(p.Name) {
			continue
		}
		all = append(all, promptOf(p))
	}
	for _, name := range a.Sounds() {
		if !unlisted(name) && !slices.ContainsFunc(all, func(p Prompt) bool { return p.Name == name }) {
			all = append(all, Prompt{Name: name, BuiltIn: true})
		}
	}
	slices.SortFunc(all, func(p, q Prompt) int { return strings.Compare(p.Name, q.Name) })
	return all, nil
}

// unlisted are sounds that nobody names: texts and messages that are heard just
// now, and greetings, which belong to their boxes.
func unlisted(name string) bool {
	folder, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{"say", "message", "greetings"}, folder)
}

// unplayed refuses to delete what something plays: the flow, lot or queue would
// be silent where a caller expects to hear something.
func (a *api) unplayed(ctx context.Context, name string) error {
	var users []string
	flows, err := a.Flows.Flows(ctx)
	if err != nil {
		return err
	}
	without := routing.Known{Prompt: func(p string) bool { return p != name }}
	for _, f := range flows {
		if f.Live == 0 {
			continue
		}
		v, err := a.Flows.Version(ctx, f.Name, f.Live)
		if err != nil {
			return err
		}
		parsed, err := v.Parse()
		if err == nil && len(routing.Lint(parsed, without)) > len(routing.Lint(parsed, routing.Known{})) {
			users = append(users, "flow "+f.Name)
		}
	}
	lots, err := a.Lots.Lots(ctx)
	if err != nil {
		return err
	}
	for _, l := range lots {
		if l.Music == name {
			users = append(users, "lot "+l.Name)
		}
	}
	qs, err := a.Agents.Queues(ctx)
	if err != nil {
		return err
	}
	for _, q := range qs {
		if q.Music == name {
			users = append(users, "queue "+q.Name)
		}
	}
	if len(users) > 0 {
		return &Problem{Status: http.StatusConflict, Code: "prompt_in_use", Detail: fmt.Sprintf("Prompt %q is played by %s.", name, strings.Join(users, ", "))}
	}
	return nil
}

func promptOf(p promptpg.Prompt) Prompt {
	return Prompt{Name: p.Name, Text: p.Text, Lang: p.Lang, LengthMS: p.Length.Milliseconds(), SavedAt: &p.SavedAt}
}

// file is an answer that is no JSON.
type file struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// answersWAV documents an answer that is a sound.
func answersWAV(o *huma.Operation) {
	o.Responses = map[string]*huma.Response{"200": {Description: "A WAV file", Content: map[string]*huma.MediaType{
		"audio/wav": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
	}}}
}

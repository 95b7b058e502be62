package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// Recording is a conversation that was recorded: the caller left, the rep right.
type Recording struct {
	N        int       `json:"n" doc:"1 for the call's first conversation"`
	Agent    string    `json:"agent,omitempty"`
	BeganAt  time.Time `json:"began_at"`
	LengthMS int64     `json:"length_ms"`
	Paused   bool      `json:"paused,omitempty" doc:"Parts of it were left out"`
	file     string
}

// RecordingOf is the path of a call's recording.
type RecordingOf struct {
	ID call.ID `path:"id" maxLength:"64"`
	N  int     `path:"n" minimum:"1"`
}

func (a *api) recordings() {
	route(a, op{method: "POST", path: "/v1/calls/{id}/recording", scope: "write", role: "rep", id: "switch_recording", summary: "Have a live call recorded, or no longer; whoever starts it has told the caller"},
		func(ctx context.Context, in *struct {
			ID   call.ID `path:"id" maxLength:"64"`
			Body struct {
				Do    string `json:"do" enum:"start,stop,pause,resume"`
				Agent string `json:"agent,omitempty" maxLength:"64" doc:"On whose behalf"`
			}
		},
		) (*nothing, error) {
			agent, err := a.actingIn(ctx, in.ID, in.Body.Agent)
			if err != nil {
				return nil, err
			}
			err = a.Live.Record(in.ID, in.Body.Do, actor(ctx, agent))
			if errors.Is(err, callctl.ErrNoCall) {
				if _, known := a.Calls.Call(ctx, in.ID); known != nil {
					return nil, known // there never was such a call
				}
			}
			return &nothing{}, err
		})
	route(a, op{method: "GET", path: "/v1/calls/{id}/recordings", scope: "read", role: "manager", id: "list_recordings", summary: "The recorded conversations of a call"},
		func(ctx context.Context, in *struct {
			ID call.ID `path:"id" maxLength:"64"`
		},
		) (*body[Page[Recording]], error) {
			all, err := a.recorded(ctx, in.ID)
			return last(all), err
		})
	route(a, op{method: "GET", path: "/v1/calls/{id}/recordings/{n}/audio", scope: "read", role: "manager", id: "hear_recording", summary: "The sound, as stereo WAV: the caller left, the rep right", also: answersWAV},
		func(ctx context.Context, in *RecordingOf) (*file, error) {
			all, err := a.recorded(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			if in.N > len(all) {
				return nil, notFound("recording", fmt.Sprintf("%s/%d", in.ID, in.N))
			}
			b, err := fs.ReadFile(a.Recordings, all[in.N-1].file)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, &Problem{Status: http.StatusGone, Code: "recording_gone", Detail: "The file is no longer in this node's folder of recordings."}
			}
			return &file{"audio/wav", b}, err
		})
}

// recorded reads the ledger for what was recorded of a call.
func (a *api) recorded(ctx context.Context, id call.ID) ([]Recording, error) {
	if _, err := a.Calls.Call(ctx, id); err != nil {
		return nil, err
	}
	events, err := a.Calls.Timeline(ctx, id)
	if err != nil {
		return nil, err
	}
	var out []Recording
	for _, e := range events {
		if e.Type != call.Recorded {
			continue
		}
		data, err := as[struct {
			File     string    `json:"file"`
			BeganAt  time.Time `json:"began_at"`
			LengthMS int64     `json:"length_ms"`
			Paused   bool      `json:"paused"`
		}](e.Data)
		if err != nil {
			return nil, fmt.Errorf("recording of %s: %w", id, err)
		}
		out = append(out, Recording{N: len(out) + 1, Agent: e.Actor.User, BeganAt: data.BeganAt, LengthMS: data.LengthMS, Paused: data.Paused, file: data.File})
	}
	return out, nil
}

package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// prompt is a sound as the hub shows it.
type prompt struct {
	Name     string     `json:"name"`
	Text     string     `json:"text,omitempty"`
	Lang     string     `json:"lang,omitempty"`
	LengthMS int64      `json:"length_ms,omitempty"`
	BuiltIn  bool       `json:"built_in,omitempty"`
	SavedAt  *time.Time `json:"saved_at,omitempty"`
}

func (c *command) prompt() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "prompt", Short: "List, upload, speak and fetch prompts and music",
		Example: `  callyard prompt list
  callyard prompt put welcome.mp3
  callyard prompt say after-hours "We are open from nine to five." --lang en
  callyard prompt get welcome welcome.wav`,
	}, c.promptList(), c.promptPut(), c.promptSay(), c.promptGet(), c.promptDelete())
}

// promptWork is a subcommand that asks the hub for one thing.
func promptWork(use, short string, args []string, r *reach, do func(ctx context.Context, hub *client.Client, args []string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " " + strings.Join(args, " "), Short: short, Args: exactly(args...),
		RunE: func(cmd *cobra.Command, given []string) error {
			hub, err := r.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Minute) // music may be large
			defer cancel()
			return do(ctx, hub, given)
		},
	}
	r.flags(cmd.Flags())
	return cmd
}

func (c *command) promptList() *cobra.Command {
	return promptWork("list", "List prompts, those that come with the program too", nil, &reach{}, func(ctx context.Context, hub *client.Client, _ []string) error {
		var list struct {
			Data []prompt `json:"data"`
		}
		if err := hub.Get(ctx, "/v1/prompts?limit=200", &list); err != nil {
			return err
		}
		if c.json() {
			return c.printJSON(list)
		}
		t := tabwriter.NewWriter(c.Out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(t, "NAME\tLENGTH\tFROM\tTEXT")
		for _, p := range list.Data {
			length, from := "", "built in"
			if !p.BuiltIn {
				length, from = (time.Duration(p.LengthMS) * time.Millisecond).Round(100*time.Millisecond).String(), "recording"
			}
			if p.Text != "" {
				from = "speech, " + p.Lang
			}
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Name, length, from, p.Text)
		}
		return t.Flush()
	})
}

func (c *command) promptPut() *cobra.Command {
	var name string
	cmd := promptWork("put", "Upload a WAV or MP3 file", []string{"FILE"}, &reach{}, func(ctx context.Context, hub *client.Client, args []string) error {
		b, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		name := cmp.Or(name, strings.ToLower(strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0]))))
		kind := "audio/wav"
		if strings.EqualFold(filepath.Ext(args[0]), ".mp3") {
			kind = "audio/mpeg"
		}
		return c.savedPrompt(ctx, hub, client.Request{Method: http.MethodPut, Path: "/v1/prompts/" + url.PathEscape(name), Body: client.File{Type: kind, Data: b}})
	})
	cmd.Flags().StringVarP(&name, "name", "n", "", "`name` of the prompt (that of the file)")
	return cmd
}

func (c *command) promptSay() *cobra.Command {
	var lang string
	cmd := promptWork("say", "Have a text spoken and keep it as a prompt", []string{"NAME", "TEXT"}, &reach{}, func(ctx context.Context, hub *client.Client, args []string) error {
		return c.savedPrompt(ctx, hub, client.Request{
			Method: http.MethodPost, Path: "/v1/prompts/" + url.PathEscape(args[0]) + "/speech", Body: map[string]string{"text": args[1], "lang": lang},
		})
	})
	cmd.Flags().StringVarP(&lang, "lang", "l", "en", "`language`: en, pt-BR")
	return cmd
}

func (c *command) savedPrompt(ctx context.Context, hub *client.Client, r client.Request) error {
	var p prompt
	if _, err := hub.Do(ctx, r, &p); err != nil {
		return err
	}
	if c.json() {
		return c.printJSON(p)
	}
	c.printf("prompt %s is kept, %s long\n", p.Name, (time.Duration(p.LengthMS) * time.Millisecond).Round(100*time.Millisecond))
	return nil
}

func (c *command) promptGet() *cobra.Command {
	return promptWork("get", "Fetch a prompt as a WAV file", []string{"NAME", "FILE"}, &reach{}, func(ctx context.Context, hub *client.Client, args []string) error {
		b, err := hub.Bytes(ctx, "/v1/prompts/"+url.PathEscape(args[0])+"/audio")
		if err != nil {
			return err
		}
		return os.WriteFile(args[1], b, 0o644)
	})
}

func (c *command) promptDelete() *cobra.Command {
	return promptWork("delete", "Delete a prompt that nothing plays", []string{"NAME"}, &reach{}, func(ctx context.Context, hub *client.Client, args []string) error {
		_, err := hub.Do(ctx, client.Request{Method: http.MethodDelete, Path: "/v1/prompts/" + url.PathEscape(args[0])}, nil)
		return err
	})
}

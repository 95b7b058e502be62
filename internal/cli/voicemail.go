package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// voiceMessage is a message as the hub shows it.
type voiceMessage struct {
	ID      string     `json:"id"`
	Box     string     `json:"box"`
	Call    string     `json:"call_id"`
	From    string     `json:"from"`
	Name    string     `json:"name"`
	Length  int64      `json:"length_ms"`
	LeftAt  time.Time  `json:"left_at"`
	HeardAt *time.Time `json:"heard_at"`
	HeardBy string     `json:"heard_by"`
}

func (c *command) voicemail() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "voicemail", Short: "Messages that callers left: list, save, mark and delete them",
		Example: `  callyard voicemail list --new
  callyard voicemail save msg_01hx…`,
	}, c.voicemailList(), c.voicemailSave(), c.voicemailHeard(), c.voicemailDelete())
}

func (c *command) voicemailList() *cobra.Command {
	var box string
	var fresh bool
	cmd := listing(c, &cobra.Command{
		Short: "List messages, the latest first",
		Example: `  callyard voicemail list --box sales --new
  callyard voicemail list -o json`,
	}, "/v1/voicemail_messages", func() url.Values {
		return url.Values{"box": {box}, "new": {strconv.FormatBool(fresh)}}
	}, showMessages)
	cmd.Flags().StringVar(&box, "box", "", "only of this `box`")
	cmd.Flags().BoolVar(&fresh, "new", false, "only those that nobody has heard")
	return cmd
}

func showMessages(w io.Writer, list []voiceMessage) {
	if len(list) == 0 {
		_, _ = fmt.Fprintln(w, "no messages")
		return
	}
	_, _ = fmt.Fprintln(w, "MESSAGE\tBOX\tLEFT\tCALLER\tLENGTH\tHEARD BY")
	for _, m := range list {
		heard := "-"
		if m.HeardAt != nil {
			heard = cmp.Or(m.HeardBy, "somebody")
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, m.Box, m.LeftAt.Local().Format(time.DateTime),
			cmp.Or(strings.TrimSpace(m.From+" "+m.Name), "-"), minutes(time.Duration(m.Length)*time.Millisecond), heard)
	}
}

func (c *command) voicemailSave() *cobra.Command {
	var r reach
	var to string
	cmd := &cobra.Command{
		Use: "save MESSAGE", Short: "Save a message's sound as a WAV file", Args: exactly("the message's id"),
		Example: `  callyard voicemail save msg_01hx… --to ana.wav`,
		RunE: func(cmd *cobra.Command, args []string) error {
			hub, err := r.client()
			if err != nil {
				return err
			}
			ctx, cancel := client.Within(cmd.Context())
			defer cancel()
			file := cmp.Or(to, url.PathEscape(args[0])+".wav")
			b, err := hub.Bytes(ctx, "/v1/voicemail_messages/"+url.PathEscape(args[0])+"/audio")
			if err != nil {
				return err
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				return err
			}
			if c.json() {
				return c.printJSON(map[string]any{"id": args[0], "file": file, "bytes": len(b)})
			}
			c.printf("%s\n", file)
			return nil
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`file` to write (MESSAGE.wav)")
	r.flags(cmd.Flags())
	return cmd
}

func (c *command) voicemailHeard() *cobra.Command {
	var r reach
	var by string
	var not bool
	cmd := &cobra.Command{
		Use: "heard MESSAGE", Short: "Mark a message as heard, or with --not as new again", Args: exactly("the message's id"),
		Example: `  callyard voicemail heard msg_01hx… --by ann`,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"heard": !not, "by": by}
			return c.changeMessage(cmd.Context(), r, client.Request{Method: http.MethodPut, Path: "/v1/voicemail_messages/" + url.PathEscape(args[0]) + "/heard", Body: body}, args[0])
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "the `agent` who heard it")
	cmd.Flags().BoolVar(&not, "not", false, "mark it as new")
	r.flags(cmd.Flags())
	return cmd
}

func (c *command) voicemailDelete() *cobra.Command {
	var r reach
	cmd := &cobra.Command{
		Use: "delete MESSAGE", Short: "Delete a message and its sound", Args: exactly("the message's id"),
		Example: `  callyard voicemail delete msg_01hx…`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeMessage(cmd.Context(), r, client.Request{Method: http.MethodDelete, Path: "/v1/voicemail_messages/" + url.PathEscape(args[0])}, args[0])
		},
	}
	r.flags(cmd.Flags())
	return cmd
}

// changeMessage sends a change and shows the message after it, or its id.
func (c *command) changeMessage(ctx context.Context, r reach, req client.Request, id string) error {
	hub, err := r.client()
	if err != nil {
		return err
	}
	ctx, cancel := client.Within(ctx)
	defer cancel()
	var m voiceMessage
	if _, err := hub.Do(ctx, req, &m); err != nil {
		return err
	}
	switch {
	case c.json() && m.ID == "":
		return c.printJSON(map[string]string{"id": id})
	case c.json():
		return c.printJSON(m)
	}
	c.printf("%s\n", id)
	return nil
}

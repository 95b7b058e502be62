package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/client"
)

// person is a user as the hub shows it.
type person struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Display     string     `json:"display"`
	Email       string     `json:"email"`
	Role        string     `json:"role"`
	Agent       *string    `json:"agent"`
	Disabled    bool       `json:"disabled"`
	HasPassword bool       `json:"has_password"`
	CreatedAt   time.Time  `json:"created_at"`
	LastLoginAt *time.Time `json:"last_login_at"`
}

// link is an address that opens once.
type link struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (c *command) user() *cobra.Command {
	return c.group(&cobra.Command{
		Use: "user", Short: "People who may sign in: add, list, change and delete them",
		Example: `  callyard user create ana --role rep --agent ana
  callyard user role ana manager`,
	}, c.userCreate(), c.userList(), c.userRole(), c.userPassword(), c.userDisable(true), c.userDisable(false), c.userDelete(), c.userLink())
}

// change sends a request that changes something and reads its answer.
func change(ctx context.Context, hub *client.Client, method, path string, body, into any) error {
	_, err := hub.Do(ctx, client.Request{Method: method, Path: path, Body: body}, into)
	return err
}

func userPath(name string) string { return "/v1/users/" + url.PathEscape(name) }

func (c *command) userCreate() *cobra.Command {
	var role, agent, display, email string
	cmd := c.asking(&cobra.Command{
		Use: "create NAME", Short: "Add a person; the link that is printed lets them set their password", Args: exactly("the name"),
		Example: `  callyard user create ana --role rep --agent ana --display "Ana García"`,
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		body := map[string]any{"name": args[0], "role": role, "display": display}
		if agent != "" {
			body["agent"] = agent
		}
		if email != "" {
			body["email"] = email
		}
		var p person
		if err := change(ctx, hub, http.MethodPost, "/v1/users", body, &p); err != nil {
			return err
		}
		var l link
		if err := change(ctx, hub, http.MethodPost, userPath(p.ID)+"/link", nil, &l); err != nil {
			return err
		}
		return c.print(map[string]any{"user": p, "link": l}, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "%s is %s. They set their password here, once, until %s:\n%s\n", p.Name, p.Role, l.ExpiresAt.Local().Format(time.DateTime), l.URL)
		})
	})
	cmd.Flags().StringVar(&role, "role", "rep", "rep, manager or admin")
	cmd.Flags().StringVar(&agent, "agent", "", "the `agent` they are when they take calls")
	cmd.Flags().StringVar(&display, "display", "", "the `name` that is shown")
	cmd.Flags().StringVar(&email, "email", "", "their `address`")
	return cmd
}

func (c *command) userList() *cobra.Command {
	return listing(c, &cobra.Command{Short: "List people", Example: "  callyard user list -o json"}, "/v1/users", nil, func(w io.Writer, list []person) {
		_, _ = fmt.Fprintln(w, "NAME\tROLE\tAGENT\tLAST SIGNED IN\tSTATE")
		for _, p := range list {
			agent, last, state := "-", "never", "ok"
			if p.Agent != nil {
				agent = *p.Agent
			}
			if p.LastLoginAt != nil {
				last = p.LastLoginAt.Local().Format(time.DateTime)
			}
			if !p.HasPassword {
				state = "no password"
			}
			if p.Disabled {
				state = "disabled"
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Name, p.Role, agent, last, state)
		}
	})
}

// patch changes a person and prints what they are then.
func (c *command) patch(ctx context.Context, hub *client.Client, name string, body map[string]any, said string) error {
	var p person
	if err := change(ctx, hub, http.MethodPatch, userPath(name), body, &p); err != nil {
		return err
	}
	return c.print(p, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s is %s\n", p.Name, said) })
}

func (c *command) userRole() *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "role NAME ROLE", Short: "Give a person another role: rep, manager, admin", Args: exactly("the name", "the role"), Example: "  callyard user role ana manager",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		return c.patch(ctx, hub, args[0], map[string]any{"role": args[1]}, args[1])
	})
}

func (c *command) userDisable(disable bool) *cobra.Command {
	use, short, said := "disable", "Let a person sign in no more, and sign them out", "disabled"
	if !disable {
		use, short, said = "enable", "Let a person sign in again", "enabled"
	}
	return c.asking(&cobra.Command{
		Use: use + " NAME", Short: short, Args: exactly("the name"), Example: "  callyard user " + use + " ana",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		return c.patch(ctx, hub, args[0], map[string]any{"disabled": disable}, said)
	})
}

func (c *command) userPassword() *cobra.Command {
	var cmd *cobra.Command
	cmd = c.asking(&cobra.Command{
		Use: "password NAME", Short: "Give a person the password that is on standard input; they are signed out everywhere", Args: exactly("the name"),
		Long:    "Give a person another password, read as one line from standard input: a flag would be seen by\nwhoever lists processes. Better let them set it themselves: callyard user link.",
		Example: "  callyard user password ana < password.txt",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		password := strings.TrimRight(line, "\r\n")
		if password == "" {
			return errors.New("there is no password on standard input")
		}
		if err := change(ctx, hub, http.MethodPost, userPath(args[0])+"/password", map[string]any{"password": password}, nil); err != nil {
			return err
		}
		return c.print(map[string]string{"name": args[0]}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s has another password\n", args[0]) })
	})
	return cmd
}

func (c *command) userDelete() *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "delete NAME", Short: "Delete a person and sign them out", Args: exactly("the name"), Example: "  callyard user delete ana",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		if err := change(ctx, hub, http.MethodDelete, userPath(args[0]), nil, nil); err != nil {
			return err
		}
		return c.print(map[string]string{"name": args[0]}, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s is deleted\n", args[0]) })
	})
}

func (c *command) userLink() *cobra.Command {
	return c.asking(&cobra.Command{
		Use: "link [NAME]", Short: "Make a link by which a person sets their password, or without a name somebody becomes an admin", Args: cobra.MaximumNArgs(1),
		Example: "  callyard user link ana",
	}, func(ctx context.Context, hub *client.Client, args []string) error {
		path, what := "/v1/admin_links", "Whoever opens it becomes an admin"
		if len(args) > 0 {
			path, what = userPath(args[0])+"/link", args[0]+" sets their password"
		}
		var l link
		if err := change(ctx, hub, http.MethodPost, path, nil, &l); err != nil {
			return err
		}
		return c.print(l, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "%s here, once, until %s:\n%s\n", what, l.ExpiresAt.Local().Format(time.DateTime), l.URL)
		})
	})
}

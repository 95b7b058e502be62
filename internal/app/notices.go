package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/job"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/internal/notices"
	"github.com/callyard/callyard/internal/pg"
)

// notice is the job that tells somebody what a flow's notify node, or an alert
// of the ladder, asked for.
type notice struct {
	callctl.Notification
	At time.Time `json:"at"`
}

// Kind names the job.
func (notice) Kind() string { return "notice" }

// noticePatience is how long e-mail and chats are tried: later nobody wants to know.
const noticePatience = 24 * time.Hour

// notify hands a notification to the job queue.
func (a *App) notify(ctx context.Context, n callctl.Notification) error {
	return a.DB.In(ctx, func(tx *pg.Tx) error {
		_, err := tx.Enqueue(ctx, job.Job{Args: notice{n, time.Now()}, Queue: job.Webhooks})
		return err
	})
}

// startNotices builds what e-mail and chats are sent by.
func (a *App) startNotices(context.Context) error {
	if m := a.cfg.Mail; m.Host != "" {
		mail, err := notices.NewMail(notices.MailConfig{
			Host: m.Host, Port: m.Port, TLS: m.TLS, TrustCA: m.TrustCA, Username: m.Username, Password: m.Password, From: m.From, To: m.To,
		})
		if err != nil {
			return err
		}
		a.mail = mail
	}
	a.chats = map[string]*notices.Chat{}
	for i, c := range a.cfg.Chats {
		chat, err := notices.NewChat(c.URL)
		if err != nil {
			return fmt.Errorf("chats[%d].url: %w", i, err)
		}
		a.chats[c.Name] = chat
	}
	return nil
}

// sendNotice sends a notification its way. What comes of e-mail and chats is
// written into the ledger.
func (a *App) sendNotice(ctx context.Context, n notice) error {
	if n.Channel == "webhook" {
		return a.sendHook(ctx, n)
	}
	err := a.tell(ctx, n)
	var (
		busy    *notices.BusyError
		refused *notices.RefusedError
	)
	fact := call.Event{Call: n.Call, Type: call.NotifySent, At: time.Now(), Data: map[string]any{"channel": n.Channel, "template": n.Template}}
	switch late := time.Since(n.At) > noticePatience; {
	case err == nil:
		return a.Book.Note(ctx, fact)
	case errors.As(err, &refused), late:
		fact.Type, fact.Data["why"] = call.NotifyFailed, err.Error()
		if err := a.Book.Note(ctx, fact); err != nil {
			return err
		}
		return jobs.Discard(err)
	case errors.As(err, &busy):
		return jobs.Snooze(busy.After)
	}
	return err
}

// tell sends by e-mail or into a chat.
func (a *App) tell(ctx context.Context, n notice) error {
	what := notices.Notice{Call: n.Call, Template: n.Template, To: n.To, Vars: n.Vars, At: n.At}
	if n.Channel == "email" && a.mail != nil {
		return a.mail.Send(ctx, what)
	}
	if room, ok := a.cfg.Chat(n.Channel); ok && strings.HasPrefix(n.Channel, "chat") {
		return a.chats[room.Name].Send(ctx, what)
	}
	return &notices.RefusedError{Why: n.Channel + " is not configured on this hub"}
}

// sendHook posts a notification to the webhook; without one it is only in the ledger.
func (a *App) sendHook(ctx context.Context, n notice) error {
	if a.hook == nil {
		return nil
	}
	id := fmt.Sprintf("%s-%s-%d", n.Call, n.Template, n.At.UnixMilli())
	return verdict(a.hook.Send(ctx, id, n.Template, n.At, n.Notification))
}

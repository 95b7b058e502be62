package routing

import "strings"

// The nodes about what is left behind: voicemail and notify.

type voicemail struct {
	Box  string `json:"box"`
	MaxS secs   `json:"max_s"`
	Task bool   `json:"task"`
}

func voicemailType() kind {
	return kind{NodeType{
		Type: "voicemail", Doc: "Records a message.",
		Cfg: object(fields{
			"box":   name(MailBox, "owner_or_team, owner, agent:<name>, team:<name> or the name of a box").withDefault("owner_or_team"),
			"max_s": seconds("the longest message", 300, 1, 3600),
			"task":  flag("make a task of it for whoever has the box", true),
		}),
		Outcomes: []string{"left", "empty"}, Waits: true,
	}, as[voicemail]}
}

func (v *voicemail) ask(_ *walk, n *node) Command {
	return Voicemail{Node: n.id, Box: v.Box, Max: v.MaxS.duration(), Task: v.Task}
}
func (v *voicemail) told(_ *walk, _ *node, e Event) turn { return turn{outcome: e.Outcome} }

type notify struct {
	Channel  string `json:"channel"`
	Template string `json:"template"`
	To       string `json:"to"`
}

func notifyType() kind {
	return kind{NodeType{
		Type: "notify", Doc: "Tells somebody through a webhook, by e-mail or in a chat. The call does not wait for it.",
		Cfg: object(fields{
			"channel":  name(Channel, "webhook, email, chat or chat:<name of one that is configured>"),
			"template": text("what is sent: call_summary, or a name of your own"),
			"to":       name(Template, "email: addresses, or nothing for mail.to of the configuration"),
		}, "channel", "template"),
		Outcomes: []string{"next"},
	}, as[notify]}
}

func (y *notify) command(w *walk, n *node) Command {
	scope, vars := w.see(), map[string]any{}
	for _, root := range []string{"call", "caller", "crm", "vars"} {
		vars[root] = plain(scope[root])
	}
	return Notify{Node: n.id, Channel: y.Channel, Template: y.Template, To: expand(y.To, scope), Vars: vars}
}

func (y *notify) pass(*walk) turn {
	return turn{outcome: "next", reason: strings.TrimSpace(y.Channel + " " + y.Template)}
}

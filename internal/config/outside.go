package config

import (
	"fmt"
	"net/mail"
	"strings"
)

// Webhook is told of every finished call, signed as Standard Webhooks asks.
type Webhook struct {
	URL    string `koanf:"url"`
	Secret string `koanf:"secret"` // "whsec_…"
}

// HTTPOut is what may be reached by addresses that people enter: those of http nodes, and of webhooks (allow_nets).
type HTTPOut struct {
	AllowNets []string `koanf:"allow_nets"` // "10.1.2.0/24": private networks that may be reached beside all that is public
	Secret    string   `koanf:"secret"`     // "whsec_…": signs the requests of nodes that are signed
	OldSecret string   `koanf:"old_secret"` // signs too, while receivers change over to secret
	PerHost   int      `koanf:"per_host"`   // requests under way to one host at a time; more come to error
	Total     int      `koanf:"total"`      // and to all together
}

// Mail is the server that takes the e-mail of flows' notify nodes and of alerts.
type Mail struct {
	Host     string   `koanf:"host"`     // "" there is no e-mail
	Port     int      `koanf:"port"`     // 0: 587, or 465 with tls, or 25 with none
	TLS      string   `koanf:"tls"`      // "starttls", "tls", "none"
	TrustCA  string   `koanf:"trust_ca"` // who must have certified the server; "" the system's authorities
	Username string   `koanf:"username"`
	Password string   `koanf:"password"`
	From     string   `koanf:"from"` // "Callyard <calls@example.com>"
	To       []string `koanf:"to"`   // who reads what names no address
}

// Chat is a room that notifications can be posted to.
type Chat struct {
	Name string `koanf:"name"` // "sales", as in chat:sales; the first is also "chat"
	URL  string `koanf:"url"`  // its incoming webhook, as Slack, Mattermost and Teams have them
}

// Chat finds a room by the channel's name, "chat" or "chat:sales".
func (c Config) Chat(channel string) (Chat, bool) {
	for _, chat := range c.Chats {
		if channel == "chat" || channel == "chat:"+chat.Name {
			return chat, true
		}
	}
	return Chat{}, false
}

// Channel says whether notifications can go that way. A webhook needs nothing
// here: it may be set up later.
func (c Config) Channel(name string) bool {
	_, chat := c.Chat(name)
	return name == "webhook" || name == "email" && c.Mail.Host != "" || chat
}

// noticeFaults are those of e-mail and chats.
func (c Config) noticeFaults(bad func(key, format string, args ...any)) {
	if m := c.Mail; m.Host != "" {
		switch m.TLS {
		case "starttls", "tls", "none":
		default:
			bad("mail.tls", "%q is none of starttls, tls and none", m.TLS)
		}
		if _, err := mail.ParseAddress(m.From); err != nil {
			bad("mail.from", "%q is no address such as Callyard <calls@example.com>", m.From)
		}
		for _, to := range m.To {
			if _, err := mail.ParseAddress(to); err != nil {
				bad("mail.to", "%q is no address", to)
			}
		}
		if m.Port < 0 || m.Port > 65535 {
			bad("mail.port", "%d is no port", m.Port)
		}
	}
	seen := map[string]bool{}
	for i, chat := range c.Chats {
		at := fmt.Sprintf("chats[%d]", i)
		if chat.Name == "" || strings.ContainsAny(chat.Name, ": ") || seen[chat.Name] {
			bad(at+".name", "%q must be there, once, without a colon or a space", chat.Name)
		}
		seen[chat.Name] = true
		if !strings.HasPrefix(chat.URL, "https://") && !strings.HasPrefix(chat.URL, "http://") {
			bad(at+".url", "must be https:// or http://")
		}
	}
}

// faults are those of its keys.
func (o HTTPOut) faults(bad func(key, format string, args ...any)) {
	if _, err := Prefixes(o.AllowNets); err != nil {
		bad("http_out.allow_nets", "%w", err)
	}
	for key, secret := range map[string]string{"http_out.secret": o.Secret, "http_out.old_secret": o.OldSecret} {
		if secret != "" && !strings.HasPrefix(secret, "whsec_") {
			bad(key, `must begin with "whsec_"`)
		}
	}
	if o.OldSecret != "" && o.Secret == "" {
		bad("http_out.secret", "is needed beside old_secret")
	}
	if o.PerHost < 1 || o.Total < o.PerHost {
		bad("http_out.per_host, http_out.total", "%d and %d: the first is 1 at least, the second no less than it", o.PerHost, o.Total)
	}
}

// TTS is the program that speaks: it gets a text on standard input and writes WAV
// to standard output.
type TTS struct {
	Command []string `koanf:"command"` // "{lang}" stands for the language; empty: espeak-ng if it is installed
}

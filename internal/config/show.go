package config

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
)

// Setting is one key of the configuration as it is in force.
type Setting struct {
	Key   string `json:"key"` // "sip.listen"
	Value any    `json:"value"`
	// Set: a file, the environment or a flag says otherwise than the default.
	Set bool `json:"set"`
}

// hidden stands for a secret that is set.
const hidden = "[hidden]"

// secrets are the keys that are not shown.
var secrets = []string{"webhook.secret", "http_out.secret", "http_out.old_secret"}

// Settings lists all keys in their order. Unless secrets are asked for, they are
// hidden, and so is the password in the database's address.
func (c Config) Settings(withSecrets bool) []Setting {
	now, before := flat(c), flat(Default())
	out := make([]Setting, 0, len(now))
	for _, key := range slices.Sorted(maps.Keys(now)) {
		s := Setting{Key: key, Value: now[key], Set: !reflect.DeepEqual(now[key], before[key])}
		if text, ok := s.Value.(string); ok && !withSecrets && text != "" {
			switch {
			case slices.Contains(secrets, key) || strings.HasSuffix(key, "secret") || strings.HasSuffix(key, "password"):
				s.Value = hidden
			case key == "database_url":
				s.Value = withoutPassword(text)
			}
		}
		out = append(out, s)
	}
	return out
}

func flat(c Config) map[string]any {
	k := koanf.New(".")
	_ = k.Load(structs.Provider(c, "koanf"), nil) // a struct of ours cannot fail
	return k.All()
}

// withoutPassword hides the password of a database's address, however it is
// written: one that is no URL may hold it anywhere.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Query().Has("password") {
		return hidden
	}
	if _, has := u.User.Password(); has {
		u.User = url.UserPassword(u.User.Username(), "hidden")
	}
	return u.String()
}

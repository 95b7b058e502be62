package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/config"
)

func TestSettings(t *testing.T) {
	c := config.Default()
	c.Webhook.Secret, c.HTTPOut.Secret, c.HTTPOut.OldSecret = "whsec_s3cr3t", "whsec_s3cr3t", "whsec_s3cr3t"
	c.Database, c.WrapUpS = "postgres://hub:s3cr3t@db.example.com/callyard", 45
	at := func(key string, withSecrets bool) config.Setting {
		t.Helper()
		for _, s := range c.Settings(withSecrets) {
			if s.Key == key {
				return s
			}
		}
		t.Fatalf("there is no %s", key)
		return config.Setting{}
	}
	if s := at("wrap_up_s", false); s.Value != 45 || !s.Set {
		t.Errorf("%+v", s)
	}
	if s := at("region", false); s.Value != "US" || s.Set {
		t.Errorf("%+v", s)
	}
	if s := at("database_url", false); !strings.Contains(fmt.Sprint(s.Value), "hub:hidden@db.example.com") {
		t.Errorf("%+v", s)
	}
	for _, address := range []string{c.Database, "host=db password=s3cr3t", "postgres://db/x?password=s3cr3t", "postgres://u:s3cr3t%zz@db/x"} {
		c.Database = address
		if all := fmt.Sprint(c.Settings(false)); strings.Contains(all, "s3cr3t") {
			t.Errorf("%s: a secret is shown: %s", address, all)
		}
	}
	if s := at("webhook.secret", true); s.Value != "whsec_s3cr3t" {
		t.Errorf("%+v", s)
	}
}

package cli

import (
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/setup"
)

func TestApplyWithOptions(t *testing.T) {
	file := write(t, "setup.yaml", "lots: []\n")
	const would = `{"data":[{"kind":"lot","name":"sales","action":"unchanged"},{"kind":"queue","name":"new","action":"created"},
		{"kind":"lot","name":"old","action":"removed"},{"kind":"lot","name":"full","action":"kept","why":"callers wait in it now"}]}`
	h := tells(t, map[string]string{
		"POST /v1/apply":                         `{"data":[{"kind":"lot","name":"sales","action":"unchanged"}]}`,
		"POST /v1/apply?dry_run=true&prune=true": would, "POST /v1/apply?dry_run=true&prune=false": would, "POST /v1/apply?dry_run=false&prune=true": would,
	})
	t.Run("a dry run says what would be, by its exit code too", func(t *testing.T) {
		sh(t, "apply", "-f", file, "--dry-run").must(t, OK, "created", "queue  new", "nothing was changed")
		sh(t, "apply", "-f", file, "--dry-run", "--detailed-exitcode").must(t, Different, "queue  new")
		sh(t, "apply", "-f", file, "--detailed-exitcode").must(t, OK, "unchanged  lot  sales")
	})
	t.Run("nothing is removed unless somebody says so", func(t *testing.T) {
		s := sh(t, "apply", "-f", file, "--prune")
		s.must(t, Failure, "nothing was changed: --prune would remove lot old; say --yes if that is meant")
		for _, a := range h.asked {
			if strings.HasPrefix(a, "POST /v1/apply?dry_run=false&prune=true") {
				t.Error("it was sent")
			}
		}
		sh(t, "apply", "-f", file, "--prune", "--yes").must(t, OK, "removed    lot    old", "kept       lot    full   callers wait in it now")
	})
}

func TestExport(t *testing.T) {
	tells(t, map[string]string{"GET /v1/setup": `{"trunks":[{"name":"carrier","username":"us"}],"agents":[{"name":"ann","extension":"201"}],"lots":[{"name":"sales","first":701,"last":705}]}`})
	s := sh(t, "export")
	s.must(t, OK, "# What this hub is set up as. Passwords are not in here", "username: us # password: left out", "name: ann # password: left out", `extension: "201"`)
	if d, err := setup.Read([]byte(s.out)); err != nil || len(d.Agents) != 1 || d.Agents[0].Extension != "201" {
		t.Errorf("%+v, %v", d, err)
	}
	sh(t, "export", "-o", "json").must(t, OK, `"first": 701`)
}

package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

func TestServerSettings(t *testing.T) {
	good := pg.Server{Version: "17.2", Major: 17, Fsync: true, SynchronousCommit: "on", Connections: 97, Pool: 24}
	if found := serverSettings(good, "here"); len(found) != 1 || found[0].Status != "ok" || !strings.Contains(found[0].Detail, "Postgres 17.2 answers (here)") {
		t.Errorf("%+v", found)
	}
	for _, c := range []struct {
		name   string
		change func(*pg.Server)
		status string
		want   string
	}{
		{"a server that is too old", func(s *pg.Server) { s.Version, s.Major = "9.6.24", 9 }, "fail", "Postgres 9.6.24 is too old"},
		{"fsync off", func(s *pg.Server) { s.Fsync = false }, "warn", "fsync is off"},
		{"synchronous_commit off", func(s *pg.Server) { s.SynchronousCommit = "off" }, "warn", "synchronous_commit is off"},
		{"a statement timeout", func(s *pg.Server) { s.StatementTimeout = 5 * time.Second }, "warn", "statement_timeout is 5s"},
		{"too few connections", func(s *pg.Server) { s.Connections = 34 }, "warn", "34 connections, and a hub takes up to 35"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good
			c.change(&s)
			found := serverSettings(s, "here")
			f := found[len(found)-1]
			if f.Status != c.status || f.Cure == "" || !strings.Contains(f.Detail, c.want) {
				t.Errorf("%+v", found)
			}
		})
	}
	good.SynchronousCommit, good.Connections = "local", 35
	if found := serverSettings(good, "here"); len(found) != 1 {
		t.Errorf("just enough, yet %+v", found)
	}
}

func TestClocks(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, off := range []time.Duration{-3 * time.Second, 3 * time.Second} {
		if f := clocks(now, now.Add(off)); f.Status != "warn" || f.Cure == "" || !strings.Contains(f.Detail, "3s apart") {
			t.Errorf("%s: %+v", off, f)
		}
	}
	if f := clocks(now, now.Add(-2*time.Second)); f.Status != "ok" {
		t.Errorf("%+v", f)
	}
	if f := clock(time.Unix(0, 0)); f.Status != "fail" || f.Cure == "" {
		t.Errorf("a clock that is not set: %+v", f)
	}
}

func TestTrunksOfDoctor(t *testing.T) {
	url := pgtest.URL(t)
	db, err := pg.Open(t.Context(), url, logger(t.Output(), config.Log{}))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := routingpg.New(db).SaveTrunk(t.Context(), routing.Trunk{Name: "carrier", Host: "198.51.100.7"}); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Database = url
	if _, list := database(t.Context(), cfg); list.unknown != "" || len(list.trunks) != 1 || list.trunks[0].Name != "carrier" {
		t.Errorf("%+v", list)
	}
	cfg.Database = "postgres://127.0.0.1:1/x"
	if _, list := database(t.Context(), cfg); list.unknown == "" {
		t.Error("the trunks of a database that is away are known")
	}
}

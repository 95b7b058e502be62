package cli

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/jobs"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pg/embedded"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

// trunkList is the trunks of the hub, or why they are not known.
type trunkList struct {
	trunks  []routing.Trunk
	unknown string // "the database is not running"
}

// database looks at the server, the migrations and the clock that others share,
// and reads the trunks for the checks that need them.
func database(ctx context.Context, cfg config.Config) ([]finding, trunkList) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if cfg.Database != "" {
		return inDatabase(ctx, cfg, cfg.Database, "DATABASE_URL, "+shown(cfg.Database))
	}
	dir := clusterDir(cfg)
	bin, major, err := embedded.Installed(ctx, dir)
	if err != nil {
		return []finding{{"database", "fail", "there is no Postgres that the embedded database could use", err.Error()}}, trunkList{unknown: "there is no database"}
	}
	if running := embedded.Running(ctx, dir); running != "" {
		return inDatabase(ctx, cfg, running, "embedded, in "+dir)
	}
	out := []finding{{Check: "database", Status: "ok", Detail: fmt.Sprintf("embedded, Postgres %d in %s; it runs when a hub does", major, bin)}}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		return append(out, finding{Check: "migrations", Status: "ok", Detail: "applied when a hub starts"}, clock(time.Now())), trunkList{unknown: "the database runs when a hub does"}
	}
	return append(out, finding{Check: "migrations", Status: "ok", Detail: "a new database; made at the first start"}, clock(time.Now())), trunkList{} // it has none
}

// shown is a database's address without its password.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" && u.Path == "" {
		return "address hidden" // the other form, "host=… password=…"
	}
	return u.Redacted()
}

func inDatabase(ctx context.Context, cfg config.Config, address, where string) ([]finding, trunkList) {
	failed := func(check string, err error, cure string) finding {
		return finding{check, "fail", err.Error(), cure}
	}
	away := trunkList{unknown: "the database does not answer"}
	db, err := pg.Open(ctx, address, logger(os.Stderr, config.Log{Level: "error", Format: cfg.Log.Format}))
	if err != nil {
		return []finding{failed("database", err, "is it running, and is the address right? unset DATABASE_URL to use the embedded one"), clock(time.Now())}, away
	}
	defer db.Close()
	asked := time.Now()
	server, err := db.Server(ctx)
	if err != nil {
		return []finding{failed("database", err, "look into the server's log"), clock(time.Now())}, away
	}
	ours := asked.Add(time.Since(asked) / 2) // when the server looked at its clock, about
	out := serverSettings(server, where)
	todo, err := pg.Pending(ctx, db)
	switch {
	case err != nil:
		out = append(out, failed("migrations", err, "may this account read the tables?"))
	case len(todo) > 0:
		out = append(out, finding{"migrations", "warn", fmt.Sprintf("%d to apply, the first is %s", len(todo), todo[0]), "callyard migrate, or let the hub do it when it starts"})
	default:
		out = append(out, finding{Check: "migrations", Status: "ok", Detail: "all applied"})
	}
	trunks := trunkList{unknown: "migrations are to be applied first"}
	if err == nil && len(todo) == 0 {
		trunks.unknown = ""
		if trunks.trunks, err = routingpg.New(db).Trunks(ctx); err != nil {
			trunks.unknown = err.Error()
		}
	}
	return append(out, clocks(ours, server.Now)), trunks
}

// listening is how many connections a hub holds to listen: to changes of the
// configuration, and to the ledger for live views and for webhooks.
const listening = 3

// serverSettings judges a server by what it says of itself.
func serverSettings(s pg.Server, where string) []finding {
	if s.Major < 13 {
		return []finding{{"database", "fail", "Postgres " + s.Version + " is too old", "version 13 or later is needed"}}
	}
	out := []finding{{Check: "database", Status: "ok", Detail: fmt.Sprintf("Postgres %s answers (%s)", s.Version, where)}}
	warn := func(detail, cure string) { out = append(out, finding{"settings", "warn", detail, cure}) }
	if !s.Fsync {
		warn("fsync is off: a crash of the machine can spoil the whole database", "alter system set fsync = on; select pg_reload_conf()")
	}
	if s.SynchronousCommit == "off" {
		warn("synchronous_commit is off: a crash of the database loses what calls have just done", "alter role … set synchronous_commit = on for the hub's account; the hub does without it by itself where that is harmless")
	}
	if s.StatementTimeout > 0 {
		warn(fmt.Sprintf("statement_timeout is %s: migrations and reports may take longer, and are cut off", s.StatementTimeout),
			"alter role … set statement_timeout = 0 for the hub's account; it has deadlines of its own")
	}
	if want := s.Pool + jobs.Connections + listening; s.Connections < want {
		warn(fmt.Sprintf("this account may have %d connections, and a hub takes up to %d", s.Connections, want),
			"raise max_connections, or the limit of the account or the database; or add pool_max_conns=… to the database's address")
	}
	return out
}

// clocks compares the machine's clock with the database's.
func clocks(ours, theirs time.Time) finding {
	if off := ours.Sub(theirs).Abs(); off > 2*time.Second {
		return finding{"clock", "warn", fmt.Sprintf("this machine and the database are %s apart", off.Round(time.Millisecond)), "switch on time synchronisation on both (timedatectl set-ntp true)"}
	}
	c := clock(ours)
	if c.Status == "ok" {
		c.Detail += ", agrees with the database's"
	}
	return c
}

// oldestNow is a time that has passed for sure: a clock behind it is not set.
var oldestNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func clock(now time.Time) finding {
	if now.Before(oldestNow) {
		return finding{"clock", "fail", "it says " + now.UTC().Format(time.RFC3339), "set it, and switch on time synchronisation (timedatectl set-ntp true)"}
	}
	return finding{Check: "clock", Status: "ok", Detail: now.UTC().Format(time.RFC3339)}
}

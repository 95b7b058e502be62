package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pg/embedded"
)

// finding is what one check of the doctor's came to.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // "ok", "warn", "fail"
	Detail string `json:"detail"`
	Cure   string `json:"cure,omitempty"`
}

func (c *command) doctor() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "doctor", Short: "Look whether this machine is ready for a hub, and say what to do", Args: exactly(),
		Long: `Look at the database, its migrations, the data folder, the ports, the range for
RTP, the limit on open files and the clock. Nothing is changed. Exit code 1 if a
check fails; warnings do not count.`,
		Example: `  callyard doctor
  callyard doctor -c /etc/callyard.yaml -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.load(cmd, config.Default())
			var found []finding
			if err != nil {
				found = []finding{{"configuration", "fail", err.Error(), "correct the file or the variable; callyard serve --help lists the flags"}}
			} else {
				found = examine(cmd.Context(), cfg)
			}
			return c.showFindings(found)
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

func (c *command) showFindings(found []finding) error {
	failed := 0
	for _, f := range found {
		if f.Status == "fail" {
			failed++
		}
	}
	if c.json() {
		if err := c.printJSON(map[string]any{"ok": failed == 0, "checks": found}); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			colour := map[string]string{"ok": green, "warn": yellow, "fail": red}[f.Status]
			c.printf("%s%s %-14s %s\n", c.paint(colour, f.Status), strings.Repeat(" ", max(0, 5-len(f.Status))), f.Check, indented(f.Detail))
			if f.Cure != "" {
				c.printf("      %-14s %s\n", "", indented("→ "+f.Cure))
			}
		}
	}
	if failed > 0 {
		return errSaid
	}
	return nil
}

func indented(s string) string { return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", 21)) }

// examine makes all checks.
func examine(ctx context.Context, cfg config.Config) []finding {
	holder := hubOf(cfg.DataDir)
	out := []finding{dataFolder(cfg.DataDir, holder)}
	out = append(out, database(ctx, cfg)...)
	for _, p := range wanted(cfg) {
		out = append(out, portCheck(ctx, p, holder))
	}
	out = append(out, certificates(cfg, time.Now())...)
	out = append(out, mailCheck(ctx, cfg)...)
	return append(out, rtpRange(ctx, cfg), openFiles(cfg))
}

// hubOf is the process id of the hub that holds a data folder, 0 if none does.
func hubOf(dir string) int {
	name := filepath.Join(dir, "hub.lock")
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	// A shared lock, given back at once: only a hub's exclusive one refuses it.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		return 0
	}
	b, _ := os.ReadFile(name)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return -1
	}
	return pid
}

func dataFolder(dir string, holder int) finding {
	f := finding{Check: "data folder", Status: "ok", Detail: dir + " is writable"}
	if holder != 0 {
		f.Detail = fmt.Sprintf("%s is in use by the hub with process id %d", dir, holder)
		return f
	}
	// The folder need not exist yet: the nearest one above it must let us make it.
	at := dir
	for {
		st, err := os.Stat(at)
		switch {
		case err == nil && !st.IsDir():
			return finding{"data folder", "fail", at + " is not a folder", "name another with --data-dir or CALLYARD_DATA_DIR"}
		case err == nil:
			if syscall.Access(at, 2|1) != nil { // W_OK|X_OK
				return finding{"data folder", "fail", at + " is not writable", "name another with --data-dir or CALLYARD_DATA_DIR, or change its owner"}
			}
			if at != dir {
				f.Detail = dir + " will be made at the first start"
			}
			return f
		case !errors.Is(err, os.ErrNotExist) || at == filepath.Dir(at):
			return finding{"data folder", "fail", err.Error(), "name another with --data-dir or CALLYARD_DATA_DIR"}
		}
		at = filepath.Dir(at)
	}
}

// database looks at the server, the migrations and the clock that others share.
func database(ctx context.Context, cfg config.Config) []finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if cfg.Database != "" {
		return inDatabase(ctx, cfg, cfg.Database, "DATABASE_URL, "+shown(cfg.Database))
	}
	dir := clusterDir(cfg)
	bin, major, err := embedded.Installed(ctx, dir)
	if err != nil {
		return []finding{{"database", "fail", "there is no Postgres that the embedded database could use", err.Error()}}
	}
	if running := embedded.Running(ctx, dir); running != "" {
		return inDatabase(ctx, cfg, running, "embedded, in "+dir)
	}
	out := []finding{{Check: "database", Status: "ok", Detail: fmt.Sprintf("embedded, Postgres %d in %s; it runs when a hub does", major, bin)}}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		return append(out, finding{Check: "migrations", Status: "ok", Detail: "applied when a hub starts"}, clock())
	}
	return append(out, finding{Check: "migrations", Status: "ok", Detail: "a new database; made at the first start"}, clock())
}

// shown is a database's address without its password.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" && u.Path == "" {
		return "address hidden" // the other form, "host=… password=…"
	}
	return u.Redacted()
}

func inDatabase(ctx context.Context, cfg config.Config, address, where string) []finding {
	failed := func(check string, err error, cure string) finding {
		return finding{check, "fail", err.Error(), cure}
	}
	db, err := pg.Open(ctx, address, logger(os.Stderr, config.Log{Level: "error", Format: cfg.Log.Format}))
	if err != nil {
		return []finding{failed("database", err, "is it running, and is the address right? unset DATABASE_URL to use the embedded one"), clock()}
	}
	defer db.Close()
	version, theirs, err := pg.Server(ctx, db)
	if err != nil {
		return []finding{failed("database", err, "look into the server's log"), clock()}
	}
	ours := time.Now()
	out := []finding{{Check: "database", Status: "ok", Detail: fmt.Sprintf("Postgres %s answers (%s)", version, where)}}
	if major, _, _ := strings.Cut(version, "."); len(major) < 2 || major < "13" {
		out[0] = finding{"database", "fail", "Postgres " + version + " is too old", "version 13 or later is needed"}
	}
	todo, err := pg.Pending(ctx, db)
	switch {
	case err != nil:
		out = append(out, failed("migrations", err, "may this account read the tables?"))
	case len(todo) > 0:
		out = append(out, finding{"migrations", "warn", fmt.Sprintf("%d to apply, the first is %s", len(todo), todo[0]), "callyard migrate, or let the hub do it when it starts"})
	default:
		out = append(out, finding{Check: "migrations", Status: "ok", Detail: "all applied"})
	}
	if off := ours.Sub(theirs).Abs(); off > 2*time.Second {
		return append(out, finding{"clock", "warn", fmt.Sprintf("this machine and the database are %s apart", off.Round(time.Millisecond)), "switch on time synchronisation (timedatectl set-ntp true)"})
	}
	c := clock()
	if c.Status == "ok" {
		c.Detail += ", agrees with the database's"
	}
	return append(out, c)
}

// oldestNow is a time that has passed for sure: a clock behind it is not set.
var oldestNow = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func clock() finding {
	now := time.Now()
	if now.Before(oldestNow) {
		return finding{"clock", "fail", "it says " + now.UTC().Format(time.RFC3339), "set it, and switch on time synchronisation (timedatectl set-ntp true)"}
	}
	return finding{Check: "clock", Status: "ok", Detail: now.UTC().Format(time.RFC3339)}
}

func portCheck(ctx context.Context, p port, hub int) finding {
	f := finding{Check: p.what + " port", Status: "ok", Detail: p.net + " " + p.at + " is free"}
	err := p.free(ctx)
	var taken *takenError
	switch {
	case err == nil:
	case errors.As(err, &taken) && hub != 0 && taken.holder.pid == hub:
		f.Detail = p.net + " " + p.at + " is this folder's hub's"
	case errors.As(err, &taken):
		by := ""
		if taken.holder.pid != 0 {
			by = " by " + taken.holder.String()
		}
		f = finding{f.Check, "fail", p.net + " " + p.at + " is in use" + by, "stop it, or choose another with " + p.flag + " " + p.other()}
	default:
		f = finding{f.Check, "fail", err.Error(), "choose another address with " + p.flag}
	}
	return f
}

// rtpRange tries some ports of the range.
func rtpRange(ctx context.Context, cfg config.Config) finding {
	ip := cfg.RTP.IP
	if ip == "" && len(cfg.SIP.Listen) > 0 {
		if _, at, err := config.ParseListen(cfg.SIP.Listen[0]); err == nil {
			ip = at.Addr().String()
		}
	}
	const tries = 40
	size := cfg.RTP.PortMax - cfg.RTP.PortMin + 1
	taken := 0
	var last error
	for range tries {
		n := cfg.RTP.PortMin + rand.IntN(size)
		if _, err := netip.ParseAddr(ip); err != nil {
			return finding{"RTP ports", "fail", "rtp.ip: " + err.Error(), "name an address of this machine in rtp.ip (CALLYARD_RTP__IP)"}
		}
		var lc net.ListenConfig
		l, err := lc.ListenPacket(ctx, "udp", net.JoinHostPort(ip, strconv.Itoa(n)))
		if err != nil {
			taken, last = taken+1, err
			continue
		}
		_ = l.Close()
	}
	what := fmt.Sprintf("%d to %d on %s", cfg.RTP.PortMin, cfg.RTP.PortMax, ip)
	cure := "choose another range with rtp.port_min and rtp.port_max (CALLYARD_RTP__PORT_MIN …)"
	switch {
	case taken == tries && !errors.Is(last, syscall.EADDRINUSE):
		return finding{"RTP ports", "fail", what + ": " + last.Error(), "name an address of this machine in rtp.ip (CALLYARD_RTP__IP)"}
	case taken == tries:
		return finding{"RTP ports", "fail", what + ": all that were tried are in use", cure}
	case taken > tries/4:
		return finding{"RTP ports", "warn", fmt.Sprintf("%s: %d of %d tried are in use", what, taken, tries), cure}
	}
	return finding{Check: "RTP ports", Status: "ok", Detail: fmt.Sprintf("%s, enough for about %d parties", what, size/2)}
}

// openFiles compares the limit on open files with what calls need: two sockets a
// party, and the files of the recordings.
func openFiles(config.Config) finding {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return finding{"open files", "warn", err.Error(), ""}
	}
	n := uint64(l.Max) // Go raises the limit up to the hard one by itself
	f := finding{Check: "open files", Status: "ok", Detail: fmt.Sprintf("limit %d", n)}
	cure := "raise the hard limit: ulimit -Hn 65536, or LimitNOFILE=65536 in the service's unit"
	switch {
	case n < 256:
		f.Status, f.Cure = "fail", cure
	case n < 4096:
		f.Status, f.Detail, f.Cure = "warn", fmt.Sprintf("limit %d, enough for about %d calls", n, (n-100)/5), cure
	}
	return f
}

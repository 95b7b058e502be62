package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/callyard/callyard/internal/config"
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
		Long: `Look at the data folder, the database with its settings, migrations and clock, the
ports, the addresses that peers are told, certificates, the e-mail server, the
webhook and the chats, the range for RTP and the limit on open files. Nothing is
changed, nothing is posted. Exit code 1 if a check fails; warnings do not count.`,
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
	stored, trunks := database(ctx, cfg)
	out = append(out, stored...)
	for _, p := range wanted(cfg) {
		out = append(out, portCheck(ctx, p, holder))
	}
	out = append(out, advertised(ctx, cfg, thisMachine(), trunks)...)
	out = append(out, certificates(cfg, time.Now())...)
	out = append(out, mailCheck(ctx, cfg)...)
	out = append(out, receivers(ctx, cfg, nil)...)
	out = append(out, rtpRange(ctx, cfg))
	out = append(out, kernelPorts(cfg.RTP, kernelSetting("ip_local_port_range"), kernelSetting("ip_local_reserved_ports"))...)
	return append(out, openFiles(cfg.RTP))
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

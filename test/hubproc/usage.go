//go:build linux

package hubproc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticks per second of the times in /proc: USER_HZ, which is 100 on every Linux.
const userHz = 100

// Usage is what was used since the processes began; seconds of CPU and KB.
type Usage struct {
	At            time.Time
	Hub, Postgres float64
	self          float64
	machine       float64
	RSS           float64
}

// Spent is what was used in between.
type Spent struct {
	Took          float64 // seconds
	Hub, Postgres float64
	Others        float64 // by neither of them nor us: how noisy the machine was
	RSS           float64 // at the end
}

// Since is what was used after before.
func (u Usage) Since(before Usage) Spent {
	s := Spent{Took: u.At.Sub(before.At).Seconds(), Hub: u.Hub - before.Hub, Postgres: u.Postgres - before.Postgres, RSS: u.RSS}
	s.Others = max(0, u.machine-before.machine-s.Hub-s.Postgres-(u.self-before.self))
	return s
}

// Noise is what others took of a core meanwhile, as text.
func (s Spent) Noise() string { return fmt.Sprintf("others %.0f %%", 100*s.Others/max(s.Took, 1e-9)) }

// Usage reads the times of the hub and of its database. What a server process of
// Postgres used is its own while it lives and its parent's when it has ended
// (cutime of proc_pid_stat(5)), so none is lost.
func (h *Hub) Usage() (u Usage, err error) {
	own, err := readStat(h.PID())
	if err != nil {
		return u, fmt.Errorf("the hub's times: %w", err)
	}
	u.Hub = own.user + own.system
	if u.RSS, err = Resident(h.PID()); err != nil {
		return u, err
	}
	if pm := h.postmaster(); pm != 0 {
		s, err := readStat(pm)
		if err != nil {
			return u, fmt.Errorf("the database's times: %w", err)
		}
		u.Postgres = s.user + s.system + s.reaped
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, d := range dirs {
			pid, _ := strconv.Atoi(filepath.Base(d))
			if c, err := readStat(pid); err == nil && c.parent == pm {
				u.Postgres += c.user + c.system
			}
		}
	}
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return u, fmt.Errorf("own times: %w", err)
	}
	u.self = float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1e9
	u.machine, err = machineBusy()
	u.At = time.Now()
	return u, err
}

type stat struct {
	parent               int
	user, system, reaped float64
}

// readStat reads /proc/<pid>/stat. The name in brackets may hold spaces.
func readStat(pid int) (s stat, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // f[0] is field 3, the state
	if len(f) < 15 {
		return s, fmt.Errorf("/proc/%d/stat is not understood", pid)
	}
	s.parent, _ = strconv.Atoi(f[1])
	t := func(i int) float64 { v, _ := strconv.ParseFloat(f[i], 64); return v / userHz }
	s.user, s.system, s.reaped = t(11), t(12), t(13)+t(14)
	return s, nil
}

// Resident is a process's memory in KB.
func Resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(b), "VmRSS:")
	if !ok {
		return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
	}
	return strconv.ParseFloat(strings.Fields(rest)[0], 64)
}

// machineBusy is the seconds all cores have worked.
func machineBusy() (sum float64, err error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	for i, f := range strings.Fields(line)[1:9] { // user nice system idle iowait irq softirq steal
		if i == 3 || i == 4 {
			continue
		}
		v, _ := strconv.ParseFloat(f, 64)
		sum += v / userHz
	}
	return sum, nil
}

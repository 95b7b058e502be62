//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// What may grow in the second half, or be more at the end than at the beginning.
const (
	// Resident memory: the collector lets the heap double before it looks, and gives
	// pages back minutes later; a leak of 1 KB a call is more than this in an hour at 20 a second.
	growthMB = 64
	// Goroutines: a call has one, a message of ours that waits for its ACK or a fact
	// that is being written one more for the moment. At 20 calls a second some 60 pass
	// through at once, and both ends of the run may catch them at their most and least.
	spread = 100
	// When all have gone: 97 before and 99 after in a quiet run; what is left of it are
	// River's fetches and the health checks of the database's pool, which come and go.
	goroutines = 40
	// Descriptors besides RTP's: the pool opens connections in a burst.
	descriptors = 16
	// When all have gone: the pool keeps connections for its idle time, 20 were seen.
	connections = 30
	// Live heap after a collection: 14 MB before and 19 after; buffers in pools and maps
	// that have grown stay as they are.
	keptMB = 32
	// Two for each end that is compared.
	leastSamples = 4

	// The hub asks itself by OPTIONS whether its listeners work.
	ownTransactions = 4
)

// report is the outcome, for people and, as JSON, for programs.
type report struct {
	Pass    bool     `json:"pass"`
	Seconds float64  `json:"seconds"`
	Held    int      `json:"held"`
	Placed  int64    `json:"placed"`
	Again   int64    `json:"sent_again"` // messages of ours that got no answer at once
	Kinds   []*count `json:"kinds"`
	Idle    sample   `json:"idle"`
	Samples []sample `json:"samples"`
	End     sample   `json:"end"`
	Wrong   []string `json:"wrong"`
}

// verdict judges.
func (s *soak) verdict() report {
	r := report{
		Seconds: s.cfg.duration.Seconds(), Held: s.cfg.parked, Placed: s.placed.Load(), Again: s.trunk.Again.Load() + s.phones.Again.Load(),
		Idle: s.idle, Samples: s.samples, End: s.end, Wrong: slices.Clone(s.wrong),
	}
	for _, k := range kinds {
		if c := s.tally[k.name]; c != nil {
			r.Kinds = append(r.Kinds, c)
			if c.Failed > 0 {
				r.Wrong = append(r.Wrong, fmt.Sprintf("%s: %d of %d failed", c.Kind, c.Failed, c.Done))
			}
		}
	}
	r.Wrong = append(r.Wrong, grew(s.samples)...)
	r.Wrong = append(r.Wrong, remains(s.idle, s.end, s.cfg.linger)...)
	r.Wrong = append(r.Wrong, logged(s.hub.Log)...)
	r.Pass = len(r.Wrong) == 0
	return r
}

// grew compares the middle of the run with its end.
func grew(list []sample) (wrong []string) {
	if len(list) < leastSamples {
		return []string{fmt.Sprintf("%d samples are too few to judge", len(list))}
	}
	part := max(2, len(list)/8)
	half := list[len(list)/2:]
	begin, end := half[:part], half[len(half)-part:]
	compare := func(what string, f func(sample) float64, most float64, unit string) {
		if a, b := median(begin, f), median(end, f); b-a > most {
			wrong = append(wrong, fmt.Sprintf("%s grew in the second half from %.0f to %.0f%s", what, a, b, unit))
		}
	}
	compare("resident memory", func(s sample) float64 { return s.RSS }, growthMB, " MB")
	compare("goroutines", func(s sample) float64 { return float64(s.Goroutines) }, spread, "")
	compare("descriptors besides RTP", func(s sample) float64 { return float64(s.others()) }, descriptors, "")
	if last := end[len(end)-1]; last.Overdue > 0 && begin[0].Overdue > 0 && last.Overdue > begin[0].Overdue {
		wrong = append(wrong, fmt.Sprintf("jobs pile up: %d overdue", last.Overdue))
	}
	return wrong
}

// remains is what is left that was not there at the beginning.
func remains(idle, end sample, linger bool) (wrong []string) {
	left := func(n int, what string) {
		if n != 0 {
			wrong = append(wrong, fmt.Sprintf("afterwards there were %d %s", n, what))
		}
	}
	left(end.Calls, "calls")
	left(end.Ports, "RTP ports")
	left(end.Legs, "SIP legs")
	if linger && end.Transactions > ownTransactions {
		left(end.Transactions, "SIP transactions")
	}
	left(end.Occupied, "occupied slots")
	left(end.Open, "calls and parks without an end in the database")
	left(end.Engaged, "agents who are not idle")
	left(end.Overdue, "jobs overdue")
	left(end.Discarded, "jobs given up")
	left(end.Faults, "faults counted")
	if end.Goroutines > idle.Goroutines+goroutines {
		wrong = append(wrong, fmt.Sprintf("goroutines: %d before, %d afterwards", idle.Goroutines, end.Goroutines))
	}
	if end.Descriptors > idle.Descriptors+connections {
		wrong = append(wrong, fmt.Sprintf("descriptors: %d before, %d afterwards", idle.Descriptors, end.Descriptors))
	}
	if end.Heap > idle.Heap+keptMB {
		wrong = append(wrong, fmt.Sprintf("live heap: %.0f MB before, %.0f MB afterwards", idle.Heap, end.Heap))
	}
	return wrong
}

// logged is what must not be in a hub's log.
func logged(file string) (wrong []string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return []string{err.Error()}
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "panic") || strings.Contains(line, "fatal error") || strings.Contains(line, "level=ERROR") {
			if wrong = append(wrong, "logged: "+line); len(wrong) == 5 {
				return wrong
			}
		}
	}
	return wrong
}

func median(list []sample, f func(sample) float64) float64 {
	var v []float64
	for _, s := range list {
		v = append(v, f(s))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

// print writes the report as tables.
func (r report) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "s\tcalls\tparked\tRSS MB\theap MB\tgoroutines\tdescriptors\tRTP ports\ttransactions\toverdue\tfailed\t")
	row := func(name string, s sample) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.0f\t%.0f\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, s.Calls, s.Parked, s.RSS, s.Heap, s.Goroutines, s.Descriptors, s.Ports, s.Transactions, s.Overdue, s.Failed)
	}
	row("before", r.Idle)
	for i := range min(12, len(r.Samples)) {
		s := r.Samples[i*(len(r.Samples)-1)/max(1, min(12, len(r.Samples))-1)]
		row(fmt.Sprintf("%.0f", s.At), s)
	}
	row("after", r.End)
	_ = t.Flush()
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Kinds {
		fmt.Fprintf(t, "%s\t%d\t%d failed\t%s\n", c.Kind, c.Done, c.Failed, strings.Join(c.Why, "; "))
	}
	_ = t.Flush()
	fmt.Fprintln(w)
	for _, x := range r.Wrong {
		fmt.Fprintln(w, "FAIL ", x)
	}
	verdict := "PASS"
	if !r.Pass {
		verdict = "FAIL"
	}
	fmt.Fprintf(w, "%s  %d parked for %.0f s, %d calls placed, %d messages sent again\n", verdict, r.Held, r.Seconds, r.Placed, r.Again)
}

//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/pg/embedded"
	"github.com/callyard/callyard/test/load"
)

// sample is what the hub holds at a moment.
type sample struct {
	At           float64 `json:"at_s"` // since the churn began
	Calls        int     `json:"calls"`
	Parked       int     `json:"parked"`
	RSS          float64 `json:"rss_mb"`
	Heap         float64 `json:"heap_mb"`
	Goroutines   int     `json:"goroutines"`
	Descriptors  int     `json:"descriptors"`
	Ports        int     `json:"rtp_ports"`
	Legs         int     `json:"sip_legs"`
	Transactions int     `json:"sip_transactions"`
	Overdue      int     `json:"jobs_overdue"` // River: due for more than 2 s
	Discarded    int     `json:"jobs_discarded"`
	Occupied     int     `json:"slots_occupied"`
	Open         int     `json:"open"` // calls and parks without an end, in the database
	Engaged      int     `json:"agents_engaged"`
	Faults       int     `json:"faults"`          // panics, mended invariants, forgotten answers, calls shed
	Failed       int     `json:"failed"`          // calls of ours, since the beginning
	Waits        string  `json:"waits,omitempty"` // what the database's sessions wait for, if any do
}

// others is what descriptors there are besides the two of each RTP port.
func (s sample) others() int { return s.Descriptors - 2*s.Ports }

func (s sample) String() string {
	return fmt.Sprintf("%d calls, %.0f MB (heap %.0f), %d goroutines, %d descriptors, %d RTP ports, %d legs, %d transactions, %d slots, %d open, %d engaged, %d jobs overdue",
		s.Calls, s.RSS, s.Heap, s.Goroutines, s.Descriptors, s.Ports, s.Legs, s.Transactions, s.Occupied, s.Open, s.Engaged, s.Overdue)
}

// empty says what of calls is still there.
func (s sample) empty(linger bool) bool {
	return s.Calls+s.Ports+s.Legs+s.Occupied+s.Open+s.Engaged+s.Overdue == 0 && (!linger || s.Transactions <= ownTransactions)
}

// watch takes samples until ctx ends, and hears now and then whether those who
// are held still have music.
func (s *soak) watch(ctx context.Context, held []*load.Dialog) error {
	db, err := s.database(ctx)
	if err != nil {
		return err
	}
	defer db.Close(context.WithoutCancel(ctx))
	begun, every := time.Now(), max(time.Second, min(5*time.Second, s.cfg.duration/20))
	for n := 0; ; n++ {
		if load.Pause(ctx, every) != nil {
			return nil
		}
		one, err := s.sample(context.WithoutCancel(ctx), db)
		if err != nil {
			return err
		}
		one.At = time.Since(begun).Seconds()
		s.samples = append(s.samples, one)
		if last := len(s.samples) - 2; n%max(1, int(time.Minute/every)) == 0 || last >= 0 && one.Failed > s.samples[last].Failed {
			s.say("%4.0f s: %s; %d failed; %s", one.At, one, one.Failed, cmp.Or(one.Waits, "no waits"))
		}
		if len(held) > 0 {
			d := held[(n*7)%len(held)]
			if err := s.music(ctx, d); err != nil && ctx.Err() == nil {
				s.fault("a caller parked since the beginning: %v", err)
			}
		}
	}
}

// settle waits until the hub is empty, and says what it holds then. It does not
// wait for ever: what is left is for the verdict.
func (s *soak) settle(ctx context.Context) (sample, error) {
	db, err := s.database(ctx)
	if err != nil {
		return sample{}, err
	}
	defer db.Close(context.WithoutCancel(ctx))
	for last := time.Now().Add(60 * time.Second); ; {
		one, err := s.sample(ctx, db)
		if err != nil {
			return one, err
		}
		if one.empty(s.cfg.linger) || time.Now().After(last) {
			// What is garbage is not held.
			if _, err := s.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
				return one, err
			}
			return s.sample(ctx, db)
		}
		if err := load.Pause(ctx, 500*time.Millisecond); err != nil {
			return one, err
		}
	}
}

func (s *soak) database(ctx context.Context) (*pgx.Conn, error) {
	url := embedded.Running(ctx, filepath.Join(s.hub.Dir, "postgres"))
	if url == "" {
		return nil, fmt.Errorf("the hub's database does not answer in %s", s.hub.Dir)
	}
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("the hub's database: %w", err)
	}
	return db, nil
}

func (s *soak) sample(ctx context.Context, db *pgx.Conn) (one sample, err error) {
	body, err := s.get(ctx, "/metrics")
	if err != nil {
		return one, err
	}
	m := metrics(body)
	one = sample{
		Calls: int(m.sum("callyard_calls")), Parked: int(m[`callyard_calls{state="parked"}`]),
		RSS: m["process_resident_memory_bytes"] / (1 << 20), Heap: m["go_memstats_heap_alloc_bytes"] / (1 << 20),
		Goroutines: int(m["go_goroutines"]), Descriptors: int(m["process_open_fds"]),
		Ports: int(m["callyard_media_ports"]), Legs: int(m["callyard_sip_legs"]), Transactions: int(m["callyard_sip_transactions"]),
		Faults: int(m.sum("callyard_faults_mended_total") + m["callyard_sip_panics"] + m["callyard_sip_unanswered"] + m["callyard_sip_shed"]),
	}
	err = db.QueryRow(ctx, `select
		(select count(*) from river_job where state in ('available', 'retryable', 'scheduled') and scheduled_at < now() - interval '2 s'),
		(select count(*) from river_job where state = 'discarded'),
		(select count(*) from slots where park is not null),
		(select count(*) from calls where ended_at is null) + (select count(*) from parks where ended_at is null),
		(select count(*) from agents where state <> 'idle'),
		(select coalesce(string_agg(n || ' ' || wait_event, ', '), '') from
			(select wait_event, count(*) n from pg_stat_activity where state = 'active' and wait_event is not null and wait_event_type <> 'Client' group by 1) w)`).
		Scan(&one.Overdue, &one.Discarded, &one.Occupied, &one.Open, &one.Engaged, &one.Waits)
	if err != nil {
		return one, fmt.Errorf("ask the database what is held: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.tally {
		one.Failed += c.Failed
	}
	return one, nil
}

// get asks the operators' port.
func (s *soak) get(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.hub.Ops.String()+path, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("the hub's operators' port: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the hub's operators' port: %s: %s: %w", path, res.Status, err)
	}
	return string(b), nil
}

// values are metrics by name and labels, as they are written.
type values map[string]float64

// metrics reads Prometheus' text format.
func metrics(text string) values {
	m := values{}
	for sc := bufio.NewScanner(strings.NewReader(text)); sc.Scan(); {
		line := sc.Text()
		i := strings.LastIndexByte(line, ' ') // a label's value may hold one
		if i < 0 || line[0] == '#' {
			continue
		}
		if f, err := strconv.ParseFloat(line[i+1:], 64); err == nil {
			m[line[:i]] = f
		}
	}
	return m
}

// sum is that of a metric over its labels.
func (m values) sum(name string) (total float64) {
	for k, v := range m {
		if k == name || strings.HasPrefix(k, name+"{") {
			total += v
		}
	}
	return total
}

//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() { os.Exit(run()) }

func run() int {
	cfg := config{linger: true, out: os.Stderr}
	flag.StringVar(&cfg.binary, "hub", "bin/callyard", "the `program` to try")
	flag.DurationVar(&cfg.duration, "duration", 10*time.Minute, "how long calls come and go")
	flag.IntVar(&cfg.parked, "parked", 500, "callers who are parked all the while")
	flag.Float64Var(&cfg.cps, "cps", 20, "calls per second that come and go")
	asJSON := flag.Bool("json", false, "print the report as JSON")
	keep := flag.Bool("keep", false, "keep the hub's folder, with its log")
	flag.Parse()
	if cfg.parked < 0 || cfg.parked > 10*hallSize || cfg.cps <= 0 || cfg.cps > 100 || cfg.duration < time.Second {
		fmt.Fprintln(os.Stderr, "soak: 0 to 5000 parked, up to 100 calls per second, for a second at least")
		return 2
	}
	// Bounds the whole run, whatever hangs.
	ctx, cancel := context.WithTimeout(context.Background(), cfg.duration+6*time.Minute)
	defer cancel()
	signal.Ignore(syscall.SIGPIPE) // whoever reads us may leave; the hub is still to be stopped
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()

	r, err := try(ctx, cfg, *keep)
	if r != nil {
		if *asJSON {
			b, jerr := json.MarshalIndent(r, "", "  ")
			err = errors.Join(err, jerr)
			fmt.Println(string(b))
		} else {
			r.print(os.Stdout)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	if err != nil || !r.Pass {
		return 1
	}
	return 0
}

// try runs a hub and says what came of it.
func try(ctx context.Context, cfg config, keep bool) (*report, error) {
	s, err := begin(ctx, cfg)
	if s == nil {
		return nil, err
	}
	if err == nil {
		err = s.run(ctx)
	}
	if len(s.samples) == 0 {
		return nil, errors.Join(err, s.close(true))
	}
	r := s.verdict()
	return &r, errors.Join(err, s.close(keep || err != nil || !r.Pass))
}

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
	"slices"
	"strings"
	"syscall"
	"time"
)

// hardStop bounds the whole run, whatever hangs.
const hardStop = 8 * time.Minute

// measurement is one group of rows that is measured together.
type measurement struct {
	name string
	what string
	run  func(*bench, context.Context) error
}

var measurements = []measurement{
	{"parked", "callers in slots: music, memory, callers who talk", (*bench).parked},
	{"bridged", "two legs through the hub", (*bench).bridged},
	{"signalling", "short calls at a steady rate, one leg and two", (*bench).signalling},
	{"retrieve", "a rep dials a slot", (*bench).retrieve},
	{"escalation", "a step is due, an alternate's phone is rung", (*bench).escalation},
	{"rest", "what screens ask of the REST API while callers are parked", (*bench).dashboard},
}

func main() { os.Exit(run()) }

func run() int {
	var (
		binary = flag.String("hub", "bin/callyard", "the `program` to measure")
		quick  = flag.Bool("quick", false, "shorter windows and fewer calls: a rough picture in about a minute")
		rows   = flag.String("rows", "", "only these, comma separated: "+names())
		asJSON = flag.Bool("json", false, "print the figures as JSON")
		keep   = flag.Bool("keep", false, "keep the hub's folder, with its log")
		prof   = flag.String("profile", "", "write the hub's CPU profile of the REST row to this `file`")
	)
	flag.Parse()
	chosen, err := choose(*rows)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), hardStop)
	defer cancel()
	signal.Ignore(syscall.SIGPIPE) // whoever reads us may leave; the hub is still to be stopped
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()

	b, err := begin(ctx, *binary, *quick)
	b.profile = *prof
	if err == nil {
		err = b.measure(ctx, chosen)
	}
	if b.hub != nil {
		err = errors.Join(err, b.close(*keep || err != nil))
		if *asJSON {
			out, jerr := json.MarshalIndent(b.figures, "", "  ")
			err = errors.Join(err, jerr)
			fmt.Println(string(out))
		} else {
			printTable(os.Stdout, b.figures)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func names() string {
	var out []string
	for _, m := range measurements {
		out = append(out, m.name)
	}
	return strings.Join(out, ",")
}

func choose(list string) ([]measurement, error) {
	if list == "" {
		return measurements, nil
	}
	// In the order of the table, whatever that of the list: memory per parked call
	// is what the hub grows by, and it does not shrink after other calls.
	wanted := strings.Split(strings.ReplaceAll(list, " ", ""), ",")
	var out []measurement
	for _, m := range measurements {
		if i := slices.Index(wanted, m.name); i >= 0 {
			out, wanted = append(out, m), slices.Delete(wanted, i, i+1)
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("no rows named %q; there are %s", wanted[0], names())
	}
	return out, nil
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// story is one thing that a client is tried with.
type story struct {
	client string
	name   string
	run    func(context.Context, *yard) error
}

// client is a program that is not ours. What it needs is installed when we may.
type client struct {
	name     string
	program  string   // by which it is known to be there
	packages []string // of Debian
	digests  string   // what the hub is to offer it; "" its default
	ready    func(context.Context, *yard) error
}

var clients = []client{
	{name: "sipp", program: "sipp", packages: []string{"sip-tester"}},
	{name: "kamailio", program: "kamailio", packages: []string{"kamailio"}},
	{name: "browser", program: "chromium", packages: []string{"chromium", "nodejs", "npm"}, ready: prepareBrowser},
	{name: "linphone", program: "linphonec", packages: []string{"linphone-cli"}},
	// libre 1.x gives up at a challenge that is not MD5, and does not look at the next.
	{name: "baresip", program: "baresip", packages: []string{"baresip"}, digests: "MD5"},
}

// line is a row of the table.
type line struct {
	client, name, verdict, why string
	took                       time.Duration
}

func main() { os.Exit(run()) }

func run() int {
	binary := flag.String("hub", "bin/callyard", "the `program` to try")
	only := flag.String("only", "", "only stories whose client and name contain this")
	keep := flag.Bool("keep", false, "keep the folder with everybody's logs")
	install := flag.Bool("install", os.Geteuid() == 0, "install clients that are missing, from Debian's packages")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()

	var lines []line
	var err error
	for _, digests := range []string{"", "MD5"} {
		var list []line
		list, err = tell(ctx, *binary, digests, strings.ToLower(*only), *install, *keep)
		if lines = append(lines, list...); err != nil {
			break
		}
	}
	bad := printLines(lines)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
	}
	if bad || err != nil {
		return 1
	}
	return 0
}

// tell starts a hub and runs the stories of the clients that want it to offer
// these digests and are there, one after another.
func tell(ctx context.Context, binary, digests, only string, install, keep bool) (lines []line, err error) {
	var y *yard
	for _, c := range clients {
		if c.digests != digests {
			continue
		}
		var mine []story
		for _, s := range stories {
			if s.client == c.name && strings.Contains(strings.ToLower(c.name+" "+s.name), only) {
				mine = append(mine, s)
			}
		}
		if len(mine) == 0 {
			continue
		}
		if y == nil {
			y, err = open(ctx, binary, digests)
			defer func() { err = errors.Join(err, y.leave(keep || failed(lines) || err != nil)) }()
			if err != nil {
				return nil, err
			}
		}
		why := c.missing(ctx, install)
		if why == "" && c.ready != nil {
			if err := c.ready(ctx, y); err != nil {
				why = err.Error()
			}
		}
		for _, s := range mine {
			l := line{client: c.name, name: s.name, verdict: "skipped", why: why}
			if why == "" {
				l = y.try(ctx, s)
			}
			fmt.Fprintf(os.Stderr, "%-8s %s: %s\n", l.verdict, l.client, l.name)
			lines = append(lines, l)
		}
	}
	if y != nil {
		err = y.unscathed()
	}
	return lines, err
}

// leave ends a hub; its folder stays if it is to be kept.
func (y *yard) leave(keep bool) error {
	if y == nil {
		return nil
	}
	err := y.close()
	if keep || err != nil {
		fmt.Println("logs:", y.hub.Dir)
		return err
	}
	return os.RemoveAll(y.hub.Dir)
}

func failed(lines []line) bool {
	return slices.ContainsFunc(lines, func(l line) bool { return l.verdict == "FAIL" })
}

// skip is the error of a story that cannot be told here.
type skip string

func (s skip) Error() string { return string(s) }

func (y *yard) try(ctx context.Context, s story) line {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	begun := time.Now()
	y.story = strings.NewReplacer(" ", "-", ",", "", "(", "", ")", "", "'", "").Replace(s.client + " " + s.name)
	err := y.fresh(ctx)
	if err == nil {
		err = s.run(ctx, y)
	}
	y.endOfStory()
	l := line{client: s.client, name: s.name, verdict: "pass", took: time.Since(begun)}
	var not skip
	switch {
	case errors.As(err, &not):
		l.verdict, l.why = "skipped", not.Error()
	case err != nil:
		l.verdict, l.why = "FAIL", err.Error()
	}
	return l
}

func printLines(lines []line) bool {
	passed, skipped := 0, 0
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		switch l.verdict {
		case "pass":
			passed++
		case "skipped":
			skipped++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f s\t%s\n", l.client, l.name, l.verdict, l.took.Seconds(), l.why)
	}
	_ = t.Flush()
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, len(lines)-passed-skipped, skipped)
	return failed(lines)
}

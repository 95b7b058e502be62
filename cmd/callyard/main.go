// Command callyard is the hub and the tools around it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/callyard/callyard/internal/cli"
	"github.com/callyard/callyard/internal/httpapi"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(run(os.Args)) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the first signal asks to stop, a second one ends the process at once
	return cli.Run(ctx, args[1:], cli.Options{
		Version: version, Program: args[0], Start: start, OpenAPI: httpapi.OpenAPI, Out: os.Stdout, Err: os.Stderr,
	})
}

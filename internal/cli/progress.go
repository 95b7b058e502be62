package cli

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"
)

// progress shows how far long work has come, to people only: on a terminal, on
// the error output, so that a script reads nothing but results.
type progress struct {
	bar *progressbar.ProgressBar // nil: nobody watches
}

// progress begins to show work of total steps; of an unknown number if total is
// negative. Done must be called before anything else is printed.
func (c *command) progress(what string, total int) *progress {
	if !terminal(c.Err) {
		return &progress{}
	}
	return &progress{bar(c.Err, what, total)}
}

func bar(w io.Writer, what string, total int) *progressbar.ProgressBar {
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what), progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(), progressbar.OptionSetRenderBlankState(true), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
}

// At says how many steps are done.
func (p *progress) At(done int) {
	if p.bar != nil {
		_ = p.bar.Set(done) // a terminal that has gone does not stop the work
	}
}

// Done takes the bar away again.
func (p *progress) Done() {
	if p.bar != nil {
		_ = p.bar.Finish()
		_ = p.bar.Clear()
	}
}

// terminal tells whether people watch what is written to w.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

package callpg

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/callyard/callyard/disposition"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

const (
	// pressPause is how long the facts of all calls gather while there is much to
	// write. A transaction costs more than a dozen facts. What comes after a pause
	// is written at once.
	pressPause = 10 * time.Millisecond
	// sheetSize bounds how much is written at once.
	sheetSize = 128
	// pressTimeout bounds one transaction. It is shorter than what a caller waits
	// for, so that nobody gives up on what is still being written.
	pressTimeout = 2500 * time.Millisecond
)

// line is what one call has to write: its opening, its end, or facts alone. It is
// written whole or not at all.
type line struct {
	open    *callctl.Opening
	end     *callctl.Closing
	run     []byte // of end, as JSON
	facts   []call.Event
	said    *disposition.Said // read when it ends
	stale   bool              // the call has ended before: nothing of it is written again
	err     error
	written chan struct{} // closed with err set
}

// press writes the lines of all calls of this node, many in one transaction. It
// has a goroutine only while there is work.
type press struct {
	sheet func(context.Context, []*line) error // all or nothing; sets err of single lines that are refused

	mu      sync.Mutex
	waiting []*line
	running bool
	last    time.Time // when the last sheet was begun
}

// write waits until the line is written. A line is taken back when ctx ends
// before its sheet has begun; after that its fate is awaited.
func (p *press) write(ctx context.Context, l *line) error {
	l.written = make(chan struct{})
	p.mu.Lock()
	p.waiting = append(p.waiting, l)
	if !p.running {
		p.running = true
		go p.run() //nolint:contextcheck // writes for others too
	}
	p.mu.Unlock()
	select {
	case <-l.written:
		return l.err
	case <-ctx.Done():
	}
	if p.takeBack(l) {
		return ctx.Err()
	}
	<-l.written
	return l.err
}

// takeBack removes a line that no sheet has begun with.
func (p *press) takeBack(l *line) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiting {
		if w == l {
			p.waiting = slices.Delete(p.waiting, i, i+1)
			return true
		}
	}
	return false
}

func (p *press) run() {
	for {
		lines := p.gather()
		if lines == nil {
			return
		}
		p.print(lines)
	}
}

// gather takes what is to be written next; nil when there is nothing, and run is
// over. It lets a sheet fill up unless the last one is long ago.
func (p *press) gather() []*line {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := pressPause - time.Since(p.last)
	if n := len(p.waiting); wait > 0 && n > 0 && n < sheetSize {
		p.mu.Unlock()
		time.Sleep(wait)
		p.mu.Lock()
	}
	n := min(len(p.waiting), sheetSize)
	if n == 0 {
		p.running = false
		return nil
	}
	lines := slices.Clone(p.waiting[:n])
	p.waiting = slices.Delete(p.waiting, 0, n)
	p.last = time.Now()
	return lines
}

// print writes a sheet. When it is refused for what it says, its lines are written
// one by one, so that a wrong one harms no other; when the database is away, all
// have failed.
func (p *press) print(lines []*line) {
	err := p.attempt(lines)
	if err == nil || len(lines) == 1 || away(err) {
		settle(lines, err)
		return
	}
	for i, l := range lines {
		if err = p.attempt([]*line{l}); away(err) {
			settle(lines[i:], err)
			return
		}
		settle([]*line{l}, err)
	}
}

func (p *press) attempt(lines []*line) error {
	for _, l := range lines {
		l.err, l.stale = nil, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), pressTimeout)
	defer cancel()
	return p.sheet(ctx, lines)
}

func settle(lines []*line, err error) {
	for _, l := range lines {
		if err != nil {
			l.err = err
		}
		close(l.written)
	}
}

// away tells errors that say nothing about what was to be written: no answer, no
// connection, or a server that is going down or full (SQLSTATE classes 08, 53, 57).
func away(err error) bool {
	if err == nil {
		return false
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		switch refused.Code[:2] {
		case "08", "53", "57":
			return true
		}
		return false
	}
	var lost net.Error
	var never *pgconn.ConnectError
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.As(err, &lost) || errors.As(err, &never)
}

package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Bounds of Follow: how long it waits before it connects again.
const (
	followRetryMin = 500 * time.Millisecond
	followRetryMax = 15 * time.Second
)

// Follow hands the messages of the stream to f until ctx ends or f returns an
// error, which it returns. After a broken connection it says why to broken and goes
// on behind the last message; where that cannot be told any more there is a
// message "resync" and a snapshot. A hub that cannot be reached in the first place,
// or refuses, is an error.
func (c *Client) Follow(ctx context.Context, l Listening, broken func(error), f func(Message) error) error {
	wait, reached := followRetryMin, false
	for {
		told, err := c.follow(ctx, &l, f)
		var done *doneError
		var refused *Problem
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &done):
			return done.err
		case errors.As(err, &refused) && refused.Status < 500 && refused.Status != http.StatusTooManyRequests,
			!told && !reached && refused == nil:
			return err
		}
		if reached = true; told {
			wait = followRetryMin
		}
		broken(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, followRetryMax)
	}
}

// doneError is the error of whoever is told.
type doneError struct{ err error }

func (e *doneError) Error() string { return e.err.Error() }

// follow reads one connection to its end, and moves l on with it.
func (c *Client) follow(ctx context.Context, l *Listening, f func(Message) error) (told bool, err error) {
	e, err := c.Listen(ctx, *l)
	if err != nil {
		return false, err
	}
	defer e.Close()
	for {
		m, err := e.Message()
		if err != nil {
			return told, err
		}
		told = true
		if err := f(m); err != nil {
			return told, &doneError{err}
		}
		if m.ID != "" {
			l.After = m.ID
		}
	}
}

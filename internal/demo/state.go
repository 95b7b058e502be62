package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// State is how others on this machine find a demo: a file in its data folder
// that only its owner can read, since it holds the API key. It outlives the
// demo, because the key is shown only once.
type State struct {
	PID    int    `json:"pid"` // 0: does not run
	URL    string `json:"url"`
	Key    string `json:"key"`
	SIP    string `json:"sip"` // ip:port, UDP
	Number string `json:"number"`
}

// ErrNotRunning is returned when no demo runs.
var ErrNotRunning = errors.New("no demo runs; start it in another window with: make run   (or: callyard demo)")

func stateFile(dir string) string { return filepath.Join(dir, "demo.json") }

// ReadState is the state of the demo that last ran in a data folder, running or
// not. The error is ErrNotRunning if none ever did.
func ReadState(dir string) (State, error) {
	b, err := os.ReadFile(stateFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return State{}, ErrNotRunning
	}
	if err != nil {
		return State{}, fmt.Errorf("state of the demo: %w", err)
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return State{}, fmt.Errorf("state of the demo: %s: %w; remove the file and start the demo again", stateFile(dir), err)
	}
	return s, nil
}

// Running is the state of the demo that runs in a data folder, or ErrNotRunning.
func Running(dir string) (State, error) {
	s, err := ReadState(dir)
	if err != nil {
		return State{}, err
	}
	if s.PID == 0 || !alive(s.PID) {
		return State{}, ErrNotRunning
	}
	return s, nil
}

// alive tells whether there is such a process, be it somebody else's.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// Save writes the state so that a reader sees the old one or the new one whole.
func (s State) Save(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("state of the demo: %w", err)
	}
	f, err := os.CreateTemp(dir, "demo-*.json") // made with mode 0600
	if err != nil {
		return fmt.Errorf("state of the demo: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), stateFile(dir))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("state of the demo: %w", err), os.Remove(f.Name()))
	}
	return nil
}

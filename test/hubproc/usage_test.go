//go:build linux

package hubproc

import (
	"os"
	"testing"
)

func TestOwnTimes(t *testing.T) {
	s, err := readStat(os.Getpid())
	if err != nil || s.parent != os.Getppid() {
		t.Errorf("%+v, %v; the parent is %d", s, err, os.Getppid())
	}
	if kb, err := Resident(os.Getpid()); err != nil || kb < 500 {
		t.Errorf("%v KB resident, %v", kb, err)
	}
}

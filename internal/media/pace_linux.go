package media

import (
	"runtime"
	"syscall"
	"time"
)

// ownThread gives the goroutine a thread of its own, before the others of the
// machine where that is allowed (root, CAP_SYS_NICE): on a busy machine it is what
// keeps music from stuttering. The thread ends with the goroutine.
func ownThread() {
	const before = -11 // where desktops put their sound servers
	runtime.LockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), before)
}

// sleepUntil sleeps in the kernel: it wakes within a tenth of a millisecond, where
// a timer of the runtime waits for a thread that looks at it.
func sleepUntil(deadline time.Time) {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return
		}
		t := syscall.NsecToTimespec(int64(left))
		_ = syscall.Nanosleep(&t, nil) // a signal ends it early
	}
}

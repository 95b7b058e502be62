// Package hubproc runs a hub as a process of its own, as users do, for programs
// that try it from outside.
package hubproc

// Bench measures a hub: it starts one of its own, calls it from a few shared
// sockets, and prints what the hub and its database cost.
//
// The hub's time is read from /proc, so it runs on Linux only. Nothing is
// asserted: the verdicts are for people. See docs/performance.md.
package main

// Soak holds parked callers for minutes while others call, talk, are parked,
// retrieved, transferred, give up or send nonsense, and watches that the hub
// fails none of them, does not grow, and is empty when all have gone.
//
// It reads /proc and shares sockets as test/load does, so it runs on Linux only.
package main

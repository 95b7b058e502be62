// Package load is callers and phones by the thousand: a few sockets that many
// calls share, and one thread for all their RTP, so that they cost little and
// disturb the hub less. It shares no code with the hub.
package load

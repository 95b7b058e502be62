package sipua

import "sync/atomic"

// counters are counted where things happen and read by Stats.
type counters struct {
	requests, responses, parseDropped, filtered, laneFull, panics atomic.Int64
	invites, shed, unauthorised, refused, strays, watchdog        atomic.Int64
	calls, dials, registered, authFailures, noAck                 atomic.Int64
	notifies, notifiesFailed                                      atomic.Int64
	keepAlives, streamsRefused, restarts                          atomic.Int64
	handshakesFailed, webRefused, vanished, probesMissed          atomic.Int64
	fragmented                                                    atomic.Int64
}

// Stats is a snapshot of what the SIP edge has done and holds.
type Stats struct {
	Requests, Responses int64 // messages received
	Filtered            int64 // datagrams dropped before parsing
	Unparsable          int64
	LaneFull            int64 // messages dropped because their call had too many waiting
	Panics              int64
	Invites             int64
	Shed                int64 // INVITEs answered 503 for overload
	Refused             int64 // INVITEs from nobody we know
	Unauthorised        int64 // challenges sent
	AuthFailures        int64
	Strays              int64 // answers nobody waited for, ended by ACK and BYE
	Watchdog            int64 // requests a handler forgot to answer
	NoAck               int64 // calls ended because the ACK never came
	Calls, Dials        int64 // legs in, legs out
	Registered          int64 // REGISTERs that succeeded
	Notifies            int64 // NOTIFYs sent for subscriptions
	NotifiesFailed      int64 // of these, refused or not answered
	KeepAlives          int64 // CRLFs and pongs received
	StreamsRefused      int64 // connections closed at once: too many, or of one address
	HandshakesFailed    int64 // TLS, in and out
	WebRefused          int64 // WebSocket upgrades refused
	Fragmented          int64 // requests over UDP beyond 1300 bytes
	Vanished            int64 // phones unregistered because they stopped answering
	ProbesMissed        int64 // of our own listeners
	Restarts            int64 // listeners that ended and were started again
	Streams             int   // TCP, TLS and WebSocket connections open now

	Legs, Bindings, Subscriptions          int // now
	Dialogs, Lanes                         int // now: dialogs in which something may still be said, Call-IDs with work waiting
	ServerTransactions, ClientTransactions int // now
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	c := s.stats
	st := Stats{
		Requests: c.requests.Load(), Responses: c.responses.Load(), Filtered: c.filtered.Load(), Unparsable: c.parseDropped.Load(),
		LaneFull: c.laneFull.Load(), Panics: c.panics.Load(), Invites: c.invites.Load(), Shed: c.shed.Load(), Refused: c.refused.Load(),
		Unauthorised: c.unauthorised.Load(), AuthFailures: c.authFailures.Load(), Strays: c.strays.Load(), Watchdog: c.watchdog.Load(),
		KeepAlives: c.keepAlives.Load(), StreamsRefused: c.streamsRefused.Load(), Restarts: c.restarts.Load(), HandshakesFailed: c.handshakesFailed.Load(), WebRefused: c.webRefused.Load(), Fragmented: c.fragmented.Load(), Vanished: c.vanished.Load(), ProbesMissed: c.probesMissed.Load(), Streams: len(s.tp.open()),
		NoAck: c.noAck.Load(), Calls: c.calls.Load(), Dials: c.dials.Load(), Registered: c.registered.Load(),
	}
	st.Notifies, st.NotifiesFailed = c.notifies.Load(), c.notifiesFailed.Load()
	st.Legs, st.Bindings, st.Subscriptions = s.legs.len(), s.registrar.len(), s.watches.len()
	st.Dialogs, st.Lanes = s.legs.dialogs(), s.lanes.len()
	st.ServerTransactions, st.ClientTransactions = s.tx.len()
	return st
}

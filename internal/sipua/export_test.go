package sipua

// CloseSockets ends every listener under the server, as an error of the system would.
func (s *Server) CloseSockets() {
	s.sockets.Lock()
	defer s.sockets.Unlock()
	for _, l := range s.listeners {
		l.close()
	}
}

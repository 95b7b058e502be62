package sipua

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// dialTimeout bounds how long a lane waits for a TCP connection.
const dialTimeout = 4 * time.Second

var libraryOnce sync.Once

// setUpLibrary sets sipgo's process-wide variables once, before its first use.
func setUpLibrary() {
	libraryOnce.Do(func() {
		// Larger messages than 1300 bytes are fragmented rather than lost: sipgo
		// would refuse to send them and say so to nobody.
		sip.UDPMTUSize = 65535
		sip.SetDefaultLogger(slog.New(slog.DiscardHandler))
	})
}

// newTransport makes the transports. sipgo logs whole datagrams it cannot parse;
// its log is reduced to counting them.
func newTransport(filter sip.TransportReadFilter, stats *counters) *sip.TransportLayer {
	setUpLibrary()
	tcp := func() *sip.TransportTCP {
		return &sip.TransportTCP{
			ReadTimeout: 15 * time.Minute, WriteTimeout: 5 * time.Second,
			DialerCreate: func(laddr net.Addr) net.Dialer { return net.Dialer{Timeout: dialTimeout, LocalAddr: laddr} },
		}
	}
	quiet := slog.New(parseCounter{stats: stats})
	return sip.NewTransportLayer(net.DefaultResolver, sip.NewParser(), nil,
		sip.WithTransportLayerLogger(quiet),
		sip.WithTransportLayerReadFilter(filter),
		sip.WithTransportLayerTransports(sip.TransportsConfig{TCP: tcp()}))
}

// parseCounter is a slog handler that keeps nothing but how many messages could
// not be parsed: they hold whatever strangers send.
type parseCounter struct{ stats *counters }

func (h parseCounter) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

func (h parseCounter) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "failed to parse" {
		h.stats.parseDropped.Add(1)
	}
	return nil
}

func (h parseCounter) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h parseCounter) WithGroup(string) slog.Handler      { return h }

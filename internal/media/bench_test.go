//go:build unix

package media

import (
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// processCPU is the time that this process has computed until now.
func processCPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchOnEachNetwork(b *testing.B, bench func(b *testing.B, e *Engine)) {
	for _, portable := range []bool{false, true} {
		b.Run(map[bool]string{false: "fast", true: "portable"}[portable], func(b *testing.B) {
			bench(b, newEngine(b, Config{Portable: portable, PortMin: 30000, PortMax: 39999}))
		})
	}
}

// deaf is a bound address that nobody reads, nor is woken for.
func deaf(b *testing.B) netip.AddrPort {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	f, err := conn.File() // the same socket, outside the runtime's poller
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	return addressOf(conn)
}

// BenchmarkMusic1000 sends music to a thousand parked calls, in real time; an
// iteration is 20 ms of it. cpu-ns/packet is what counts, and percent is of one core.
func BenchmarkMusic1000(b *testing.B) {
	const calls = 1000
	benchOnEachNetwork(b, func(b *testing.B, e *Engine) {
		var ports []*Port
		for range calls {
			p := openPort(b, e)
			p.SetRemote(deaf(b), pcmu, SendRecv, Options{})
			ports = append(ports, p)
		}
		sent := func() (n uint64) {
			for _, p := range ports {
				n += p.Stats().Sent
			}
			return n
		}
		for _, p := range ports {
			p.Music("")
		}
		runtime.GC()
		b.ResetTimer()
		before, cpu, began := sent(), processCPU(b), time.Now()
		<-time.After(time.Duration(b.N) * 20 * time.Millisecond)
		packets, spent, passed := float64(sent()-before), processCPU(b)-cpu, time.Since(began)
		b.ReportMetric(float64(spent.Nanoseconds())/packets, "cpu-ns/packet")
		b.ReportMetric(100*spent.Seconds()/passed.Seconds(), "percent")
		b.ReportMetric(100*packets/(passed.Seconds()*calls*framesPerSecond), "percent-of-rate")
	})
}

// BenchmarkRelay is one packet from one leg to another: everything but reading it.
func BenchmarkRelay(b *testing.B) {
	benchOnEachNetwork(b, func(b *testing.B, e *Engine) {
		say := relay(b, e, pcmu, pcmu)
		b.ReportAllocs()
		for b.Loop() {
			say()
		}
	})
}

// BenchmarkTranscode is one packet from one leg to another that has another codec.
func BenchmarkTranscode(b *testing.B) {
	for name, c := range map[string][2]Codec{"up": {pcmu, wideband}, "down": {wideband, pcmu}, "opus": {opus48, pcmu}} {
		b.Run(name, func(b *testing.B) {
			say := relay(b, newEngine(b, Config{}), c[0], c[1])
			b.ReportAllocs()
			for b.Loop() {
				say()
			}
		})
	}
}

// BenchmarkRelayed sends packets through sockets: written by a peer, read, passed
// on and written to another. The cost is the process's, the peer's write included.
func BenchmarkRelayed(b *testing.B) {
	benchOnEachNetwork(b, func(b *testing.B, e *Engine) {
		const pairs = 200
		var from []*peer
		var ports []*Port
		for range pairs {
			a, pa := connected(b, e, pcmu)
			c := openPort(b, e)
			c.SetRemote(deaf(b), pcmu, SendRecv, Options{})
			a.Join(c)
			from, ports = append(from, pa), append(ports, c)
		}
		payload := make([]byte, frameSamples)
		b.ResetTimer()
		cpu := processCPU(b)
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for range b.N {
			for _, ph := range from {
				ph.frame(payload)
			}
			<-pace.C
		}
		var n uint64
		for _, p := range ports {
			n += p.Stats().Sent
		}
		b.ReportMetric(float64((processCPU(b)-cpu).Nanoseconds())/float64(n), "cpu-ns/packet")
		b.ReportMetric(100*float64(n)/float64(b.N*pairs), "percent-passed")
	})
}

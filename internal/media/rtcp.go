package media

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

// reportInterval is 5 s, give or take half (RFC 3550 §6.2), so that reports do not fall into step.
func reportInterval() time.Duration {
	return 2500*time.Millisecond + rand.N(5*time.Second)
}

// peerView is what the remote's reports say about what we send.
type peerView struct {
	rtt    time.Duration
	loss   float64 // percent
	jitter uint32  // timestamp units
}

// report sends a report when it is due.
func (p *Port) report(now time.Duration) {
	r, to := p.remote.Load(), p.target.Load()
	o := &p.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if r == nil || to == nil || o.closed || now < o.nextReport {
		return
	}
	o.nextReport = now + reportInterval()
	s := p.rtp
	if !r.opts.RTCPMux {
		if s = p.rtcp; s == nil || to.addr.Port() == 65535 {
			return // we took mux for granted and they did not: no reports
		}
		next := netip.AddrPortFrom(to.addr.Addr(), to.addr.Port()+1)
		to = &destination{addr: next, raw: rawAddressOf(next, p.local.Is6())}
	}
	b, err := p.compound(r, now)
	if err == nil && o.guard != nil {
		if b, err = o.guard.sealReport(b); errors.Is(err, errNoKeys) {
			return
		}
	}
	if err == nil {
		err = s.send(b, to)
	}
	if err != nil {
		o.errors++
	}
}

// compound is the report, with out.mu held: SR if we sent since the last, else RR,
// with the SDES that must follow (RFC 3550 §6.1).
func (p *Port) compound(r *remote, now time.Duration) ([]byte, error) {
	o := &p.out
	p.in.mu.Lock()
	heard := p.in.flow.block(now)
	p.in.mu.Unlock()
	var first rtcp.Packet = &rtcp.ReceiverReport{SSRC: o.ssrc, Reports: heard}
	if o.packets != o.reported {
		first = &rtcp.SenderReport{
			SSRC: o.ssrc, NTPTime: ntp(p.engine.cfg.Clock()), RTPTime: o.ts + o.passed(r, now),
			PacketCount: o.packets, OctetCount: o.octets, Reports: heard,
		}
		o.reported = o.packets
	}
	return rtcp.Marshal([]rtcp.Packet{first, &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
		Source: o.ssrc,
		// As random as the SSRC: a name that says nothing (RFC 7022).
		Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: fmt.Sprintf("%08x", o.ssrc^0x5a5a5a5a)}},
	}}}})
}

// block reports on what was heard since the last report.
func (f *flow) block(now time.Duration) []rtcp.ReceptionReport {
	if !f.any {
		return nil
	}
	expected, received := f.expected()-f.lastExpected, f.received-f.lastReceived
	f.lastExpected, f.lastReceived = f.expected(), f.received
	r := rtcp.ReceptionReport{
		SSRC: f.ssrc, LastSequenceNumber: f.highest - 1<<16, Jitter: uint32(f.jitter),
		TotalLost: uint32(min(f.lost(), 0x7fffff)),
	}
	if expected > received {
		r.FractionLost = uint8(min(255, 256*(expected-received)/expected))
	}
	if f.reportAny {
		r.LastSenderReport = f.reportNTP
		r.Delay = uint32((now - f.reportAt).Microseconds() * 65536 / 1e6)
	}
	return []rtcp.ReceptionReport{r}
}

// controlled takes a packet from the RTCP socket.
func (p *Port) controlled(b []byte, from netip.AddrPort) {
	if r := p.remote.Load(); r != nil && r.guard != nil {
		if b = p.unwrap(r, b, from); b == nil {
			return
		}
	}
	p.reported(b, from)
}

// reported takes a packet of RTCP. Only the host that sends us audio is believed.
func (p *Port) reported(b []byte, from netip.AddrPort) {
	to := p.target.Load()
	if p.closed.Load() || to == nil || from.Addr() != to.addr.Addr() {
		return
	}
	packets, err := rtcp.Unmarshal(b)
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	if err != nil {
		p.in.invalid++
		return
	}
	now := p.engine.now()
	p.in.lastAt, p.in.told = now, false // it is there, if it says nothing else
	for _, packet := range packets {
		switch packet := packet.(type) {
		case *rtcp.SenderReport:
			if packet.SSRC == p.in.flow.ssrc {
				p.in.flow.reportNTP, p.in.flow.reportAt, p.in.flow.reportAny = uint32(packet.NTPTime>>16), now, true
			}
			p.judged(packet.Reports)
		case *rtcp.ReceiverReport:
			p.judged(packet.Reports)
		}
	}
}

// judged notes what the remote says of our stream, with in.mu held.
func (p *Port) judged(reports []rtcp.ReceptionReport) {
	for _, r := range reports {
		if r.SSRC != p.out.ssrc { // never changes after newPort
			continue
		}
		p.in.peer.loss, p.in.peer.jitter = float64(r.FractionLost)*100/256, r.Jitter
		if r.LastSenderReport == 0 {
			continue
		}
		// RFC 3550 §6.4.1: A − LSR − DLSR, in 1/65536 s.
		units := int32(uint32(ntp(p.engine.cfg.Clock())>>16) - r.LastSenderReport - r.Delay)
		if units >= 0 && units < 10*65536 {
			p.in.peer.rtt = time.Duration(units) * time.Second / 65536
		}
	}
}

// ntp is the 64-bit time of RFC 5905: seconds since 1900 and a fraction.
func ntp(t time.Time) uint64 {
	const from1900To1970 = 2208988800
	return uint64(t.Unix()+from1900To1970)<<32 | uint64(t.Nanosecond())<<32/1e9
}

// Stats is the traffic until now.
func (p *Port) Stats() Stats {
	var s Stats
	p.out.mu.Lock()
	s.Sent, s.SendErrors = uint64(p.out.packets), p.out.errors
	p.out.mu.Unlock()
	s.Untranslated, s.Transcoded, s.RecordDropped = p.untranslated.Load(), p.transcoded.Load(), p.recordDropped.Load()
	r := p.remote.Load()
	if r == nil {
		return s
	}
	if to := p.target.Load(); to != nil {
		s.Remote = to.addr.String()
	}
	p.in.mu.Lock()
	defer p.in.mu.Unlock()
	in := &p.in
	s.Codec = r.codec.Name
	s.Received, s.Lost, s.LossPercent = in.flow.received, in.flow.lost(), in.flow.lossPercent()
	s.Jitter, s.RTT = in.flow.jitterOf(r), in.peer.rtt
	s.RemoteLoss, s.RemoteJitter = in.peer.loss, r.units(float64(in.peer.jitter))
	s.Foreign, s.Invalid, s.Unauthentic = in.foreign, in.invalid, in.unauthentic
	s.Protected = r.guard != nil && r.guard.in != nil
	if s.Received > 0 {
		s.MOS = opinion(r.codec.Name, s.RTT, s.Jitter, r.codec.Ptime, s.LossPercent)
	}
	return s
}

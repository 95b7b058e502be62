package app

import (
	"net/netip"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/media"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/internal/sipua/sdp"
)

// audio is a port of the media engine as a SIP leg sees it.
type audio struct{ *media.Port }

var _ sipua.MediaPort = audio{}

func openAudio(e *media.Engine) func(call.LegID, netip.Addr) (sipua.MediaPort, error) {
	return func(leg call.LegID, told netip.Addr) (sipua.MediaPort, error) {
		p, err := e.OpenAt(leg, told, false)
		if err != nil {
			return nil, err
		}
		return audio{p}, nil
	}
}

// Media is the engine's own port, so that two legs can be joined.
func (a audio) Media() callctl.Media { return a.Port }

// Negotiated tells the port where to send what.
func (a audio) Negotiated(s sdp.Stream) {
	a.SetRemote(s.Remote, media.Codec{Name: s.Codec.Name, PT: s.Codec.Payload, Clock: s.Codec.Clock, DTMFPT: s.Events, CN: s.Noise},
		media.Direction(s.Theirs()), media.Options{
			RTCPMux: s.Mux, RecvPT: s.RecvPayload, RecvDTMFPT: s.RecvEvents, Signalling: s.Signalling, NAT: s.NAT, Protection: protection(s.Protect),
		})
}

// protection is what signalling agreed on as the engine wants to know it.
func protection(p *sdp.Protection) *media.Protection {
	if p == nil {
		return nil
	}
	out := &media.Protection{}
	if p.Means == sdp.DTLS {
		out.DTLS = &media.DTLS{Active: p.Active}
		for _, f := range p.Fingerprints {
			out.DTLS.Fingerprints = append(out.DTLS.Fingerprints, media.Fingerprint(f))
		}
	} else {
		out.Send, out.Receive = key(p.Send), key(p.Receive)
	}
	if p.Local.Ufrag != "" {
		out.ICE = &media.ICE{Ufrag: p.Local.Ufrag, Pwd: p.Local.Pwd, Peer: p.Remote.Ufrag}
	}
	return out
}

func key(c sdp.Crypto) media.Key { return media.Key{Suite: c.Suite, Key: c.Key, MKI: c.MKI} }

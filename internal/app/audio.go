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
		media.Direction(s.Theirs()), media.Options{RecvPT: s.RecvPayload, RecvDTMFPT: s.RecvEvents, Signalling: s.Signalling, NAT: s.NAT})
}

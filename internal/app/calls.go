package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/internal/config"
	"github.com/callyard/callyard/internal/media"
	"github.com/callyard/callyard/internal/sipua"
	"github.com/callyard/callyard/internal/sipua/sdp"
	"github.com/callyard/callyard/routing"
)

func (a *App) startMedia(context.Context) error {
	ip, advertised, err := a.mediaAddr()
	if err != nil {
		return err
	}
	prompts := filepath.Join(a.cfg.DataDir, "prompts")
	if err := os.MkdirAll(prompts, 0o755); err != nil {
		return fmt.Errorf("folder of prompts: %w", err)
	}
	a.Media, err = media.New(media.Config{
		IP: ip, Advertised: advertised, PortMin: a.cfg.RTP.PortMin, PortMax: a.cfg.RTP.PortMax,
		Music: prompts, Log: a.log.With("part", "media"),
	})
	if err != nil {
		return err
	}
	if err := a.Media.Start(); err != nil {
		return err
	}
	a.onStop("media", func(context.Context) error { a.Media.Stop(); return nil })
	return nil
}

// mediaAddr is where RTP is bound: what the configuration says, else where SIP listens.
func (a *App) mediaAddr() (bind, advertised netip.Addr, err error) {
	text := a.cfg.RTP.IP
	if text == "" {
		ips := map[netip.Addr]bool{}
		six := false
		for _, i := range a.cfg.SIP.Listeners() {
			_, at, err := config.ParseListen(i.Listen)
			if err != nil {
				return bind, advertised, err
			}
			ips[at.Addr()], six, text = true, six || at.Addr().Is6(), at.Addr().String()
		}
		if len(ips) > 1 { // each interface's peers send to its address
			if text = "0.0.0.0"; six {
				text = "::"
			}
		}
	}
	if bind, err = netip.ParseAddr(text); err != nil {
		return bind, advertised, fmt.Errorf("rtp.ip: %w", err)
	}
	if a.cfg.RTP.Advertise != "" {
		if advertised, err = netip.ParseAddr(a.cfg.RTP.Advertise); err != nil {
			return bind, advertised, fmt.Errorf("rtp.advertise: %w", err)
		}
	}
	return bind, advertised, nil
}

// callsShare is how much of the time for stopping calls may take: what they still
// have to write must not keep the database from stopping cleanly.
const callsShare = 12 * time.Second

func (a *App) startCalls(ctx context.Context) error {
	var ifaces []sipua.Interface
	for _, l := range a.cfg.SIP.Listeners() {
		i, err := a.iface(ctx, l)
		if err != nil {
			return err
		}
		ifaces = append(ifaces, i)
	}
	var hub *callctl.Hub
	a.SIP = sipua.New(sipua.Config{
		Listen: ifaces, Realm: a.cfg.SIP.Realm, Digests: a.cfg.SIP.Digests, Accounts: a.plan, Bindings: a.Agents, Node: a.cfg.Node, Codecs: a.cfg.RTP.Codecs,
		Lamps:  a.lamps,
		Places: func(id call.ID, agent string) []callctl.Leg { return hub.Places(id, agent) },
		Trunks: a.plan.Trunks, OpenMedia: openAudio(a.Media), OnCall: func(in callctl.Incoming) { hub.Incoming(in) }, //nolint:contextcheck // a call outlives the start
		DNS: a.cfg.SIP.DNS, Web: sipua.Web{Origins: a.cfg.SIP.WebOrigins},
		TLS: sipua.OutboundTLS{CAFile: a.cfg.SIP.TrustCA, CertFile: a.cfg.SIP.OurCert, KeyFile: a.cfg.SIP.OurKey},
		Log: a.log.With("part", "sip"), InvitesPerS: a.cfg.SIP.CallsPerS,
		SRTP: a.cfg.SIP.SRTP, Fingerprint: sdp.Fingerprint(a.Media.Fingerprint()),
	})
	ask, err := a.askOutside()
	if err != nil {
		return err
	}
	a.mailroom = a.newMailroom()
	hub = callctl.New(callctl.Config{
		Node: call.NodeID(a.cfg.Node), Plan: a.plan.Plan, Book: a.Book, Parking: a.Lots, Lines: a.Agents,
		Directory: a.dir, Dialer: a.SIP, Notify: a.notify, Ask: ask, Sticky: a.Book.TalkedLast, Speak: a.sounds.say, Mute: !a.sounds.speaker.Can(), Recordings: filepath.Join(a.cfg.DataDir, "recordings"), Voicemail: a.mailroom.dir, Mail: a.Mail, Messages: a.mailroom, Greeting: a.mailroom.greets,
		WrapUp: a.cfg.WrapUp(), Dispositions: a.Said, Callbacks: a.Owed, Flow: a.flowOf,
		Log: a.log.With("part", "calls"),
	})
	a.Hub = hub
	if err := a.SIP.Start(ctx); err != nil {
		return err
	}
	a.plan.also(a.SIP.TrunksChanged)
	a.plan.also(a.SIP.AccountsChanged)
	a.onStop("SIP", func(context.Context) error { a.SIP.Stop(); return nil }) //nolint:contextcheck // its goodbyes have their own time
	a.onStop("calls", func(ctx context.Context) error {                       // before SIP, which says goodbye for them
		ctx, cancel := context.WithTimeout(ctx, callsShare)
		defer cancel()
		return a.Hub.Stop(ctx)
	})
	return nil
}

// flowOf is the flow that a run walks, in the versions that it began with, and with
// the revisions of calendars.
func (a *App) flowOf(ctx context.Context, run routing.Run) (*routing.Flow, error) {
	read := func(name string, n int) (*routing.Flow, error) {
		v, err := a.Routes.Version(ctx, name, n)
		if err != nil {
			return nil, err
		}
		return v.Parse()
	}
	f, err := read(run.Flow, run.Version)
	if err != nil {
		return nil, err
	}
	var failed error
	linked, err := routing.Link(f, routing.Parts{
		Flow: func(name string) *routing.Flow {
			called, err := read(name, run.Subflows[name])
			failed = errors.Join(failed, err)
			return called
		},
		Calendar: func(name string) *routing.Calendar {
			// Of a callback no revision is known: it goes by the calendar as it is now.
			is, err := a.Routes.CalendarRevision(ctx, name, run.Calendars[name])
			if err == nil {
				var c *routing.Calendar
				if c, err = is.Parse(); err == nil {
					return c
				}
			}
			failed = errors.Join(failed, err)
			return nil
		},
	})
	return linked, errors.Join(err, failed)
}

// iface is a configured interface as the SIP edge takes it.
func (a *App) iface(ctx context.Context, l config.Interface) (i sipua.Interface, err error) {
	transport, at, err := config.ParseListen(l.Listen)
	if err != nil {
		return i, err
	}
	nets, err := config.Prefixes(l.LocalNets)
	if err != nil {
		return i, err
	}
	i = sipua.Interface{
		Name: l.Name, Transport: transport, Bind: at.String(), Advertised: l.Told(ctx, at.Addr()), LocalNets: nets,
		CertFile: l.TLSCert, KeyFile: l.TLSKey, ClientCAs: a.cfg.SIP.TLSClientCA,
	}
	if media := cmp.Or(l.Media, a.cfg.RTP.Advertise); media != "" {
		if i.Media, err = netip.ParseAddr(media); err != nil {
			return i, fmt.Errorf("address of media: %w", err)
		}
	}
	return i, nil
}

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/media/tone"
	"github.com/callyard/callyard/internal/media/wav"
	"github.com/callyard/callyard/internal/softphone"
	"github.com/callyard/callyard/test/hubproc"
)

// What the set-up file brings about.
const (
	answers = "+12025550101"
	waits   = "+12025550102"
	taken   = "+12025550103" // parks in the slot 711
	rings   = "+12025550104" // rep1
	queues  = "+12025550105"
	keys    = "+12025550106" // the key 7 rings rep2
	nobody  = "+12025550199"
)

// Tones by which everybody is known.
const (
	callerHz = 600
	musicHz  = 440
)

var repHz = map[string]int{"rep1": 900, "rep2": 1100}

//go:embed setup.yaml
var document []byte

// yard is the hub, and what takes part in the story that is being told.
type yard struct {
	hub   *hubproc.Hub
	ip    string // everybody's: clients refuse to send media to loopback
	sip   string // the hub's address
	page  int    // a port for the browser's page, whose origin the hub knows
	story string

	phones    []*softphone.Phone
	processes []*process
	clean     []func()
}

// open starts the hub.
func open(ctx context.Context, binary, digests string) (*yard, error) {
	ip := ownAddress()
	doc := bytes.ReplaceAll(document, []byte("127.0.0.0/8"), []byte(ip+"/32"))
	cfg := hubproc.Config{Binary: binary, Name: "interop", Document: doc, IP: ip}
	page, err := freeLoopback()
	if err != nil {
		return nil, err
	}
	cfg.Env = append(cfg.Env, fmt.Sprintf("CALLYARD_SIP__WEB_ORIGINS=http://127.0.0.1:%d", page))
	if digests != "" {
		cfg.Env = append(cfg.Env, "CALLYARD_SIP__DIGESTS="+digests)
	}
	certs, err := os.MkdirTemp("", "callyard-interop-cert-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(certs) // the hub has read them when it is ready
	cfg.Cert, cfg.Key = filepath.Join(certs, "cert.pem"), filepath.Join(certs, "key.pem")
	if err := certify(ip, cfg.Cert, cfg.Key); err != nil {
		return nil, err
	}
	h, err := hubproc.Start(cfg)
	if err != nil {
		return nil, err
	}
	y := &yard{hub: h, ip: ip, sip: h.SIP.String(), page: page, story: "ready"}
	ctx, cancel := context.WithTimeoutCause(ctx, 60*time.Second, errors.New("the hub was not ready in 60 s"))
	defer cancel()
	for {
		d, err := y.call(ctx, answers) // the last number of the set-up
		if err == nil {
			d.Hangup()
			y.endOfStory()
			return y, nil
		}
		y.endOfStory()
		select {
		case <-h.Exited:
			return y, fmt.Errorf("the hub ended: %w; see %s", h.Err, h.Log)
		case <-ctx.Done():
			return y, fmt.Errorf("%w; see %s", context.Cause(ctx), h.Log)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// ownAddress is one of this machine that is not loopback, if there is one.
func ownAddress() string {
	list, _ := net.InterfaceAddrs()
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

// fresh lets the hub forget every phone.
func (y *yard) fresh(ctx context.Context) error {
	for rep := range repHz {
		if err := y.forget(ctx, rep); err != nil {
			return fmt.Errorf("unregister %s: %w", rep, err)
		}
	}
	return nil
}

func (y *yard) endOfStory() {
	for _, f := range slices.Backward(y.clean) {
		f()
	}
	for _, p := range y.processes {
		p.stop()
	}
	for _, p := range y.phones {
		for _, d := range p.Dialogs() {
			d.Hangup()
		}
		_ = p.Close()
	}
	y.clean, y.processes, y.phones = nil, nil, nil
}

// unscathed says if the hub's log holds what it must not.
func (y *yard) unscathed() error {
	b, err := os.ReadFile(y.hub.Log)
	if err != nil {
		return err
	}
	for l := range strings.Lines(string(b)) {
		if strings.Contains(l, "panic") || strings.Contains(l, "fatal error") {
			return fmt.Errorf("the hub logged: %s", strings.TrimSpace(l))
		}
	}
	return nil
}

func (y *yard) close() error {
	y.endOfStory()
	return y.hub.Stop()
}

// port is one that is free now for UDP, with the seven above it: for RTP.
func (y *yard) port() int {
	for {
		c, err := net.ListenPacket("udp", net.JoinHostPort(y.ip, "0"))
		if err != nil {
			panic(err) // no sockets: nothing can be tried
		}
		p := netip.MustParseAddrPort(c.LocalAddr().String()).Port() &^ 7
		_ = c.Close()
		if p < 1024 || p > 65000 {
			continue
		}
		free := true
		for i := range 8 {
			u, uerr := net.ListenPacket("udp", fmt.Sprintf("%s:%d", y.ip, int(p)+i))
			t, terr := net.Listen("tcp", fmt.Sprintf("%s:%d", y.ip, int(p)+i))
			free = free && uerr == nil && terr == nil
			if uerr == nil {
				_ = u.Close()
			}
			if terr == nil {
				_ = t.Close()
			}
		}
		if free {
			return int(p)
		}
	}
}

// phone is one of ours.
func (y *yard) phone(cfg softphone.Config) (*softphone.Phone, error) {
	if cfg.Hub == "" {
		cfg.Hub = y.sip
	}
	cfg.LocalIP = y.ip
	p, err := softphone.New(cfg)
	if err == nil {
		y.phones = append(y.phones, p)
	}
	return p, err
}

// call has a caller of ours reach a number of the hub and be answered.
func (y *yard) call(ctx context.Context, number string) (*softphone.Dialog, error) {
	d, err := y.dial(ctx, number)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := d.WaitAnswered(ctx); err != nil {
		d.Hangup()
		return nil, fmt.Errorf("call %s: %w", number, err)
	}
	return d, nil
}

// dial is call without waiting for the answer.
func (y *yard) dial(ctx context.Context, number string) (*softphone.Dialog, error) {
	p, err := y.phone(softphone.Config{User: "15550100", ToneHz: callerHz})
	if err != nil {
		return nil, err
	}
	return p.Call(ctx, number)
}

// rep registers a rep's phone of ours.
func (y *yard) rep(ctx context.Context, name string, pickup softphone.Pickup) (*softphone.Phone, error) {
	p, err := y.phone(softphone.Config{User: name, Password: "secret-" + name, ToneHz: repHz[name], Pickup: pickup})
	if err != nil {
		return nil, err
	}
	return p, p.Register(ctx, 5*time.Minute)
}

// hears waits for one tone after another.
func hears(ctx context.Context, who string, d *softphone.Dialog, tones ...int) error {
	for _, hz := range tones {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := d.Hears(ctx, hz)
		cancel()
		if err != nil {
			return fmt.Errorf("%s should hear %d Hz: %w; heard %v", who, hz, err, d.Heard())
		}
	}
	return nil
}

// ends waits until a call is over.
func ends(ctx context.Context, who string, d *softphone.Dialog) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := d.WaitEnded(ctx); err != nil {
		return fmt.Errorf("%s's call should end: %w", who, err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// until asks every 50 ms, for at most d.
func until(ctx context.Context, d time.Duration, what string, ok func() bool) error {
	for last := time.Now().Add(d); !ok(); {
		if time.Now().After(last) {
			return fmt.Errorf("%s: not within %s", what, d)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

// sound writes a minute of a tone.
func (y *yard) sound(name string, hz, rate int) (string, error) {
	file := filepath.Join(y.hub.Dir, fmt.Sprintf("%s-%d.wav", name, rate))
	return file, os.WriteFile(file, wav.Linear(tone.Generate(float64(hz), time.Minute, rate), rate), 0o644)
}

// tonesIn are the tones that follow one another in recordings, those that last
// 300 ms at least.
func tonesIn(files ...string) (list []int, err error) {
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		a, err := wav.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		step, run, last := a.Rate/10, 0, 0
		for pcm := a.PCM; len(pcm) >= step; pcm = pcm[step:] {
			hz, level := tone.Detect(pcm[:step], a.Rate)
			near := int(hz/10+.5) * 10
			if level < -40 {
				near = 0
			}
			if near == last {
				run++
			} else {
				last, run = near, 1
			}
			if run == 3 && near != 0 && (len(list) == 0 || list[len(list)-1] != near) {
				list = append(list, near)
			}
		}
	}
	return list, nil
}

// inOrder says if want are among heard, one after another.
func inOrder(heard []int, want ...int) bool {
	for _, h := range heard {
		if len(want) > 0 && h >= want[0]-15 && h <= want[0]+15 {
			want = want[1:]
		}
	}
	return len(want) == 0
}

// certify makes a certificate that nobody vouches for, for an address.
func certify(ip, cert, key string) error {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	c := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: ip}, IPAddresses: []net.IP{net.ParseIP(ip)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, k.Public(), k)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

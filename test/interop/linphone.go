package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// linphone is a linphonec that runs, driven by what it reads as typed.
type linphone struct {
	process *process
	dir     string
	in      io.Writer
}

// linphone starts one that is rep's phone, sends rep's tone and records what it hears.
func (y *yard) linphone(ctx context.Context, rep, transport string) (*linphone, error) {
	dir, err := os.MkdirTemp(y.hub.Dir, "linphone-")
	if err != nil {
		return nil, err
	}
	sound, err := y.sound(rep, repHz[rep], 8000)
	if err != nil {
		return nil, err
	}
	at := y.port()
	ports := map[string]int{"udp": -1, "tcp": -1, "tls": -1}
	ports[transport] = at
	config := fmt.Sprintf(`[sip]
sip_port=%[1]d
sip_tcp_port=%[2]d
sip_tls_port=-1
verify_server_certs=0
default_proxy=0
register_only_when_network_is_up=0
guess_hostname=1
use_ipv6=0
inc_timeout=60
contact="%[3]s" <sip:%[3]s@%[4]s>
[net]
nat_policy_ref=
[rtp]
audio_rtp_port=%[5]d
[sound]
echocancellation=0
remote_ring=
local_ring=
[video]
enabled=0
[proxy_0]
reg_proxy=<sip:%[6]s;transport=%[7]s>
reg_identity="%[3]s" <sip:%[3]s@%[6]s>
reg_expires=300
reg_sendregister=1
publish=0
[auth_info_0]
username=%[3]s
passwd=secret-%[3]s
[audio_codec_0]
mime=PCMU
rate=8000
channels=1
enabled=1
`, ports["udp"], ports["tcp"], rep, y.ip, at+2, y.sip, transport)
	file := filepath.Join(dir, "linphonerc")
	if err := errors.Join(os.WriteFile(file, []byte(config), 0o600), os.MkdirAll(filepath.Join(dir, ".local/share/linphone"), 0o700)); err != nil {
		return nil, err
	}
	l := &linphone{dir: dir}
	l.process = &process{cmd: exec.Command("linphonec", "-c", file), log: filepath.Join(y.hub.Dir, y.story+".linphone-"+rep+".log"), exited: make(chan struct{})}
	l.process.cmd.Env = append(os.Environ(), "HOME="+dir)
	if l.in, err = l.process.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := y.start(l.process); err != nil {
		return nil, err
	}
	return l, errors.Join(
		l.do("soundcard use files"), l.do("play "+sound), l.do("record "+filepath.Join(dir, "heard.wav")),
		until(ctx, 10*time.Second, "linphone's registration", func() bool {
			_ = l.do("status register")
			return l.said("registered,")
		}))
}

// do types a command.
func (l *linphone) do(command string) error {
	if _, err := fmt.Fprintln(l.in, command); err != nil {
		return fmt.Errorf("linphone: %s: %w", command, err)
	}
	return nil
}

// says waits for a line that contains all of these, whatever their case.
func (l *linphone) says(ctx context.Context, words ...string) error {
	err := until(ctx, 10*time.Second, "linphone: "+strings.Join(words, " … "), func() bool { return l.said(words...) })
	if err != nil {
		return fmt.Errorf("%w, see %s", err, l.process.log)
	}
	return nil
}

func (l *linphone) said(words ...string) bool {
	b, _ := os.ReadFile(l.process.log)
lines:
	for line := range strings.Lines(strings.ToLower(string(b))) {
		for _, w := range words {
			if !strings.Contains(line, strings.ToLower(w)) {
				continue lines
			}
		}
		return true
	}
	return false
}

// heard ends it and is an error if it was not sent these tones in order.
func (l *linphone) heard(want ...int) error {
	_ = l.do("quit")
	select {
	case <-l.process.exited:
	case <-time.After(5 * time.Second):
		l.process.stop()
	}
	got, err := tonesIn(filepath.Join(l.dir, "heard.wav"))
	if err == nil && !inOrder(got, want...) {
		err = fmt.Errorf("linphone heard %v, should have heard %v; see %s", got, want, l.dir)
	}
	return err
}

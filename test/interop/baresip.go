package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// baresip is one that runs, driven over its control connection: JSON in
// netstrings (its module ctrl_tcp).
type baresip struct {
	process *process
	dir     string
	conn    net.Conn

	mu     sync.Mutex
	events []baresipEvent
}

type baresipEvent struct {
	Event bool   `json:"event"`
	Type  string `json:"type"` // CALL_ESTABLISHED, REGISTER_OK …
	Param string `json:"param"`
	Peer  string `json:"peeruri"`
}

const baresipModules = "/usr/lib/baresip/modules"

// baresip starts one that is rep's phone and sends rep's tone. params go into its
// account: ";mediaenc=srtp-mand".
func (y *yard) baresip(ctx context.Context, rep, transport, params string) (*baresip, error) {
	dir, err := os.MkdirTemp(y.hub.Dir, "baresip-")
	if err != nil {
		return nil, err
	}
	sound, err := y.sound(rep, repHz[rep], 8000)
	if err != nil {
		return nil, err
	}
	at := y.port()
	control := at + 7
	hub := y.sip
	if transport == "tls" {
		hub = y.hub.TLS.String()
	}
	config := fmt.Sprintf(`poll_method epoll
sip_listen %[1]s:%[2]d
call_max_calls 8
call_local_timeout 120
audio_path %[3]s
audio_player aubridge,%[4]s
audio_source aufile,%[5]s
audio_alert aubridge,alert-%[4]s
snd_path %[3]s
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_level no
rtp_ports %[6]d-%[7]d
jitter_buffer_delay 0-5
module_path %[8]s
module g711.so
module uuid.so
module aufile.so
module aubridge.so
module sndfile.so
module srtp.so
module_app account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:%[9]d
`, y.ip, at, dir, rep, sound, at+2, at+6, baresipModules, control)
	account := fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_user=%s;auth_pass=secret-%s;answermode=manual;audio_codecs=PCMU;regint=300;ptime=20%s\n", rep, hub, transport, rep, rep, params)
	for name, text := range map[string]string{"config": config, "accounts": account, "contacts": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	b := &baresip{dir: dir}
	if b.process, err = y.begin("baresip-"+rep, "baresip", "-s", "-f", dir); err != nil {
		return nil, err
	}
	var d net.Dialer
	err = until(ctx, 8*time.Second, "baresip's control port", func() bool {
		b.conn, err = d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(control)))
		return err == nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w, see %s", err, b.process.log)
	}
	y.clean = append(y.clean, func() { _ = b.do("quit", "") })
	go b.read()
	// The first REGISTER is over before anybody listens to events: its answer is in the log.
	err = until(ctx, 8*time.Second, "baresip's registration", func() bool {
		log, _ := os.ReadFile(b.process.log)
		return strings.Contains(string(log), "200 OK") && strings.Contains(string(log), "binding") || b.count("REGISTER_OK") > 0
	})
	if err != nil {
		return nil, fmt.Errorf("%w, see %s", err, b.process.log)
	}
	return b, nil
}

func (b *baresip) read() {
	for r := bufio.NewReader(b.conn); ; {
		n, err := r.ReadString(':')
		if err != nil {
			return
		}
		length, err := strconv.Atoi(strings.TrimSuffix(n, ":"))
		if err != nil {
			return
		}
		text := make([]byte, length+1) // and its comma
		if _, err := io.ReadFull(r, text); err != nil {
			return
		}
		var e baresipEvent
		if json.Unmarshal(text[:length], &e) == nil && e.Event {
			b.mu.Lock()
			b.events = append(b.events, e)
			b.mu.Unlock()
		}
	}
}

// do gives a command: dial, accept, hangup, hold, resume, sndcode, transfer.
func (b *baresip) do(command, params string) error {
	m, err := json.Marshal(map[string]string{"command": command, "params": params, "token": "t"})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(b.conn, "%d:%s,", len(m), m); err != nil {
		return fmt.Errorf("baresip: %s: %w", command, err)
	}
	return nil
}

// count is how often something has happened.
func (b *baresip) count(kind string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Type == kind {
			n++
		}
	}
	return n
}

// saw waits until something has happened.
func (b *baresip) saw(ctx context.Context, kind string) error {
	err := until(ctx, 10*time.Second, "baresip: "+kind, func() bool { return b.count(kind) > 0 })
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		return fmt.Errorf("%w; it saw %v, see %s", err, b.events, b.process.log)
	}
	return nil
}

// heard ends it and says which tones it was sent, in order.
func (b *baresip) heard() ([]int, error) {
	b.process.stop()
	files, err := filepath.Glob(filepath.Join(b.dir, "dump-*dec.wav"))
	if err != nil {
		return nil, err
	}
	when := func(f string) int64 {
		if st, err := os.Stat(f); err == nil {
			return st.ModTime().UnixNano()
		}
		return 0
	}
	slices.SortFunc(files, func(a, b string) int { return int(when(a) - when(b)) })
	return tonesIn(files...)
}

// heardInOrder is an error if it was not sent these, one after another.
func (b *baresip) heardInOrder(want ...int) error {
	got, err := b.heard()
	if err != nil {
		return err
	}
	if !inOrder(got, want...) {
		return fmt.Errorf("baresip heard %v, should have heard %v in between; see %s", got, want, b.dir)
	}
	return nil
}

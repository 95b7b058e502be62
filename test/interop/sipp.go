package main

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// scenario is a run of SIPp for one call.
type scenario struct {
	file string // without .xml
	port int    // 0: one that is free
	args []string
	tcp  bool
}

// sipp starts a scenario.
func (y *yard) sipp(s scenario) (*process, error) {
	if s.port == 0 {
		s.port = y.port()
	}
	transport := "u1"
	if s.tcp {
		transport = "t1"
	}
	name := fmt.Sprintf("%s.%d", s.file, s.port)
	base := filepath.Join(y.hub.Dir, y.story+"."+name)
	here, err := scenarios()
	if err != nil {
		return nil, err
	}
	args := append([]string{
		y.sip, "-sf", filepath.Join(here, s.file+".xml"), "-i", y.ip, "-mi", y.ip, "-p", strconv.Itoa(s.port), "-mp", strconv.Itoa(s.port + 2), "-t", transport,
		"-m", "1", "-nostdin", "-timeout", "40s", "-timeout_error", "-key", "caller", "15550100",
		"-trace_err", "-error_file", base + ".err", "-trace_msg", "-message_file", base + ".msg",
	}, s.args...)
	return y.begin(name, "sipp", args...)
}

// scenarios is the folder of SIPp's files: next to the sources, which `go run`
// and make are started in.
func scenarios() (string, error) {
	for _, d := range []string{"test/interop", "."} {
		if _, err := os.Stat(filepath.Join(d, "caller_talk.xml")); err == nil {
			return filepath.Abs(d)
		}
	}
	return "", errors.New("SIPp's scenarios are not here: start interop in the repository's root")
}

// caller runs a scenario that calls a number, to its end.
func (y *yard) caller(ctx context.Context, file, number string, args ...string) error {
	return y.callerBy(ctx, scenario{file: file, args: append([]string{"-s", number}, args...)})
}

func (y *yard) callerBy(ctx context.Context, s scenario) error {
	p, err := y.sipp(s)
	if err != nil {
		return err
	}
	return p.wait(ctx)
}

// desk starts a scenario that is a rep's phone, and registers it.
func (y *yard) desk(ctx context.Context, file, rep string, args ...string) (*process, error) {
	at := y.port()
	p, err := y.sipp(scenario{file: file, port: at, args: append([]string{"-key", "rep", rep}, args...)})
	if err != nil {
		return nil, err
	}
	return p, y.enrol(ctx, rep, "secret-"+rep, at)
}

// enrol registers a phone at a port for a rep.
func (y *yard) enrol(ctx context.Context, rep, password string, at int) error {
	c, err := y.credentials(ctx, "REGISTER", "sip:"+y.sip, rep, password)
	if err != nil {
		return err
	}
	return y.callerBy(ctx, scenario{file: "rep_register", args: []string{"-key", "rep", rep, "-key", "phone", fmt.Sprintf("%s:%d", y.ip, at), "-key", "credentials", c}})
}

// asRep runs a scenario in which a rep calls.
func (y *yard) asRep(ctx context.Context, file, rep, number string, args ...string) error {
	c, err := y.credentials(ctx, "INVITE", "sip:"+number+"@"+y.sip, rep, "secret-"+rep)
	if err != nil {
		return err
	}
	return y.caller(ctx, file, number, append([]string{"-key", "caller", rep, "-key", "rep", rep, "-key", "credentials", c}, args...)...)
}

// hungUpByHub takes SIPp's word for a caller who stays until the hub's BYE. SIPp
// counts a BYE that it did not expect as a failure; so its messages are asked.
func (y *yard) hungUpByHub(err error) error {
	if err == nil {
		return nil
	}
	files, _ := filepath.Glob(filepath.Join(y.hub.Dir, y.story+".caller_talk.*.msg"))
	for _, f := range files {
		if b, rerr := os.ReadFile(f); rerr == nil && strings.Contains(string(b), "\nBYE sip:") {
			return nil
		}
	}
	return err
}

// --- what SIPp lacks ----------------------------------------------------------
// SIPp 3.6 looks at the first challenge only and knows only MD5; the hub's first
// is SHA-256 (RFC 8760 §2.4: best first). So credentials are made here.

var quoted = regexp.MustCompile(`(\w+)="([^"]*)"`)

// credentials is an Authorization header for a fresh nonce.
func (y *yard) credentials(ctx context.Context, method, uri, user, password string) (string, error) {
	challenge, err := y.register(ctx, user, "")
	if err != nil {
		return "", err
	}
	for l := range strings.SplitSeq(challenge, "\r\n") {
		if !strings.HasPrefix(strings.ToLower(l), "www-authenticate:") || !strings.Contains(l, "algorithm=MD5") {
			continue
		}
		v := map[string]string{}
		for _, m := range quoted.FindAllStringSubmatch(l, -1) {
			v[m[1]] = m[2]
		}
		sum := func(parts ...string) string {
			h := md5.Sum([]byte(strings.Join(parts, ":")))
			return hex.EncodeToString(h[:])
		}
		response := sum(sum(user, v["realm"], password), v["nonce"], "00000001", "interop", "auth", sum(method, uri)) // RFC 7616 §3.4.1
		return fmt.Sprintf(`Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5, qop=auth, nc=00000001, cnonce="interop"`,
			user, v["realm"], v["nonce"], uri, response), nil
	}
	return "", fmt.Errorf("no MD5 challenge came, but:\n%s", challenge)
}

// forget removes every phone of a rep (RFC 3261 §10.2.2).
func (y *yard) forget(ctx context.Context, rep string) error {
	c, err := y.credentials(ctx, "REGISTER", "sip:"+y.sip, rep, "secret-"+rep)
	if err != nil {
		return err
	}
	answer, err := y.register(ctx, rep, c+"\r\nContact: *\r\nExpires: 0\r\n")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "SIP/2.0 200 ") {
		return fmt.Errorf("the hub answered %q", strings.SplitN(answer, "\r\n", 2)[0])
	}
	return nil
}

// register sends one REGISTER and returns its final answer.
func (y *yard) register(ctx context.Context, rep, extra string) (string, error) {
	c, err := net.ListenPacket("udp", net.JoinHostPort(y.ip, "0"))
	if err != nil {
		return "", err
	}
	defer c.Close()
	hub, err := net.ResolveUDPAddr("udp", y.sip)
	if err != nil {
		return "", err
	}
	id := rand.Text()
	m := fmt.Sprintf("REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]s;rport\r\nMax-Forwards: 70\r\nFrom: <sip:%[4]s@%[1]s>;tag=%[3]s\r\nTo: <sip:%[4]s@%[1]s>\r\nCall-ID: %[3]s\r\nCSeq: 1 REGISTER\r\n%[5]sContent-Length: 0\r\n\r\n",
		y.sip, c.LocalAddr(), id, rep, extra)
	buf := make([]byte, 65536)
	for range 5 {
		if _, err := c.WriteTo([]byte(m), hub); err != nil {
			return "", err
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		n, _, err := c.ReadFrom(buf)
		if err == nil && n > 12 && string(buf[:9]) != "SIP/2.0 1" {
			return string(buf[:n]), nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
	}
	return "", errors.New("the hub does not answer a REGISTER")
}

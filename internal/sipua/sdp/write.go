package sdp

import (
	"fmt"
	"strings"
)

// form is how audio is described besides its formats.
type form struct {
	proto   string
	protect *Protection
	keys    []Crypto
	setup   string
	mid     string
	mux     bool
	bundle  bool
}

// write prints a description. Of an offer that is answered every stream but the
// audio one is refused by port 0, in place (RFC 3264 §6).
func write(l Local, how form, fs []Format, dir Direction, offer Description) []byte {
	fam := "IP4"
	if l.Addr.Is6() {
		fam = "IP6"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=callyard %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", l.ID, l.Version, fam, l.Addr, fam, l.Addr)
	group := ""
	if how.bundle {
		group = how.mid
	}
	b.WriteString(how.protect.session(group))
	lines, mids := offer.lines, offer.mids
	if len(lines) == 0 {
		lines, mids = []string{""}, []string{""}
	}
	for i, line := range lines {
		if i != offer.audio {
			f := strings.Fields(line)
			fmt.Fprintf(&b, "m=%s 0 %s %s\r\n", f[0], f[2], f[3])
			if mids[i] != "" {
				fmt.Fprintf(&b, "a=mid:%s\r\n", mids[i])
			}
			continue
		}
		fmt.Fprintf(&b, "m=audio %d %s", l.Port, how.proto)
		for _, f := range fs {
			fmt.Fprintf(&b, " %d", f.Payload)
		}
		b.WriteString("\r\n")
		for _, f := range fs {
			name := fmt.Sprintf("%s/%d", f.Name, f.Clock)
			if f.Name == opus {
				name = "opus/48000/2" // RFC 7587 §7: always two channels
			}
			fmt.Fprintf(&b, "a=rtpmap:%d %s\r\n", f.Payload, name)
			if f.Name == Events {
				fmt.Fprintf(&b, "a=fmtp:%d 0-15\r\n", f.Payload)
			}
		}
		fmt.Fprintf(&b, "a=ptime:20\r\na=%s\r\n", dir)
		b.WriteString(how.protect.stream(l, how.keys, how.setup, how.mid, how.mux))
	}
	return []byte(b.String())
}

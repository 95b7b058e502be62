package sipua

import "github.com/emiago/sipgo/sip"

// probe asks a silent peer whether the call is still there (OPTIONS in the
// dialog): one that knows nothing of it, or is gone, has ended it.
func (l *Leg) probe() {
	if l.state != confirmed || l.onHold && !l.secure.checked() || l.probing {
		return
	}
	l.probing = true
	_, err := l.send(l.request(sip.OPTIONS), func(res *sip.Response, err error) {
		switch {
		case err != nil:
			l.probing = false
			l.gone(408, "")
		case res.StatusCode == 481 || res.StatusCode == 408:
			l.probing = false
			l.gone(res.StatusCode, "")
		case res.StatusCode >= 200:
			l.probing = false
		}
	})
	if err != nil {
		l.gone(408, "")
	}
}

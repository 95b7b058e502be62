package sipua

import (
	"crypto/tls"
	"errors"

	"github.com/callyard/callyard/internal/sipua/resolve"
)

// cure is what an operator can do about a failure of a carrier's, "" if it is
// none of theirs.
func cure(status int, err error) string {
	var cert *tls.CertificateVerificationError
	switch {
	case errors.Is(err, resolve.ErrNone):
		return "the host's name is not in DNS: check its spelling, and sip.dns"
	case errors.As(err, &cert):
		return "the gateway's certificate is not accepted: use the host's name as the certificate has it, or name the carrier's authority with sip.trust_ca"
	}
	switch status {
	case 0:
		return "DNS does not answer: check the host's name, the machine's name servers, and sip.dns"
	case 401, 407:
		return "the carrier does not accept username and password: check both, and that the account is for this host or domain"
	case 403:
		return "the carrier refuses us: it may not know our address (ask to have it listed), want a registration (register: true), or not allow the number shown (show: own with caller_number)"
	case 404, 484, 604, 410:
		return "the carrier does not know the number as we write it: check it, and number_format, country and national_prefix"
	case 408:
		return "nothing answers: check host, port and transport, and that the firewall lets us out and the answers back in"
	case 480:
		return "the number cannot be reached now: its phone may be off; try another"
	case 486, 600, 603:
		return "the number is busy or declined, so the trunk works: try another to hear audio"
	case 487:
		return "nobody picked up in time, so the trunk works: ring longer, or call a number that answers"
	case 488, 415, 606:
		return "the carrier takes none of our audio: check codecs and srtp against what it supports"
	case 502, 503, 504, 500:
		return "the gateway is overloaded, or cannot be reached or go on: try again later, add another under hosts, or ask the carrier"
	}
	return ""
}

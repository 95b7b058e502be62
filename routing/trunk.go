package routing

import (
	"cmp"

	"github.com/callyard/callyard/internal/call"
)

// Trunk is a carrier's side: who may send us calls, and where ours go.
type Trunk struct {
	ID   string `json:"id"` // "trk_…"
	Name string `json:"name"`

	Sources   []string  `json:"sources"`   // CIDRs whose INVITEs are this trunk's
	Host      string    `json:"host"`      // where outbound calls go: host[:port]; "" inbound only
	Hosts     []Gateway `json:"hosts"`     // in place of Host: several gateways
	Domain    string    `json:"domain"`    // of our From and of the numbers dialled; "": the gateway's
	Transport string    `json:"transport"` // "udp" (default), "tcp", "tls"
	SRTP      string    `json:"srtp"`      // "off" (default), "optional", "required"

	// Credentials: the carrier's for us, and with AuthInbound ours for the carrier.
	Username    string      `json:"username"`
	Password    call.Secret `json:"password,omitempty"`
	AuthInbound bool        `json:"auth_inbound"` // its INVITEs must carry the credentials
	Register    bool        `json:"register"`     // we register with it
	Registrar   string      `json:"registrar"`    // host[:port]; "": the gateways
	RegisterS   int         `json:"register_s"`   // expiry asked for; 0: 3600

	Codecs    []string `json:"codecs"`      // order of preference; empty: the node's
	MaxCalls  int      `json:"max_calls"`   // both ways together; 0: no bound
	CallsPerS float64  `json:"calls_per_s"` // both ways together; 0: no bound

	Priority int      `json:"priority"`  // of trunks that can carry a call, the lowest first
	For      []string `json:"for"`       // beginnings of the numbers it carries outward; empty: all
	TryS     float64  `json:"try_s"`     // without any answer the next gateway is tried; 0: 4
	QualifyS int      `json:"qualify_s"` // how often the gateways are asked whether they are there; 0: never

	Trust          []string    `json:"trust"`           // what says who calls, in order: "pai", "rpid", "from"; empty: pai, from; and TrustReferredBy
	Send           []string    `json:"send"`            // "pai", "rpid", "diversion", "history-info"; empty: pai, diversion
	Show           string      `json:"show"`            // "caller" (default): the caller's number; "own": CallerNumber always
	CallerNumber   call.Number `json:"caller_number"`   // shown where there is no number the carrier would take
	NumberFormat   string      `json:"number_format"`   // how it writes numbers: "" as they are, "e164", "plain", "national"
	Country        string      `json:"country"`         // country code of its national numbers: "34"
	NationalPrefix string      `json:"national_prefix"` // of its national numbers: "0"
}

// TrustReferredBy in Trust lets a trunk send callers elsewhere (REFER), in the
// name of who Referred-By says (RFC 3892).
const TrustReferredBy = "referred-by"

// Gateway is one of a carrier's machines, or a domain that DNS knows more about.
type Gateway struct {
	Host     string `json:"host"`     // host[:port]; without a port SRV records are asked for
	Priority int    `json:"priority"` // the lowest first
	Weight   int    `json:"weight"`   // share among those of one priority; 0: 1
}

// WithDefaults fills in what "" stands for.
func (t Trunk) WithDefaults() Trunk {
	t.Transport, t.SRTP, t.Show = cmp.Or(t.Transport, "udp"), cmp.Or(t.SRTP, "off"), cmp.Or(t.Show, "caller")
	for _, list := range []*[]string{&t.Sources, &t.Codecs, &t.For, &t.Trust, &t.Send} {
		if *list == nil {
			*list = []string{}
		}
	}
	if t.Hosts == nil {
		t.Hosts = []Gateway{}
	}
	return t
}

// Gateways are where its outbound calls go; none: it is for inbound calls only.
func (t Trunk) Gateways() []Gateway {
	if t.Host != "" {
		return []Gateway{{Host: t.Host}}
	}
	return t.Hosts
}

// Keeping is the trunk with the password of what it replaces, unless it brings
// its own or another username: passwords are never shown, so that whoever writes
// back what was read has none to give.
func (t Trunk) Keeping(old Trunk) Trunk {
	if t.Password == "" && t.Username != "" && t.Username == old.Username {
		t.Password = old.Password
	}
	return t
}

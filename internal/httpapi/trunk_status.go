package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/routing"
)

// Carriers is how trunks do on this node.
type Carriers interface {
	TrunkStatus(name string) (routing.TrunkStatus, bool)
	TryTrunk(ctx context.Context, trunk string, number call.Number, ring time.Duration) (routing.Trial, error)
}

// TrunkStatus is how a trunk does, as this node sees it.
type TrunkStatus struct {
	Name         string            `json:"name"`
	Calls        int               `json:"calls" doc:"Now, both ways"`
	MaxCalls     int               `json:"max_calls" doc:"0: no bound"`
	Down         string            `json:"down" doc:"Why it carries no calls outward now; empty: nothing is known against it"`
	Registration TrunkRegistration `json:"registration"`
	Gateways     []GatewayStatus   `json:"gateways" doc:"Those that were looked up so far"`
	Since        TrunkCounts       `json:"since_start"`
}

// TrunkRegistration is ours with the carrier.
type TrunkRegistration struct {
	State  string     `json:"state" enum:"none,registering,registered,failed,ended"`
	Until  *time.Time `json:"until,omitempty"`
	Status int        `json:"status" doc:"SIP status of the last answer; 0: none"`
	Error  string     `json:"error" doc:"Why the last attempt failed"`
}

// GatewayStatus is one address of the carrier's.
type GatewayStatus struct {
	Address string     `json:"address"`
	Name    string     `json:"name"`
	Up      bool       `json:"up" doc:"If not, it is tried last"`
	RTT     float64    `json:"rtt_ms" doc:"Until its last first answer; 0: none yet"`
	Seen    *time.Time `json:"seen,omitempty" doc:"When it answered last"`
	Error   string     `json:"error" doc:"Its last failure"`
	ErrorAt *time.Time `json:"error_at,omitempty"`
}

// TrunkCounts is what a trunk has done since the node started.
type TrunkCounts struct {
	In        int64            `json:"in"`
	Out       int64            `json:"out"`
	Shed      int64            `json:"shed" doc:"Refused or passed over because it was full"`
	Failed    int64            `json:"failed" doc:"Outbound attempts that failed, all classes together"`
	Failovers int64            `json:"failovers"`
	Failures  map[string]int64 `json:"failures" doc:"By class: dns, timeout, gateway, refused, number, person, other"`
}

// Trial is what came of a test call.
type Trial struct {
	Trunk   string      `json:"trunk"`
	OK      bool        `json:"ok" doc:"Answered, and audio came back"`
	Verdict string      `json:"verdict"`
	Cure    string      `json:"cure" doc:"What to do about it"`
	Steps   []TrialStep `json:"steps"`
}

// TrialStep is one thing that happened in a test call.
type TrialStep struct {
	AtMS    int64  `json:"at_ms"`
	What    string `json:"what" enum:"begun,resolved,options,dialled,ringing,answered,audio,ended,failed"`
	Gateway string `json:"gateway"`
	Status  int    `json:"status" doc:"Of SIP; 0: none"`
	Codec   string `json:"codec"`
	SRTP    string `json:"srtp" doc:"The suite, or off; empty before the answer"`
	Packets uint64 `json:"packets" doc:"Of audio received since the answer"`
	Text    string `json:"text"`
	Cure    string `json:"cure"`
}

func (a *api) trunkStatuses() {
	route(a, op{method: "GET", path: "/v1/trunks/{name}/status", scope: "read", role: "manager", id: "read_trunk_status", summary: "Read how a trunk does on this node"},
		func(ctx context.Context, in *Named) (*body[TrunkStatus], error) {
			if _, err := a.Routes.Trunk(ctx, in.Name); err != nil {
				return nil, err
			}
			st, ok := a.Carriers.TrunkStatus(in.Name)
			if !ok {
				return nil, notLoaded()
			}
			return &body[TrunkStatus]{statusOf(st)}, nil
		})
	route(a, op{
		method: "POST", path: "/v1/trunks/{name}/test-call", scope: "write", role: "admin", id: "test_trunk",
		summary: "Call a number through a trunk, play a tone, and tell what happened; it may take a minute",
	}, func(ctx context.Context, in *struct {
		Named
		Body struct {
			To    string `json:"to" minLength:"1" maxLength:"40" pattern:"^[+0-9*#][0-9*#]*$" doc:"The number to call, as the trunk's other calls have it"`
			RingS int    `json:"ring_s,omitempty" minimum:"1" maximum:"30" doc:"How long it may ring; 0: 15"`
		}
	},
	) (*body[Trial], error) {
		if _, err := a.Routes.Trunk(ctx, in.Name); err != nil {
			return nil, err
		}
		x, err := a.Carriers.TryTrunk(ctx, in.Name, call.Number(in.Body.To), time.Duration(in.Body.RingS)*time.Second)
		switch {
		case errors.Is(err, routing.ErrTrial):
			return nil, &Problem{Status: http.StatusConflict, Code: "test_under_way", Detail: err.Error()}
		case errors.Is(err, callctl.ErrUnreachable):
			return nil, notLoaded()
		case err != nil:
			return nil, err
		}
		out, err := as[Trial](x)
		return &body[Trial]{out}, err
	})
}

// notLoaded: the trunk is stored, and this node has not read it yet.
func notLoaded() *Problem {
	return &Problem{Status: http.StatusConflict, Code: "trunk_not_loaded", Detail: "this node has not read the trunk yet; try again"}
}

func statusOf(st routing.TrunkStatus) TrunkStatus {
	out := TrunkStatus{
		Name: st.Name, Calls: st.Calls, MaxCalls: st.MaxCalls, Down: st.Down, Gateways: []GatewayStatus{},
		Registration: TrunkRegistration{State: st.Registration.State, Until: moment(st.Registration.Until), Status: st.Registration.Status, Error: st.Registration.Error},
		Since:        TrunkCounts{In: st.Since.In, Out: st.Since.Out, Shed: st.Since.Shed, Failovers: st.Since.Failovers, Failures: st.Since.Failures},
	}
	for _, n := range st.Since.Failures {
		out.Since.Failed += n
	}
	for _, g := range st.Gateways {
		out.Gateways = append(out.Gateways, GatewayStatus{
			Address: g.Address, Name: g.Name, Up: g.Up, RTT: float64(g.RTT.Microseconds()) / 1000, Seen: moment(g.Seen), Error: g.Error, ErrorAt: moment(g.ErrorAt),
		})
	}
	return out
}

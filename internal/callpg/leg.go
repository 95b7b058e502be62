package callpg

import (
	"math"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
)

// Leg is one party's audio in an ended call, as it is stored.
type Leg struct {
	ID          call.LegID `json:"id"`
	Agent       string     `json:"agent,omitempty"`
	Device      string     `json:"device,omitempty"`
	Codec       string     `json:"codec"`
	Sent        uint64     `json:"sent"`
	Received    uint64     `json:"received"`
	Lost        uint64     `json:"lost"`
	LossPercent float64    `json:"loss_percent"`
	JitterMS    float64    `json:"jitter_ms"`
	RTTMS       float64    `json:"rtt_ms"`
	MOS         float64    `json:"mos"`
	WorstMOS    float64    `json:"worst_mos"`
	FarLoss     float64    `json:"far_loss_percent"`
	FarJitterMS float64    `json:"far_jitter_ms"`
	Transcoded  uint64     `json:"transcoded"`
}

func legsOf(heard []callctl.Heard) []Leg {
	legs := make([]Leg, len(heard))
	for i, h := range heard {
		q := h.Quality
		legs[i] = Leg{
			ID: h.Leg, Agent: h.Agent, Device: h.Device, Codec: q.Codec, Sent: q.Sent, Received: q.Received, Lost: q.Lost,
			LossPercent: hundredths(q.LossPercent), JitterMS: millis(q.Jitter), RTTMS: millis(q.RTT), MOS: hundredths(q.MOS),
			WorstMOS: hundredths(q.WorstMOS), FarLoss: hundredths(q.FarLoss), FarJitterMS: millis(q.FarJitter), Transcoded: q.Transcoded,
		}
	}
	return legs
}

// hundredths is as much of a figure as means anything.
func hundredths(v float64) float64 { return math.Round(100*v) / 100 }

func millis(d time.Duration) float64 { return hundredths(d.Seconds() * 1000) }

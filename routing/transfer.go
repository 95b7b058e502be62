package routing

import "time"

// transfer hands the caller over for good: the flow does not get them back for
// anything but to end the call.
type transfer struct {
	To         string `json:"to"`
	RingS      secs   `json:"ring_s"`
	Whisper    string `json:"whisper"`
	PresentCID string `json:"present_cid"`
}

func transferType() kind {
	return kind{NodeType{
		Type: "transfer", Doc: "Hands the caller over to a person or a number: ok once they have talked, failed if nobody could be reached.",
		Cfg: object(fields{
			"to":          name(DialTarget, "owner, sticky, agent:<name>, team:<name>, skill:<name> or number:<+34…>"),
			"ring_s":      seconds("how long it rings", 60, 1, 300),
			"whisper":     name(Template, "what whoever answers is told before they are connected; shown on their phone where nothing speaks"),
			"present_cid": name(PhoneNumber, "shown to a number outside instead of the caller's"),
		}, "to"),
		Outcomes: []string{transferred, "failed"}, Waits: true,
	}, as[transfer]}
}

// transferred is the outcome of a transfer that came to a conversation.
const transferred = "ok"

// ask rings as a dial does; only what comes of it has other names.
func (t *transfer) ask(w *walk, n *node) Command {
	d := dial{Targets: []string{t.To}, Strategy: "ring_all", RingS: t.RingS, Whisper: t.Whisper, PresentCID: t.PresentCID, StickyD: defaultStickyD}
	c := d.command(w, n)
	c.Talked = transferred
	return c
}

func (t *transfer) told(_ *walk, _ *node, e Event) turn {
	in := map[string]any{"to": t.To}
	if e.Outcome == transferred {
		return turn{outcome: transferred, reason: "handed over to " + t.To, inputs: in}
	}
	return turn{outcome: "failed", reason: t.To + " was not reached: " + e.Outcome, inputs: in}
}

func (t *transfer) untilHuman() (d time.Duration, human bool) { return 0, true }

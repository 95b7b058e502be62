package routing

// recording switches the recording of conversations.
type recording struct {
	spoken
	Do      string `json:"do"`
	Consent string `json:"consent"`
}

func recordType() kind {
	return kind{NodeType{
		Type: "record", Doc: "Has the conversations of this call recorded from here on, or no longer. Pausing leaves out what is said meanwhile.",
		Cfg: object(spokenFields(fields{
			"do":      choice("what to do", "start", "stop", "pause", "resume"),
			"consent": choice("announce: the caller is told before recording starts, by the prompt or the text, or by a built-in one", "announce", "none"),
		})),
		Outcomes: []string{"next"}, Waits: true,
	}, as[recording]}
}

func (r *recording) ask(w *walk, n *node) Command {
	c := Record{Node: n.id, Do: r.Do}
	if r.announces() {
		c.Announce, c.Prompt, c.Say, c.Lang = true, r.Prompt, r.said(w), r.Lang
	}
	return c
}

func (r *recording) told(_ *walk, _ *node, e Event) turn { return goOn(e, "done") }

// announces tells whether the caller hears of the recording.
func (r *recording) announces() bool { return r.Do == "start" && r.Consent == "announce" }

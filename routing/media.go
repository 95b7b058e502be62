package routing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The nodes that the caller hears: answer, play, menu and collect.

type answer struct {
	EarlyMedia bool `json:"early_media"`
}

func answerType() kind {
	return kind{NodeType{
		Type: "answer", Doc: "Picks the caller up. Nodes that need the caller's ear do so by themselves.",
		Cfg:      object(fields{"early_media": flag("only open media, without answering", false)}),
		Outcomes: []string{"next"}, Waits: true,
	}, as[answer]}
}

func (a *answer) ask(_ *walk, n *node) Command        { return Answer{Node: n.id, Early: a.EarlyMedia} }
func (a *answer) told(_ *walk, _ *node, e Event) turn { return goOn(e, "answered") }

// goOn leaves a node that has one way out, unless it failed.
func goOn(e Event, expected ...string) turn {
	if slices.Contains(expected, e.Outcome) {
		return turn{outcome: "next", reason: e.Outcome}
	}
	return turn{outcome: e.Outcome}
}

// spoken is what is played: a stored prompt, or a text.
type spoken struct {
	Prompt string `json:"prompt"`
	Say    string `json:"say"`
	Lang   string `json:"lang"`
}

func spokenFields(more fields) fields {
	more["prompt"] = name(PromptName, "a stored prompt")
	more["say"] = name(Template, "a text to be spoken, if there is no prompt")
	more["lang"] = text("language of the text: en, es")
	return more
}

func (s spoken) said(w *walk) string {
	if s.Prompt != "" || s.Say == "" {
		return ""
	}
	return w.text(s.Say)
}

type play struct {
	spoken
	Interruptible bool `json:"interruptible"`
}

func playType() kind {
	return kind{NodeType{
		Type: "play", Doc: "Plays a prompt or speaks a text.",
		Cfg:      object(spokenFields(fields{"interruptible": flag("a key stops it", true)})),
		Outcomes: []string{"next"}, Waits: true,
	}, as[play]}
}

func (p *play) ask(w *walk, n *node) Command {
	return Play{Node: n.id, Prompt: p.Prompt, Say: p.said(w), Lang: p.Lang, Interruptible: p.Interruptible}
}
func (p *play) told(_ *walk, _ *node, e Event) turn { return goOn(e, "done", "interrupted") }

func (p *play) lint(_ *node, at place, out *faults) {
	if p.Prompt == "" && p.Say == "" {
		out.err(at.in("prompt"), "there is nothing to play: give a prompt or say")
	}
}

type menu struct {
	spoken
	Options  map[string]string `json:"options"`
	TimeoutS secs              `json:"timeout_s"`
	Retries  int               `json:"retries"`
}

func menuType() kind {
	return kind{NodeType{
		Type: "menu", Doc: "Asks for one key. A wrong key or none is asked again as often as retries says.",
		Cfg: object(spokenFields(fields{
			"options":   mapOf(`^[0-9*#A-D]$`, text("what the key is for")),
			"timeout_s": seconds("to the key, counted from the end of the prompt", 5, 0.5, 120),
			"retries":   count("how often it is asked again", 3, 0, 10),
		}), "options"),
		Outcomes: []string{"timeout", "invalid"}, Waits: true,
	}, as[menu]}
}

func (m *menu) ask(w *walk, n *node) Command {
	return Gather{
		Node: n.id, Prompt: m.Prompt, Say: m.said(w), Lang: m.Lang,
		Min: 1, Max: 1, Timeout: m.TimeoutS.duration(), InterDigit: m.TimeoutS.duration(),
	}
}

func (m *menu) told(w *walk, n *node, e Event) turn {
	t := turn{outcome: e.Outcome}
	if e.Outcome == "digits" {
		digits := show(e.Vars["digits"])
		t.inputs = map[string]any{"digits": digits}
		if label, ok := m.Options[digits]; ok {
			t.outcome, t.rule, t.reason = digits, "options."+digits, strings.TrimSpace("key "+digits+" "+label)
		} else {
			t.outcome, t.rule, t.reason = "invalid", "options", fmt.Sprintf("%q is no option; there are %s", digits, strings.Join(keys(m.Options), ", "))
		}
	}
	return askAgain(w, n, m, m.Retries, t)
}

func (m *menu) outcomes() []string { return keys(m.Options) }

func (m *menu) lint(_ *node, at place, out *faults) {
	if len(m.Options) == 0 {
		out.err(at.in("options"), "a menu needs at least one option")
	}
}

func (m *menu) untilHuman() (time.Duration, bool) {
	return time.Duration(m.Retries+1) * m.TimeoutS.duration(), false
}

// askAgain asks once more after nothing or something wrong was pressed, until
// the retries are used up.
func askAgain(w *walk, n *node, do waiting, retries int, t turn) turn {
	if t.outcome != "timeout" && t.outcome != "invalid" {
		delete(w.run.Retries, n.id)
		return t
	}
	if used := w.run.Retries[n.id]; used < retries {
		w.run.retried(n.id)
		t.reason = strings.TrimPrefix(fmt.Sprintf("%s; asked again, %d of %d", t.reason, used+1, retries), "; ")
		t.again = do.ask(w, n)
		if t.rule == "" {
			t.rule = "retries"
		}
		return t
	}
	delete(w.run.Retries, n.id)
	return t
}

type collect struct {
	spoken
	Min         int    `json:"min"`
	Max         int    `json:"max"`
	Terminator  string `json:"terminator"`
	TimeoutS    secs   `json:"timeout_s"`
	InterDigitS secs   `json:"inter_digit_s"`
	Match       string `json:"match"`
	Save        string `json:"save"`
	Retries     int    `json:"retries"`

	pattern *regexp.Regexp
}

func collectType() kind {
	return kind{NodeType{
		Type: "collect", Doc: "Asks for several keys, such as an account number.",
		Cfg: object(spokenFields(fields{
			"min":           count("fewest keys", 1, 1, 64),
			"max":           count("most keys", 16, 1, 64),
			"terminator":    {Type: "string", Description: "key that ends the entry; empty: none", Default: "#", MaxLength: 1},
			"timeout_s":     seconds("to the first key", 5, 0.5, 120),
			"inter_digit_s": seconds("between keys", 3, 0.5, 60),
			"match":         name(Regexp, "what the whole entry must look like"),
			"save":          text("the variable under vars that keeps the entry").withDefault("digits"),
			"retries":       count("how often it is asked again", 3, 0, 10),
		})),
		Outcomes: []string{"ok", "timeout", "invalid"}, Waits: true,
	}, as[collect]}
}

func (c *collect) prepare(*Flow) {
	if c.Match != "" {
		c.pattern, _ = regexp.Compile(`^(?:` + c.Match + `)$`) // reported by Lint
	}
}

func (c *collect) ask(w *walk, n *node) Command {
	return Gather{
		Node: n.id, Prompt: c.Prompt, Say: c.said(w), Lang: c.Lang, Min: c.Min, Max: c.Max,
		Terminator: c.Terminator, Timeout: c.TimeoutS.duration(), InterDigit: c.InterDigitS.duration(),
	}
}

func (c *collect) told(w *walk, n *node, e Event) turn {
	t := turn{outcome: e.Outcome}
	if e.Outcome == "digits" {
		// The digits themselves may be a secret of the caller's: the ledger gets their number.
		digits := show(e.Vars["digits"])
		t.inputs = map[string]any{"count": len(digits)}
		switch {
		case len(digits) < c.Min || len(digits) > c.Max:
			t.outcome, t.rule, t.reason = "invalid", "min", fmt.Sprintf("%d keys, not %d to %d", len(digits), c.Min, c.Max)
		case c.Match != "" && (c.pattern == nil || !c.pattern.MatchString(digits)):
			t.outcome, t.rule, t.reason = "invalid", "match", "does not match "+c.Match
		default:
			t.outcome, t.reason = "ok", fmt.Sprintf("saved as vars.%s", c.Save)
			w.set("vars", map[string]any{c.Save: digits})
		}
	}
	return askAgain(w, n, c, c.Retries, t)
}

func (c *collect) lint(_ *node, at place, out *faults) {
	if c.Min > c.Max {
		out.err(at.in("min"), "is more than max (%d)", c.Max)
	}
	if c.Terminator != "" && !strings.Contains("0123456789*#ABCD", c.Terminator) {
		out.err(at.in("terminator"), "%q is no key of a telephone", c.Terminator)
	}
	if !plainName.MatchString(c.Save) {
		out.err(at.in("save"), "%q is no name of a variable", c.Save)
	}
}

func (c *collect) untilHuman() (time.Duration, bool) {
	return time.Duration(c.Retries+1) * (c.TimeoutS + secs(c.Max-1)*c.InterDigitS).duration(), false
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

package routing

import (
	"cmp"
	"regexp"
	"slices"
	"time"
)

type park struct {
	Lot        string `json:"lot"`
	Slot       string `json:"slot"`
	Moh        string `json:"moh"`
	Note       string `json:"note"`
	Owner      string `json:"owner"`
	Visibility string `json:"visibility"`
	MaxParkS   secs   `json:"max_park_s"`
	Ladder     []rung `json:"ladder"`
	steps      []Step // of the ladder; commands share them
}

// rung is a step of the ladder as documents write it.
type rung struct {
	AfterS     secs      `json:"after_s"`
	Do         string    `json:"do"`
	To         string    `json:"to"`
	RepeatS    secs      `json:"repeat_s"`
	RingS      secs      `json:"ring_s"`
	Strategy   string    `json:"strategy"`
	Queue      string    `json:"queue"`
	StayParked *bool     `json:"stay_parked"`
	Tier       *int      `json:"tier"`
	Skills     *[]string `json:"skills"`
	Priority   string    `json:"priority"`
	When       string    `json:"when"`
	OnUnknown  string    `json:"on_unknown"`
	Outcome    string    `json:"outcome"`
	Channel    string    `json:"channel"`
}

// CallbackRequested is the outcome of a park or a queue whose caller has asked to
// be called back.
const CallbackRequested = "callback_requested"

// defaultSlot lets the lot choose.
const defaultSlot = "next"

func parkType() kind {
	return kind{NodeType{
		Type: "park", Doc: "Puts the call in a slot of a lot with music; the ladder says what is done while it waits there.",
		Cfg: object(fields{
			"lot":        name(LotName, ""),
			"slot":       text("next, first or the number of a slot").withDefault(defaultSlot),
			"moh":        text("music, or nothing for the lot's"),
			"note":       name(Template, "shown to whoever looks at the slot"),
			"owner":      name(LadderTarget, "the rep whose call it is, or nothing for the CRM record's owner"),
			"visibility": choice("who may take it unasked: everybody, the teams of its owner, or the owner alone; whoever the ladder offers it to may in any case", "all", "team", "parker"),
			"max_park_s": seconds("the longest stay", 300, 10, 9999),
			"ladder":     listOf(rungSchema()),
		}, "lot"),
		Outcomes: []string{"retrieved", "expired", "full", "failed"}, Waits: true,
	}, as[park]}
}

func rungSchema() *Schema {
	return object(fields{
		"after_s":     seconds("from the start of parking", nil, 0, 9999),
		"do":          {Type: "string", Enum: []string{"announce", "remind", "recall", "offer", "enqueue", "widen", "alert", "offer_callback", "goto"}},
		"to":          name(LadderTarget, "remind, recall, offer, alert: who; announce, offer_callback: the prompt"),
		"repeat_s":    seconds("remind: again and again", nil, 5, 600),
		"ring_s":      seconds("recall: 20, offer: 15", nil, 1, 300),
		"strategy":    {Type: "string", Enum: []string{"ring_all", "longest_idle", "ordered"}},
		"queue":       name(QueueName, "enqueue"),
		"stay_parked": {Type: "boolean", Description: "enqueue: the call keeps its slot; unless false: then it leaves it, if the queue takes it"},
		"tier":        count("enqueue: agents of this tier and those before it may be offered the call; widen: now of this one", nil, 0, 99),
		"skills":      listOf(text("enqueue: that an agent must have to be offered the call; widen: what is still asked for, an empty list: nothing")),
		"priority":    name(Numeric, "enqueue: a number or an expression"),
		"when":        name(Condition, "the step is left out unless it holds"),
		"on_unknown":  choice("what becomes of a step whose condition cannot be known", "run", "skip"),
		"outcome":     text("goto: how the node is left"),
		"channel":     name(Channel, "alert: webhook if nothing is said, email, chat or chat:<name>"),
	}, "after_s", "do")
}

// What a step needs, and rings unless it says how long.
var (
	needs       = map[string]string{"remind": "to", "recall": "to", "offer": "to", "alert": "to", "enqueue": "queue", "goto": "outcome", "offer_callback": "to"}
	defaultRing = map[string]time.Duration{"recall": 20 * time.Second, "offer": 15 * time.Second}
	ladderOnly  = map[string][]string{ // keys that only some steps read
		"repeat_s": {"remind"}, "ring_s": {"recall", "offer"}, "strategy": {"offer"}, "queue": {"enqueue"},
		"priority": {"enqueue"}, "stay_parked": {"enqueue"}, "tier": {"enqueue", "widen"}, "skills": {"enqueue", "widen"}, "outcome": {"goto"}, "channel": {"alert"}, "to": {"remind", "recall", "offer", "alert", "announce", "offer_callback"},
	}
	ladderTo = map[string][]string{ // who a step can be for
		"remind": {"parker", "owner", "agent"}, "recall": {"parker", "owner", "agent"},
		"offer": {"owner", "agent", "team", "skill", "sticky"}, "alert": {"manager", "agent", "team", "owner"},
	}
)

func (p *park) ask(w *walk, n *node) Command {
	return Park{
		Node: n.id, Lot: p.Lot, Slot: p.Slot, Music: p.Moh, Note: w.text(p.Note), Owner: p.Owner,
		Visibility: p.Visibility, MaxPark: p.MaxParkS.duration(), Ladder: slices.Clip(p.steps),
	}
}

func (p *park) prepare(*Flow) {
	p.steps = make([]Step, 0, max(1, len(p.Ladder)))
	for _, r := range p.Ladder {
		s := Step{
			After: r.AfterS.duration(), Do: r.Do, To: r.To, Repeat: r.RepeatS.duration(), Ring: r.RingS.duration(),
			Strategy: r.Strategy, Queue: r.Queue, Priority: r.Priority, When: r.When, OnUnknown: r.OnUnknown, Outcome: r.Outcome, Channel: r.Channel,
			Leaves: r.StayParked != nil && !*r.StayParked, Tier: r.Tier,
		}
		if r.Skills != nil {
			s.Skills = append([]string{}, *r.Skills...)
		}
		if s.Ring == 0 {
			s.Ring = defaultRing[s.Do]
		}
		if s.Do == "offer" {
			s.Strategy = cmp.Or(s.Strategy, "ring_all")
		}
		p.steps = append(p.steps, s)
	}
	if len(p.steps) == 0 {
		p.steps = append(p.steps, Step{After: p.MaxParkS.duration(), Do: "goto", Outcome: "expired", OnUnknown: "run"})
	}
}

func (p *park) told(_ *walk, _ *node, e Event) turn { return turn{outcome: e.Outcome} }

func (p *park) outcomes() []string {
	var out []string
	for _, r := range p.Ladder {
		if r.Outcome != "" {
			out = append(out, r.Outcome)
		}
		if r.Do == "offer_callback" {
			out = append(out, CallbackRequested)
		}
	}
	return out
}

func (p *park) untilHuman() (time.Duration, bool) {
	for _, r := range p.Ladder {
		if r.When == "" && slices.Contains([]string{"recall", "offer", "enqueue"}, r.Do) {
			return r.AfterS.duration(), true
		}
	}
	return p.MaxParkS.duration(), false
}

func (p *park) lint(n *node, at place, out *faults) {
	if p.Visibility == "parker" {
		out.warn(at.in("visibility"), "only the parker may take the call: nobody else can help the caller")
	}
	if !slotName.MatchString(p.Slot) {
		out.err(at.in("slot"), "%q is not next, first or the number of a slot", p.Slot)
	}
	p.pools(at, out)
	cfg, _ := n.cfg.(map[string]any)
	written, _ := cfg["ladder"].([]any)
	for i, r := range p.Ladder {
		here := at.in("ladder").item(i)
		m, _ := written[i].(map[string]any)
		r.lint(here, m, out)
		if i > 0 && r.AfterS < p.Ladder[i-1].AfterS {
			out.err(here.in("after_s"), "the ladder is not sorted: %v s comes after %v s", r.AfterS, p.Ladder[i-1].AfterS)
		}
		if r.AfterS > p.MaxParkS {
			out.err(here.in("after_s"), "%v s is beyond max_park_s (%v s)", r.AfterS, p.MaxParkS)
		}
		last := i == len(p.Ladder)-1
		switch {
		case last && r.Do != "goto":
			out.err(here.in("do"), "the last step must be a goto: the ladder has no end")
		case last && r.When != "":
			out.err(here.in("when"), "the last step must have no condition: the ladder has no end")
		case !last && r.Do == "goto" && r.When == "":
			out.err(here.in("do"), "the steps after this goto are never reached")
		}
		if r.Do == "goto" && r.Outcome != "" && !slices.Contains(n.kind.Outcomes, r.Outcome) {
			if _, ok := n.on[r.Outcome]; !ok {
				out.err(here.in("outcome"), "the node has no outcome %q", r.Outcome)
			}
		}
	}
}

// pools finds steps that let nobody into the pool of those who may be offered the call.
func (p *park) pools(at place, out *faults) {
	var queued *rung
	for i := range p.Ladder {
		r, here := &p.Ladder[i], at.in("ladder").item(i)
		switch {
		case r.Do == "enqueue":
			queued = r
		case r.Do != "widen":
		case queued == nil:
			out.err(here.in("do"), "no step before it puts the call in a queue")
		case queued.Tier == nil && queued.Skills == nil:
			out.err(here.in("do"), "everybody who serves queue %s may be offered the call already: give the enqueue step a tier or skills", queued.Queue)
		default:
			was := pool{skills: orNone(queued.Skills)}
			if was.all = queued.Tier == nil; !was.all {
				was.tier = *queued.Tier
			}
			was.widens(here, r.Tier, r.Skills, out)
			next := *queued // the next step widens what this one has widened
			if r.Tier != nil {
				next.Tier = r.Tier
			}
			if r.Skills != nil {
				next.Skills = r.Skills
			}
			queued = &next
		}
	}
}

func orNone(skills *[]string) []string {
	if skills == nil {
		return nil
	}
	return *skills
}

func (r rung) lint(at place, written map[string]any, out *faults) {
	if need := needs[r.Do]; need != "" && show(written[need]) == "" {
		out.err(at.in(need), "%s needs %q", r.Do, need)
	}
	for _, key := range keys(written) {
		if only, ok := ladderOnly[key]; ok && !slices.Contains(only, r.Do) {
			out.err(at.in(key), "%s does not read %q", r.Do, key)
		}
	}
	if who, ok := ladderTo[r.Do]; ok && r.To != "" && !slices.Contains(who, kindOf(r.To)) {
		out.err(at.in("to"), "%s cannot be for %q", r.Do, r.To)
	}
}

var slotName = regexp.MustCompile(`^(next|first|[1-9][0-9]{0,5})$`)

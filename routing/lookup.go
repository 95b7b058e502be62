package routing

import "time"

// crmLookup asks who is calling.
type crmLookup struct {
	By         string   `json:"by"`
	Fields     []string `json:"fields"`
	DeadlineMS millis   `json:"deadline_ms"`
	CacheS     secs     `json:"cache_s"`
	OnMany     string   `json:"on_many"`
	Save       string   `json:"save"`
}

func lookupType() kind {
	return kind{NodeType{
		Type: "crm_lookup", Doc: "Asks the CRM who is calling; what it knows is read as crm.<field>. The call goes on when the deadline has passed.",
		Cfg: object(fields{
			"by":          choice("the caller's number", "ani"),
			"fields":      listOf(text("owner, deal.amount")),
			"deadline_ms": amount("number", "the longest wait", 800, 50, 10000),
			"cache_s":     seconds("how old an answer may be", 60, 0, 86400),
			"on_many":     choice("which record where nothing tells several apart: the one that changed last, or the first by rank (open deal, contact, lead, company)", "most_recent_activity", "first"),
			"save":        text("a variable under vars that keeps the record beside crm"),
		}),
		Outcomes: []string{"one", "none", "many", "error"}, Waits: true,
	}, as[crmLookup]}
}

func (l *crmLookup) ask(_ *walk, n *node) Command {
	return Lookup{
		Node: n.id, By: l.By, Fields: append([]string(nil), l.Fields...),
		Deadline: l.DeadlineMS.duration(), Cache: l.CacheS.duration(), OnMany: l.OnMany,
	}
}

func (l *crmLookup) told(w *walk, _ *node, e Event) turn {
	record := branch(w.run.Vars, "crm")
	t := turn{outcome: e.Outcome}
	if e.Outcome == "one" || e.Outcome == "many" {
		t.inputs = inputs(map[string]any{"crm": record}, prefixed("crm.", l.Fields))
		if l.Save != "" {
			w.set("vars", map[string]any{l.Save: record})
		}
	}
	return t
}

func (l *crmLookup) lint(_ *node, at place, out *faults) {
	if l.Save != "" && !plainName.MatchString(l.Save) {
		out.err(at.in("save"), "%q is no name of a variable", l.Save)
	}
}

func (l *crmLookup) untilHuman() (time.Duration, bool) { return l.DeadlineMS.duration(), false }

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}

package queues

import "time"

// Load is how busy a queue is.
type Load struct {
	Waiting  int           // calls in line
	Longest  time.Duration // the longest wait of those; 0 if nobody waits
	Free     int           // agents who could be offered a call now
	LoggedIn int           // agents with a phone who are not offline
}

// LoadOf is the load of a queue, given who waits in it and all agents.
func LoadOf(q Queue, waiting []Entry, agents []Agent, now time.Time) Load {
	l := Load{Waiting: len(waiting)}
	for _, e := range waiting {
		l.Longest = max(l.Longest, now.Sub(e.JoinedAt))
	}
	serves := make(map[string]bool, len(q.Agents))
	for _, a := range q.Agents {
		serves[a.Agent] = true
	}
	for i := range agents {
		a := &agents[i]
		if !serves[a.Name] || a.Devices == 0 || a.Status == Offline {
			continue
		}
		l.LoggedIn++
		if a.Free() {
			l.Free++
		}
	}
	return l
}

// Estimate is how long a call that joins now would wait, if that is known: not at
// all while more agents are free than calls are in line.
func (l Load) Estimate() (wait time.Duration, known bool) { return 0, l.Free > l.Waiting }

// Words is the load as expressions read it.
func (l Load) Words(queue string) map[string]any {
	w := map[string]any{
		"name": queue, "waiting": l.Waiting, "longest_wait_s": l.Longest.Seconds(), "agents_free": l.Free, "agents_logged_in": l.LoggedIn,
	}
	if wait, known := l.Estimate(); known {
		w["est_wait_s"] = wait.Seconds()
	}
	return w
}

// Words is the agent as expressions read them.
func (a *Agent) Words() map[string]any {
	teams := make([]any, len(a.Teams))
	for i, t := range a.Teams {
		teams[i] = t
	}
	w := map[string]any{
		"name": a.Name, "display": a.Display, "extension": a.Extension, "teams": teams, "status": string(a.Status), "state": string(a.State),
	}
	if len(a.Teams) > 0 {
		w["team"] = a.Teams[0]
	}
	return w
}

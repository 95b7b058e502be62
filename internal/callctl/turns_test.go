package callctl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/callctl"
	"github.com/callyard/callyard/queues"
)

// dialling is a flow that dials, and ends by a cause for each outcome.
func dialling(cfg string) string {
	return `"in": {"type": "dial", "cfg": {` + cfg + `}, "on": {"answered": "bye", "busy": "b", "rejected": "rej", "no_answer": "na", "unavailable": "un", "failed": "f"}},
		"b": {"type": "hangup", "cfg": {"cause": "busy"}}, "rej": {"type": "hangup", "cfg": {"cause": "rejected"}},
		"na": {"type": "hangup", "cfg": {"cause": "not_found"}}, "un": {"type": "hangup", "cfg": {"cause": "unavailable"}},
		"f": {"type": "hangup", "cfg": {"cause": "forbidden"}}`
}

// choices are the facts of who was chosen, in words: "ann; bea: talking since …".
func (r *rig) choices(id call.ID) []string {
	var out []string
	for _, e := range r.ledger(id) {
		if e.Type != call.Chosen {
			continue
		}
		text := strings.Trim(fmt.Sprint(e.Data["chosen"]), "[]")
		if n := e.Data["numbers"]; n != nil {
			text += fmt.Sprint(n)
		}
		if not := callctl.PassedOver(e); not != "" {
			text += "; " + not
		}
		out = append(out, text)
	}
	return out
}

func TestTurns(t *testing.T) {
	t.Run("ordered: one after another as they are named, each for the whole time", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialling(`"targets": ["agent:carl", "number:` + outside + `", "team:sales"], "strategy": "ordered", "ring_s": 10`))
			r.phone.has("carl", device{does: "never"})
			r.phone.has(outside, device{does: "busy", after: time.Second})
			r.phone.has("ann", device{does: "reject", after: time.Second})
			r.phone.has("bea", answersAfter(2*time.Second))
			p := r.calls()
			r.pass(9 * time.Second)
			r.is("carl alone", []int{len(r.phone.calls("carl")), len(r.phone.calls(outside)), len(r.phone.calls("ann"))}, []int{1, 0, 0})
			r.pass(6 * time.Second)
			r.talking(p, r.phone.calls("bea")[0])
			r.is("chosen", r.choices(r.book.lastBegun()), []string{"carl", "[" + outside + "]", "ann", "bea"})
			p.hangUp()
			r.pass(time.Second)
		})
	})

	t.Run("ordered: of those who were rung the worst counts", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialling(`"targets": ["agent:ann", "agent:bea", "agent:carl"], "strategy": "ordered", "ring_s": 5`))
			r.phone.has("ann", device{does: "reject", after: time.Second})
			r.phone.has("bea", device{does: "never"})
			r.away("carl", "lunch")
			p := r.calls()
			r.pass(8 * time.Second)
			cause, _ := p.told()
			r.is("told", cause, call.Rejected)
			got := r.choices(r.book.lastBegun())
			if len(got) != 3 || !strings.HasPrefix(got[2], "; carl: away since ") || !strings.HasSuffix(got[2], ": lunch") {
				t.Errorf("choices %q", got)
			}
		})
	})

	t.Run("longest_idle: who does not want the call is followed by the next, until the time is up", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialling(`"targets": ["team:sales"], "strategy": "longest_idle", "ring_s": 12`))
			for _, a := range []string{"ann", "bea", "carl"} {
				r.phone.has(a, device{does: "reject", after: 5 * time.Second})
			}
			p := r.calls()
			r.pass(11 * time.Second)
			r.is("still rings", p.over(), false)
			r.pass(2 * time.Second)
			cause, _ := p.told()
			r.is("told", cause, call.Rejected)
			got := r.choices(r.book.lastBegun())
			if len(got) != 3 {
				t.Fatalf("choices %q", got)
			}
			if !strings.Contains(got[0], "others have been idle longer") || strings.Count(got[2], "was asked already") != 2 {
				t.Errorf("choices %q", got)
			}
		})
	})

	t.Run("a caller who goes is rung for no more", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(dialling(`"targets": ["agent:ann", "agent:bea"], "strategy": "ordered", "ring_s": 5`))
			r.phone.has("ann", device{does: "never"})
			r.phone.has("bea", device{does: "never"})
			p := r.calls()
			r.pass(2 * time.Second)
			p.hangUp()
			r.pass(10 * time.Second)
			r.is("bea", len(r.phone.calls("bea")), 0)
		})
	})

	t.Run("a step of the ladder that is over rings nobody else", func(t *testing.T) {
		story(t, func(r *rig) {
			r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "ladder": [{"after_s": 5, "do": "offer", "to": "team:sales", "strategy": "ordered", "ring_s": 20},
				{"after_s": 10, "do": "offer", "to": "agent:carl", "ring_s": 20}, {"after_s": 60, "do": "goto", "outcome": "expired"}]}, "on": {"retrieved": "bye", "default": "bye"}}`)
			r.phone.has("ann", device{does: "never"})
			r.phone.has("bea", device{does: "never"})
			r.phone.has("carl", answersAfter(3*time.Second))
			p := r.calls()
			r.pass(15 * time.Second)
			r.is("ann, bea", []int{len(r.phone.calls("ann")), len(r.phone.calls("bea"))}, []int{1, 0})
			r.talking(p, r.phone.calls("carl")[0])
			p.hangUp()
			r.pass(time.Second)
		})
	})
}

func TestTargets(t *testing.T) {
	t.Run("a skill is those who have it", func(t *testing.T) {
		story(t, func(r *rig) {
			if err := r.lines.SaveAgent(t.Context(), queues.Agent{Name: "bea", Extension: "2bea", Skills: []string{"es"}}); err != nil {
				t.Fatal(err)
			}
			r.flow(dialling(`"targets": ["skill:es", "skill:de"], "ring_s": 5`))
			r.phone.has("ann", device{does: "never"})
			r.phone.has("bea", answersAfter(time.Second))
			p := r.calls()
			r.pass(2 * time.Second)
			r.talking(p, r.phone.calls("bea")[0])
			r.is("chosen", r.choices(r.book.lastBegun()), []string{"bea; skill:de: nobody has it"})
			p.hangUp()
			r.pass(time.Second)
		})
	})

	for name, c := range map[string]struct {
		find   func(context.Context) (string, error)
		chosen string
	}{
		"the agent who talked with the caller last": {func(context.Context) (string, error) { return "bea", nil }, "bea"},
		"one who has left us":                       {func(context.Context) (string, error) { return "dora", nil }, "; sticky: no agent has talked with this caller lately"},
		"nobody yet":                                {func(context.Context) (string, error) { return "", nil }, "; sticky: no agent has talked with this caller lately"},
		"a ledger that does not answer": {func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}, "; sticky: no agent has talked with this caller lately"},
		"a ledger that fails": {func(context.Context) (string, error) { return "", errors.New("no") }, "; sticky: no agent has talked with this caller lately"},
	} {
		t.Run("sticky: "+name, func(t *testing.T) {
			story(t, func(r *rig) {
				var since time.Time
				r.sticky = func(ctx context.Context, n call.Number, s time.Time) (string, error) {
					since = s
					r.is("asked for", n, caller)
					return c.find(ctx)
				}
				r.flow(dialling(`"targets": ["sticky"], "sticky_d": 30, "ring_s": 5`))
				r.phone.has("bea", device{does: "never"})
				began := time.Now()
				r.calls()
				r.pass(time.Second)
				r.is("since", began.Sub(since), 30*24*time.Hour)
				r.is("chosen", r.choices(r.book.lastBegun()), []string{c.chosen})
				r.pass(10 * time.Second)
			})
		})
	}

	t.Run("a step offers to the agent who talked with the caller last", func(t *testing.T) {
		story(t, func(r *rig) {
			r.sticky = func(context.Context, call.Number, time.Time) (string, error) { return "bea", nil }
			r.flow(`"in": {"type": "park", "cfg": {"lot": "sales", "ladder": [{"after_s": 5, "do": "offer", "to": "sticky"}, {"after_s": 60, "do": "goto", "outcome": "expired"}]}, "on": {"default": "bye"}}`)
			r.phone.has("bea", answersAfter(time.Second))
			p := r.calls()
			r.pass(8 * time.Second)
			r.talking(p, r.phone.calls("bea")[0])
			p.hangUp()
			r.pass(time.Second)
		})
	})
}

func TestWhyNotRung(t *testing.T) {
	story(t, func(r *rig) {
		r.flow(dialling(`"targets": ["team:sales", "owner"], "ring_s": 5`))
		r.phone.has("ann", answersAfter(time.Second))
		first := r.calls()
		r.away("bea", "")
		r.away("carl", "at the dentist")
		r.pass(2 * time.Second)
		r.talking(first, r.phone.calls("ann")[0])
		p := r.calls()
		r.pass(time.Second)
		cause, _ := p.told()
		r.is("told", cause, call.Busy)
		got := strings.Join(r.choices(r.book.lastBegun()), " / ")
		for _, want := range []string{"ann: talking since 2", "bea: away since 2", "carl: away since 2", ": at the dentist", "owner: no agent is known"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in %q", want, got)
			}
		}
		first.hangUp()
		r.pass(time.Second)
	})
}

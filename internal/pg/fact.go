package pg

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callyard/callyard/internal/call"
)

const noteAll = `select note_all($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`

// putFacts puts the statement that writes all facts behind the others.
func (tx *Tx) putFacts() error {
	if len(tx.facts) == 0 {
		return nil
	}
	slices.SortStableFunc(tx.facts, func(a, b call.Event) int { return strings.Compare(string(a.Call), string(b.Call)) })
	s := facts{}
	for _, e := range tx.facts {
		if err := s.add(e); err != nil {
			return err
		}
	}
	tx.Later(noteAll, s.ids, s.counts, s.answered, s.connected, s.who,
		s.calls, s.at, s.kinds, s.legs, s.parks, s.lots, s.slots, s.queues, s.actors, s.ages, s.flows, s.versions, s.nodes, s.causes, s.data)
	return nil
}

// facts are the arguments of the SQL function note_all, column by column: taking
// JSON apart cost Postgres more than writing it down.
type facts struct {
	// Of each call.
	ids                 []string
	counts              []int32
	answered, connected []*time.Time // the first that these facts tell of
	who                 []string
	// Of each fact.
	calls, kinds, legs, parks, lots, slots, queues, flows, nodes, causes []string

	at           []time.Time
	ages         []int64
	versions     []int32
	actors, data [][]byte
}

// add takes the next fact, sorted by call.
func (s *facts) add(e call.Event) error {
	actor, data := none, none
	var err error
	if e.Actor != (call.Actor{}) {
		if actor, err = json.Marshal(e.Actor); err != nil {
			return fmt.Errorf("actor of %s of %s: %w", e.Type, e.Call, err)
		}
	}
	if len(e.Data) > 0 {
		if data, err = json.Marshal(e.Data); err != nil {
			return fmt.Errorf("data of %s of %s: %w", e.Type, e.Call, err)
		}
	}
	i := len(s.ids) - 1
	if i < 0 || s.ids[i] != string(e.Call) {
		s.ids, s.counts, s.who = append(s.ids, string(e.Call)), append(s.counts, 0), append(s.who, "")
		s.answered, s.connected = append(s.answered, nil), append(s.connected, nil)
		i++
	}
	s.counts[i]++
	if s.answered[i] == nil && (e.Type == call.AnsweredBy || e.Type == call.Connected) {
		s.answered[i] = &e.At
	}
	if s.connected[i] == nil && e.Type == call.Connected {
		s.connected[i], s.who[i] = &e.At, e.Actor.User
	}
	s.calls, s.at, s.kinds = append(s.calls, string(e.Call)), append(s.at, e.At), append(s.kinds, string(e.Type))
	s.legs, s.parks, s.lots = append(s.legs, string(e.Leg)), append(s.parks, e.Park), append(s.lots, e.Lot)
	s.slots, s.queues, s.actors = append(s.slots, e.Slot), append(s.queues, e.Queue), append(s.actors, actor)
	s.ages, s.flows, s.versions = append(s.ages, e.Age.Milliseconds()), append(s.flows, e.Flow), append(s.versions, int32(e.Version))
	s.nodes, s.causes, s.data = append(s.nodes, e.Node), append(s.causes, string(e.Cause)), append(s.data, data)
	return nil
}

var none = []byte("{}")

// EventJSON is the fourth argument of the SQL function note: everything of an
// event but its call, time and type.
func EventJSON(e call.Event) ([]byte, error) {
	doc := struct {
		call.Event
		AgeMS int64 `json:"age_ms,omitempty"`
	}{e, e.Age.Milliseconds()}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", e.Type, err)
	}
	return b, nil
}

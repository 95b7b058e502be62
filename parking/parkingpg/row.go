package parkingpg

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/parking"
)

// columns of a park, in the order of parkRow's fields.
const columns = `id, call_id, node, lot, slot, parker, via, from_number, from_name, note, owner, takers,
	state, parked_at, deadline, ladder, next, next_at, epoch, claimed_by, claimed_at, claim_until,
	reason, ended_by, ended_at`

type parkRow struct {
	ID, Call, Node, Lot                  string
	Slot                                 int
	Parker, Via, From, Name, Note, Owner string
	Takers                               []string
	State                                string
	ParkedAt, Deadline                   time.Time
	Ladder                               []byte // JSON, like the actors
	Next                                 int
	NextAt                               time.Time
	Epoch                                int
	ClaimedBy                            []byte
	ClaimedAt, ClaimUntil                *time.Time
	Reason                               string
	EndedBy                              []byte
	EndedAt                              *time.Time
}

// readPark reads the columns of one park; what follows them in the row goes to more.
func readPark(row pgx.CollectableRow, more ...any) (parking.Park, error) {
	return new(reader).park(row, more...)
}

// reader reads parks, one after the other. Those that were parked alike share their
// ladder: most of a lot's have the same, and reading it costs more than the rest.
type reader struct {
	doc    []byte
	ladder []parking.Step
}

func (d *reader) climb(doc []byte) ([]parking.Step, error) {
	if d.doc == nil || !bytes.Equal(doc, d.doc) {
		d.doc, d.ladder = doc, nil
		if err := json.Unmarshal(doc, &d.ladder); err != nil {
			return nil, err
		}
	}
	return slices.Clip(d.ladder), nil
}

func actor(doc []byte) (a call.Actor, err error) {
	if string(doc) == "{}" { // nobody
		return a, nil
	}
	return a, json.Unmarshal(doc, &a)
}

func (d *reader) park(row pgx.CollectableRow, more ...any) (parking.Park, error) {
	var r parkRow
	err := row.Scan(append([]any{
		&r.ID, &r.Call, &r.Node, &r.Lot, &r.Slot, &r.Parker, &r.Via, &r.From, &r.Name, &r.Note, &r.Owner, &r.Takers,
		&r.State, &r.ParkedAt, &r.Deadline, &r.Ladder, &r.Next, &r.NextAt, &r.Epoch, &r.ClaimedBy, &r.ClaimedAt, &r.ClaimUntil,
		&r.Reason, &r.EndedBy, &r.EndedAt,
	}, more...)...)
	if err != nil {
		return parking.Park{}, err
	}
	ladder, err := d.climb(r.Ladder)
	claimed, cerr := actor(r.ClaimedBy)
	ended, eerr := actor(r.EndedBy)
	if len(r.Takers) == 0 {
		r.Takers = nil
	}
	return parking.Park{
		ID: r.ID, Call: call.ID(r.Call), Node: call.NodeID(r.Node), Lot: r.Lot, Slot: r.Slot,
		Parker: r.Parker, Via: r.Via, From: call.Number(r.From), Name: r.Name, Note: r.Note, Owner: r.Owner, Takers: r.Takers,
		State: parking.State(r.State), ParkedAt: r.ParkedAt.UTC(), Deadline: r.Deadline.UTC(),
		Ladder: ladder, Next: r.Next, NextAt: r.NextAt.UTC(),
		Epoch: r.Epoch, ClaimedBy: claimed, ClaimedAt: at(r.ClaimedAt), ClaimUntil: at(r.ClaimUntil),
		Reason: parking.Reason(r.Reason), EndedBy: ended, EndedAt: at(r.EndedAt),
	}, errors.Join(err, cerr, eerr)
}

// at and when: null in the table is the zero time.
func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

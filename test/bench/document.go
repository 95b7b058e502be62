//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// The numbers that callers dial, and the lots they end up in. A lot has at most
// a thousand slots, so the parked callers have two.
const (
	hallOne    = "+12025550101"
	hallTwo    = "+12025550102"
	takeNumber = "+12025550103"
	answers    = "+12025550104" // plays two seconds of a tone
	lastNumber = "+12025550105" // the set-up's last: when it answers, all is there

	hallSlots  = 1000
	queueCount = 8
	takeFirst  = 20001
	laterLot   = "later"
	offerStep  = 3 // seconds after which a caller in the lot "later" is offered
)

func agentName(i int) string     { return fmt.Sprintf("a%03d", i+1) }
func agentPassword(i int) string { return fmt.Sprintf("secret-%03d", i+1) }
func ringNumber(i int) string    { return fmt.Sprintf("+1202556%04d", i+1) } // rings agent i
func laterNumber(i int) string   { return fmt.Sprintf("+1202557%04d", i+1) } // parks; agent i is the alternate

type object = map[string]any

// document is the set-up file: what the calls need and nothing else. JSON is YAML.
func document(s sizes, reps int) []byte {
	var agents, queues, flows, numbers []any
	add := func(number string, flow object) {
		flows = append(flows, flow)
		numbers = append(numbers, object{"number": number, "flow": flow["name"]})
	}
	for i := range reps {
		agents = append(agents, object{"name": agentName(i), "extension": strconv.Itoa(4001 + i), "password": agentPassword(i), "teams": []string{"reps"}})
		add(ringNumber(i), flow("ring-"+agentName(i), object{
			"ring": node("dial", object{"targets": []string{"agent:" + agentName(i)}, "ring_s": 20}, "bye"),
		}))
		add(laterNumber(i), flow("later-"+agentName(i), object{
			"answer": node("answer", nil, "park"),
			"park": node("park", object{"lot": laterLot, "max_park_s": 60, "ladder": []any{
				object{"after_s": offerStep, "do": "offer", "to": "agent:" + agentName(i), "ring_s": 15},
				object{"after_s": 60, "do": "goto", "outcome": "expired"},
			}}, "bye"),
		}))
	}
	for i := range queueCount { // for screens: nobody waits in them
		served := []any{}
		for _, a := range agents[i*len(agents)/queueCount : (i+1)*len(agents)/queueCount] {
			served = append(served, object{"agent": a.(object)["name"]})
		}
		queues = append(queues, object{"name": fmt.Sprintf("team-%d", i+1), "agents": served, "wrap_up_s": -1})
	}
	add(hallOne, parks("hall-one"))
	add(hallTwo, parks("hall-two"))
	add(takeNumber, parks("take"))
	add(answers, plays("answers"))
	add(lastNumber, plays("last"))
	b, err := json.Marshal(object{
		"trunks": []any{object{"name": "loopback", "sources": []string{"127.0.0.0/8"}}},
		"agents": agents, "queues": queues,
		"lots": []any{
			lot("hall-one", 10001, hallSlots), lot("hall-two", 11001, hallSlots),
			lot("take", takeFirst, s.waiting), lot(laterLot, 30001, s.escalated),
		},
		"flows": flows, "numbers": numbers,
	})
	if err != nil {
		panic(err) // maps, strings and numbers
	}
	return b
}

func lot(name string, first, slots int) object {
	return object{
		"name": name, "first": first, "last": first + slots - 1, "cool_down_s": 0, "on_expired": "hangup",
		"ladder": []any{object{"after_s": 300, "do": "goto", "outcome": "expired"}},
	}
}

func parks(name string) object {
	return flow(name, object{
		"answer": node("answer", nil, "park"),
		"park":   node("park", object{"lot": name, "max_park_s": 9000, "ladder": []any{object{"after_s": 9000, "do": "goto", "outcome": "expired"}}}, "bye"),
	})
}

func plays(name string) object {
	return flow(name, object{
		"answer": node("answer", nil, "tone"),
		"tone":   node("play", object{"prompt": "tone440", "interruptible": false}, "bye"),
	})
}

// flow completes the nodes with a hang-up, and begins at the one named for what
// it does first.
func flow(name string, nodes object) object {
	entry := "answer"
	if nodes[entry] == nil {
		entry = "ring"
	}
	nodes["bye"] = object{"type": "hangup", "cfg": object{"cause": "normal_clearing"}}
	return object{"schema": "callflow/v1", "name": name, "entry": entry, "handlers": object{"hangup": "bye", "error": "bye"}, "nodes": nodes}
}

func node(kind string, cfg object, next string) object {
	n := object{"type": kind, "on": object{"default": next}}
	if cfg != nil {
		n["cfg"] = cfg
	}
	return n
}

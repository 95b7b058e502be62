//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/callyard/callyard/test/load"
)

const (
	answers    = "+12025550101" // plays tones until the caller goes
	queues     = "+12025550102" // rings everybody in the queue
	unknown    = "+12025550199"
	lastNumber = "+12025550103" // the set-up's last: when it answers, all is there
	hallSize   = 500            // callers in one lot

	reps    = 60 // who are rung and who retrieve
	queuers = 3
	lots    = 60 // of one slot each, so that whoever parks a caller knows where
)

func repName(i int) string      { return fmt.Sprintf("a%03d", i+1) }
func queuerName(i int) string   { return fmt.Sprintf("q%03d", i+1) }
func secret(name string) string { return "secret-" + name }
func ringNumber(i int) string   { return fmt.Sprintf("+1202556%04d", i+1) }
func parkNumber(i int) string   { return fmt.Sprintf("+1202557%04d", i+1) }
func hallNumber(i int) string   { return fmt.Sprintf("+1202558%04d", i+1) }
func lotExtension(i int) string { return strconv.Itoa(50000 + 10*i) }
func lotSlot(i int) string      { return strconv.Itoa(50001 + 10*i) }

func accounts() (list []*load.Account) {
	for i := range reps {
		list = append(list, &load.Account{User: repName(i), Password: secret(repName(i))})
	}
	return list
}

func queueAccounts() (list []*load.Account) {
	for i := range queuers {
		list = append(list, &load.Account{User: queuerName(i), Password: secret(queuerName(i))})
	}
	return list
}

type object = map[string]any

// document is the set-up file. JSON is YAML.
func document(parked int) []byte {
	var agents, members, yards, flows, numbers []any
	agent := func(name string, extension int) {
		agents = append(agents, object{"name": name, "extension": strconv.Itoa(extension), "password": secret(name)})
	}
	add := func(number string, name string, entry string, nodes object) {
		nodes["bye"] = object{"type": "hangup", "cfg": object{"cause": "normal_clearing"}}
		flows = append(flows, object{"schema": "callflow/v1", "name": name, "entry": entry, "handlers": object{"hangup": "bye", "error": "bye"}, "nodes": nodes})
		numbers = append(numbers, object{"number": number, "flow": name})
	}
	park := func(number, lot string, extension string, first, slots int) {
		ladder := []any{object{"after_s": 9000, "do": "goto", "outcome": "expired"}}
		y := object{
			"name": lot, "first": first, "last": first + slots - 1, "music": "tone440", "cool_down_s": 0,
			"max_park_s": 9000, "on_expired": "hangup", "ladder": ladder,
		}
		if extension != "" {
			y["extension"] = extension
		}
		yards = append(yards, y)
		add(number, lot, "answer", object{
			"answer": node("answer", nil, "park"),
			"park":   node("park", object{"lot": lot, "max_park_s": 9000, "ladder": ladder}, "bye"),
		})
	}
	for i := range reps {
		agent(repName(i), 4001+i)
		add(ringNumber(i), "ring-"+repName(i), "ring", object{
			"ring": object{
				"type": "dial", "cfg": object{"targets": []string{"agent:" + repName(i)}, "ring_s": 20},
				"on": object{"busy": "busy", "default": "bye"},
			},
			"busy": object{"type": "hangup", "cfg": object{"cause": "busy"}},
		})
	}
	for i := range queuers {
		agent(queuerName(i), 4901+i)
		members = append(members, object{"agent": queuerName(i)})
	}
	for i := range lots {
		park(parkNumber(i), fmt.Sprintf("lot-%03d", i+1), lotExtension(i), 50001+10*i, 1)
	}
	for i := 0; i*hallSize < parked; i++ {
		park(hallNumber(i), fmt.Sprintf("hall-%d", i+1), "", 10001+1000*i, hallSize)
	}
	add(queues, "queues", "answer", object{
		"answer": node("answer", nil, "queue"),
		"queue":  node("queue", object{"queue": "everybody", "max_wait_s": 60}, "bye"),
	})
	for _, n := range []string{answers, lastNumber} {
		add(n, "answers-"+n[1:], "answer", object{
			"answer": node("answer", nil, "tone"),
			"tone":   node("play", object{"prompt": "tone440", "interruptible": false}, "tone"),
		})
	}
	b, err := json.Marshal(object{
		"trunks": []any{object{"name": "loopback", "sources": []string{"127.0.0.0/8"}}},
		"agents": agents, "lots": yards, "flows": flows, "numbers": numbers,
		"queues": []any{object{
			"name": "everybody", "strategy": "ring_all", "music": "tone440", "ring_s": 10, "retry_s": 5, "wrap_up_s": -1, "agents": members,
		}},
	})
	if err != nil {
		panic(err) // maps, strings and numbers
	}
	return b
}

func node(kind string, cfg object, next string) object {
	n := object{"type": kind, "on": object{"default": next}}
	if cfg != nil {
		n["cfg"] = cfg
	}
	return n
}

package e2e

// standard is the set-up that every story begins with: four reps, a lot of five
// slots whose music is a tone, two queues, and numbers for each kind of flow.
const standard = `
trunks:
  - {name: loopback, sources: ["127.0.0.0/8"]}
agents:
  - {name: rep1, extension: "201", password: secret-rep1, teams: [team]}
  - {name: rep2, extension: "202", password: secret-rep2, teams: [team]}
  - {name: rep3, extension: "203", password: secret-rep3, teams: [alternates]}
  - {name: rep4, extension: "204", password: secret-rep4, teams: [alternates]}
lots:
  - name: sales
    extension: "700"
    first: 701
    last: 705
    music: tone440
    cool_down_s: 0
    on_expired: "voicemail:sales"
    ladder:
      - {after_s: 300, do: goto, outcome: expired}
queues:
  - {name: sales, strategy: longest_idle, music: tone440, ring_s: 5, retry_s: 1, wrap_up_s: -1, agents: [{agent: rep3}, {agent: rep4}]}
  - {name: everybody, strategy: ring_all, music: tone440, ring_s: 5, retry_s: 1, wrap_up_s: -1, agents: [{agent: rep1}, {agent: rep2}]}
flows:
  - schema: callflow/v1
    name: parks
    entry: answer
    handlers: {hangup: bye, error: bye}
    nodes:
      answer: {type: answer, on: {default: park}}
      park: {type: park, cfg: {lot: sales, max_park_s: 60, ladder: [{after_s: 60, do: goto, outcome: expired}]}, on: {retrieved: bye, expired: bye, default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
  - schema: callflow/v1
    name: rep1
    entry: ring
    handlers: {hangup: bye, error: bye}
    nodes:
      ring: {type: dial, cfg: {targets: ["agent:rep1"], ring_s: 20}, on: {answered: bye, busy: busy, default: gone}}
      busy: {type: hangup, cfg: {cause: busy}}
      gone: {type: hangup, cfg: {cause: unavailable}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
  - schema: callflow/v1
    name: queues
    entry: answer
    handlers: {hangup: bye, error: bye}
    nodes:
      answer: {type: answer, on: {default: queue}}
      queue: {type: queue, cfg: {queue: everybody, max_wait_s: 30}, on: {answered: bye, default: bye}}
      bye: {type: hangup, cfg: {cause: normal_clearing}}
numbers:
  - {number: "+12025550100", flow: parks}
  - {number: "+12025550101", flow: rep1}
  - {number: "+12025550102", flow: queues}
`

const (
	parks  = "+12025550100"
	rings1 = "+12025550101"
	queue  = "+12025550102"
)

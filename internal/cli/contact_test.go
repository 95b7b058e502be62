package cli

import "testing"

func TestContact(t *testing.T) {
	const ana = `{"id":"con_1","name":"Ana","company":"ACME","owner":"ann","phones":["+34600000001"],"tags":["vip"],"fields":{"tier":"gold"}}`
	h := tells(t, map[string]string{
		"GET /v1/contacts?cursor=&limit=200&text=600":             `{"data":[` + ana + `],"next_cursor":"x"}`,
		"GET /v1/contacts?cursor=x&limit=200&text=600":            `{"data":[{"id":"con_2","name":"Ben"}],"next_cursor":null}`,
		"GET /v1/contacts?cursor=&limit=200&owner=eve&tag=nobody": `{"data":[],"next_cursor":null}`,
		"GET /v1/contacts/con_1":                                  ana, "POST /v1/contacts": ana, "PATCH /v1/contacts/con_1": ana, "DELETE /v1/contacts/con_1": "",
		"POST /v1/contacts/import": `{"created":2,"changed":1,"unchanged":0,"problems":[{"line":4,"why":"\"x\" is no number"}]}`,
	})
	t.Run("looked up, on all pages", func(t *testing.T) {
		sh(t, "contact", "list", "--text", "600").must(t, OK, "con_1    Ana   ACME     +34600000001  ann    vip", "con_2    Ben   –")
		sh(t, "contact", "list", "--owner", "eve", "--tag", "nobody").must(t, OK, "nobody")
		sh(t, "contact", "show", "con_1").must(t, OK, "name: Ana", "tier: gold")
		sh(t, "contact", "show", "con_9").must(t, Failure, "contact con_9: there is no such thing")
	})
	t.Run("added and changed", func(t *testing.T) {
		sh(t, "contact", "add", "Ana", "--phone", "600000001,600000002", "--field", "tier=gold", "--field", `deal={"amount":80000}`).must(t, OK, "con_1  Ana")
		h.was(t, `POST /v1/contacts {"fields":{"deal":{"amount":80000},"tier":"gold"},"name":"Ana","phones":["600000001","600000002"]}`)
		sh(t, "contact", "set", "con_1", "--owner", "", "--field", "tier=", "-o", "json").must(t, OK, `"id": "con_1"`)
		h.was(t, `PATCH /v1/contacts/con_1 {"fields":{"tier":null},"owner":""}`)
		sh(t, "contact", "set", "con_1").must(t, Misuse, "there is nothing to change")
		sh(t, "contact", "set", "con_1", "--field", "tier").must(t, Misuse, "write key=value")
		sh(t, "contact", "delete", "con_1").must(t, OK, "con_1 is deleted")
	})
	t.Run("imported", func(t *testing.T) {
		sh(t, "contact", "import", write(t, "all.csv", "name,phone\nAna,600000001\n")).must(t, OK, "2 added, 1 changed, 0 as they were", `line 4: "x" is no number`)
		h.was(t, "POST /v1/contacts/import name,phone\nAna,600000001")
		sh(t, "contact", "import", "not-there.csv").must(t, Failure, "no such file")
	})
}

package notices

import (
	"bytes"
	"fmt"
	htmltemplate "html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// page is a notice as it is read: one line, and facts below it.
type page struct {
	Subject string
	Facts   []fact
}

type fact struct{ Name, Value string }

// Bounds of what a page shows: what callers and CRMs say may be of any length.
const (
	maxSubject = 150
	maxValue   = 500
	maxFacts   = 40
)

func newPage(n Notice) page {
	var p page
	switch n.Template {
	case "call_summary":
		p.Subject = "Call from " + n.caller()
	case "park_alert":
		p.Subject = n.caller() + " is waiting"
		if slot := n.text("lot", "slot"); slot != "" {
			p.Subject += " in slot " + slot
		}
		if s, err := strconv.ParseFloat(n.text("lot", "age_s"), 64); err == nil {
			p.Subject += fmt.Sprintf(" for %d:%02d", int(s)/60, int(s)%60)
		}
	default:
		p.Subject = n.Template + ": " + n.caller()
	}
	p.Subject = line(p.Subject, maxSubject)
	if n.Template == "park_alert" {
		p.add("For", n.To)
		p.add("Lot", n.text("lot", "name"))
	}
	p.add("From", n.text("caller", "number"))
	p.add("Name", n.text("caller", "name"))
	p.add("Company", n.text("crm", "company"))
	p.add("Owner", n.text("crm", "owner"))
	p.add("To", n.text("call", "to"))
	p.add("Disposition", n.text("call", "disposition"))
	for _, k := range []string{"campaign", "source", "keyword", "flow"} {
		p.add(strings.ToUpper(k[:1])+k[1:], n.text("call", k))
	}
	vars, _ := n.Vars["vars"].(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		p.add(k, n.text("vars", k))
	}
	p.add("Call", string(n.Call))
	p.add("Time", n.At.UTC().Format(time.RFC3339))
	return p
}

func (p *page) add(name, value string) {
	if value = line(value, maxValue); value != "" && len(p.Facts) < maxFacts {
		p.Facts = append(p.Facts, fact{line(name, maxSubject), value})
	}
}

func (n Notice) caller() string {
	for _, s := range []string{n.text("crm", "company"), n.text("caller", "name"), n.text("crm", "name"), n.text("caller", "number")} {
		if s != "" {
			return s
		}
	}
	return "an unknown caller"
}

// text is a value that can be shown; "" if there is none.
func (n Notice) text(root, key string) string {
	m, _ := n.Vars[root].(map[string]any)
	switch v := m[key].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// line is a text without what could end the line that it stands in.
func line(s string, limit int) string {
	n := 0
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			r = ' '
		}
		if n++; n > limit {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
}

// plain is the page as text.
func (p page) plain() string {
	var b strings.Builder
	b.WriteString(p.Subject + "\n\n")
	for _, f := range p.Facts {
		b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	return b.String()
}

var document = htmltemplate.Must(htmltemplate.New("").Parse(`<!doctype html>
<html><body style="font-family:sans-serif">
<h3>{{.Subject}}</h3>
<table cellpadding="3">{{range .Facts}}
<tr><th align="left">{{.Name}}</th><td>{{.Value}}</td></tr>{{end}}
</table>
</body></html>
`))

// html is the page for those who read it in colour.
func (p page) html() (string, error) {
	var b bytes.Buffer
	err := document.Execute(&b, p)
	return b.String(), err
}

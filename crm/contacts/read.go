package contacts

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
)

// Problem is a line of an import that is not, or not wholly, taken.
type Problem struct {
	Line int    `json:"line"` // of a CSV file; the nth contact of a JSON list
	Why  string `json:"why"`
}

// ReadJSON reads a list of contacts: [{"name": …, "phones": ["600 000 001"], …}].
// region ("ES") is the country in which numbers without prefix are read. A
// number that is none is left out and reported.
func ReadJSON(r io.Reader, region string) ([]crm.Contact, []Problem, error) {
	var list []crm.Contact
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&list); err != nil {
		return nil, nil, fmt.Errorf("read contacts: %w", err)
	}
	var im importing
	for i, c := range list {
		raw := c.Phones
		c.Phones = nil
		for _, p := range raw {
			im.phone(&c, i+1, string(p), region)
		}
		im.add(c, i+1)
	}
	return im.contacts, im.problems, nil
}

// ReadCSV reads contacts from a file with a heading: the columns name, company,
// owner and tags; all that begin with phone or mobile; any other is a field of
// its name, "deal.amount" being the amount of the deal. Columns are separated
// by commas, or by semicolons if the heading has more of those.
func ReadCSV(r io.Reader, region string) ([]crm.Contact, []Problem, error) {
	in := bufio.NewReader(r)
	if bom, _ := in.Peek(3); string(bom) == "\uFEFF" {
		_, _ = in.Discard(3) // what spreadsheets put first
	}
	rows := csv.NewReader(in)
	rows.TrimLeadingSpace = true
	rows.Comma = separator(in)
	head, err := rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, errors.New("read contacts: the file is empty")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read contacts: heading: %w", err)
	}
	var im importing
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return im.contacts, im.problems, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read contacts: %w", err)
		}
		line, _ := rows.FieldPos(0)
		var c crm.Contact
		for i, value := range row {
			if value = strings.TrimSpace(value); value != "" {
				im.column(&c, line, strings.TrimSpace(head[i]), value, region)
			}
		}
		im.add(c, line)
	}
}

// separator looks at the heading without taking it.
func separator(in *bufio.Reader) rune {
	start, _ := in.Peek(4096) // less if the file is shorter
	head, _, _ := strings.Cut(string(start), "\n")
	if strings.Count(head, ";") > strings.Count(head, ",") {
		return ';'
	}
	return ','
}

type importing struct {
	contacts []crm.Contact
	problems []Problem
}

func (im *importing) column(c *crm.Contact, line int, name, value, region string) {
	switch lower := strings.ToLower(name); {
	case lower == "name":
		c.Name = value
	case lower == "company":
		c.Company = value
	case lower == "owner":
		c.Owner = value
	case lower == "tags":
		for _, t := range crm.Split(value) {
			c.Tags = append(c.Tags, strings.TrimSpace(t))
		}
	case strings.HasPrefix(lower, "phone"), strings.HasPrefix(lower, "mobile"):
		for _, p := range crm.Split(value) {
			im.phone(c, line, p, region)
		}
	default:
		if c.Fields == nil {
			c.Fields = map[string]any{}
		}
		setField(c.Fields, strings.Split(name, "."), scalar(value))
	}
}

func (im *importing) phone(c *crm.Contact, line int, written, region string) {
	n, ok := crm.Normalize(written, region)
	switch {
	case !ok:
		im.problems = append(im.problems, Problem{line, "not a telephone number: " + call.Number(strings.TrimSpace(written)).Masked()})
	case !slices.Contains(c.Phones, n):
		c.Phones = append(c.Phones, n)
	}
}

func (im *importing) add(c crm.Contact, line int) {
	if c.Name == "" && c.Company == "" && len(c.Phones) == 0 {
		im.problems = append(im.problems, Problem{line, "neither name, company nor number"})
		return
	}
	im.contacts = append(im.contacts, c)
}

// setField sets a field by its path. A field that is both a value and a folder
// keeps what came first.
func setField(fields map[string]any, path []string, v any) {
	if len(path) == 1 {
		if _, taken := fields[path[0]]; !taken {
			fields[path[0]] = v
		}
		return
	}
	if _, taken := fields[path[0]]; !taken {
		fields[path[0]] = map[string]any{}
	}
	if inner, ok := fields[path[0]].(map[string]any); ok {
		setField(inner, path[1:], v)
	}
}

// scalar reads numbers and truth values as such, so that flows can compare
// them. JSON's grammar keeps "08001" and "+34…" text.
func scalar(s string) any {
	if strings.ContainsAny(s[:1], "-0123456789tf") {
		var v any
		if json.Unmarshal([]byte(s), &v) == nil {
			return v
		}
	}
	return s
}

package contacts_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/contacts"
	"github.com/callyard/callyard/internal/call"
)

func TestReadCSV(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []crm.Contact
		problems []contacts.Problem
	}{
		{
			name: "columns, fields and several numbers",
			in:   "Name,Company,Owner,Phone,Mobile phone,Tags,tier,deal.amount,deal.stage,zip\nFirst,Firm,ann,910 000 001 / 910 000 002,+34 600 000 001,vip|es,gold,50000,offer,08001\n",
			want: []crm.Contact{{
				Name: "First", Company: "Firm", Owner: "ann", Phones: []call.Number{"+34910000001", "+34910000002", "+34600000001"},
				Tags:   []string{"vip", "es"},
				Fields: map[string]any{"tier": "gold", "deal": map[string]any{"amount": 50000.0, "stage": "offer"}, "zip": "08001"},
			}},
		},
		{
			name: "a spreadsheet's semicolons and byte order mark",
			in:   "\uFEFFname;phone\nFirst;600000001\n",
			want: []crm.Contact{{Name: "First", Phones: []call.Number{"+34600000001"}}},
		},
		{
			name:     "what is no number is left out and reported, unprinted",
			in:       "name,phone\nFirst,12345\n,\nSecond,600000001;600000001\n",
			want:     []crm.Contact{{Name: "First"}, {Name: "Second", Phones: []call.Number{"+34600000001"}}},
			problems: []contacts.Problem{{2, "not a telephone number: …345"}, {3, "neither name, company nor number"}},
		},
		{
			name: "a field that is both value and folder keeps the first",
			in:   "name,deal,deal.amount\nFirst,yes,5\n",
			want: []crm.Contact{{Name: "First", Fields: map[string]any{"deal": "yes"}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, problems, err := contacts.ReadCSV(strings.NewReader(c.in), "ES")
			if err != nil || !reflect.DeepEqual(got, c.want) || !reflect.DeepEqual(problems, c.problems) {
				t.Errorf("got\n%+v %+v %v, want\n%+v %+v", got, problems, err, c.want, c.problems)
			}
		})
	}

	for name, in := range map[string]string{"an empty file": "", "a row that is too long": "name\nFirst,Firm\n"} {
		t.Run(name+" is an error", func(t *testing.T) {
			if _, _, err := contacts.ReadCSV(strings.NewReader(in), "ES"); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestReadJSON(t *testing.T) {
	got, problems, err := contacts.ReadJSON(strings.NewReader(`[
		{"name": "First", "phones": ["600 000 001", "x"], "fields": {"deal": {"amount": 5}}, "tags": ["vip"]}, {}]`), "ES")
	want := []crm.Contact{{Name: "First", Phones: []call.Number{"+34600000001"}, Fields: map[string]any{"deal": map[string]any{"amount": 5.0}}, Tags: []string{"vip"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if len(problems) != 2 || problems[0].Line != 1 || problems[1].Line != 2 {
		t.Errorf("problems %+v", problems)
	}
	if _, _, err := contacts.ReadJSON(strings.NewReader(`[{"nmae": "First"}]`), "ES"); err == nil {
		t.Error("a misspelt key was taken")
	}
}

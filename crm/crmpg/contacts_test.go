package crmpg_test

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/crm/contacts"
	"github.com/callyard/callyard/crm/crmpg"
	"github.com/callyard/callyard/crm/crmtest"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pgtest"
)

func TestContactsProvider(t *testing.T) {
	crmtest.TestProvider(t, func(t *testing.T) crmtest.Subject {
		s := crmpg.NewContacts(pgtest.New(t))
		return crmtest.Subject{
			Provider: contacts.Provider{Store: s},
			Activities: func(key string) []crm.Activity {
				as, err := s.Activities(t.Context(), call.ID(key))
				if err != nil {
					t.Fatal(err)
				}
				return as
			},
			Know: func(name string, phones ...call.Number) {
				if _, err := s.Save(t.Context(), crm.Contact{Name: name, Phones: phones}, now); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

func TestContacts(t *testing.T) {
	s := crmpg.NewContacts(pgtest.New(t))
	unknown := new(crm.UnknownContactError)
	saved, err := s.Save(t.Context(), crm.Contact{
		Name: "First 100%", Company: "Firm", Owner: "ann", Phones: []call.Number{"+34600000001", "+34910000001", "+34600000001"},
		Fields: map[string]any{"deal": map[string]any{"amount": 50000.0}}, Tags: []string{"vip"},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	read := func(t *testing.T) crm.Contact {
		t.Helper()
		c, err := s.Contact(t.Context(), saved.ID)
		if err != nil {
			t.Fatal(err)
		}
		c.Updated = c.Updated.UTC()
		return c
	}

	t.Run("what is saved is read, each number once", func(t *testing.T) {
		if got := read(t); !reflect.DeepEqual(got, saved) || len(got.Phones) != 2 {
			t.Errorf("read %+v, saved %+v", got, saved)
		}
	})
	t.Run("lists are narrowed", func(t *testing.T) {
		for _, c := range []struct {
			f    crm.ContactFilter
			want int
		}{
			{crm.ContactFilter{}, 1},
			{crm.ContactFilter{Text: "fIRs"}, 1},
			{crm.ContactFilter{Text: "firm"}, 1},
			{crm.ContactFilter{Text: "600000"}, 1},
			{crm.ContactFilter{Text: "100%"}, 1},
			{crm.ContactFilter{Text: "1%0"}, 0},
			{crm.ContactFilter{Owner: "ann", Tag: "vip"}, 1},
			{crm.ContactFilter{Owner: "bob"}, 0},
			{crm.ContactFilter{Tag: "es"}, 0},
			{crm.ContactFilter{After: saved.ID}, 0},
		} {
			if cs, err := s.Contacts(t.Context(), c.f); err != nil || len(cs) != c.want {
				t.Errorf("%+v: %d contacts, %v; want %d", c.f, len(cs), err, c.want)
			}
		}
	})
	t.Run("saving again replaces, numbers too", func(t *testing.T) {
		c := saved
		c.Phones = []call.Number{"+34600000009"}
		if _, err := s.Save(t.Context(), c, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := read(t); !reflect.DeepEqual(got.Phones, c.Phones) || !got.Updated.Equal(now.Add(time.Hour)) {
			t.Errorf("read %+v", got)
		}
		if cs, _ := s.ByNumber(t.Context(), "+34600000001"); len(cs) != 0 {
			t.Errorf("an old number still finds %+v", cs)
		}
	})
	t.Run("deleting forgets the numbers", func(t *testing.T) {
		if err := s.Delete(t.Context(), saved.ID); err != nil {
			t.Fatal(err)
		}
		if cs, _ := s.ByNumber(t.Context(), "+34600000009"); len(cs) != 0 {
			t.Errorf("found %+v", cs)
		}
		_, gone := s.Contact(t.Context(), saved.ID)
		_, save := s.Save(t.Context(), saved, now)
		for _, err := range []error{gone, save, s.Delete(t.Context(), saved.ID)} {
			if !errors.As(err, &unknown) || unknown.ID != saved.ID {
				t.Errorf("error %v", err)
			}
		}
	})
}

func TestImport(t *testing.T) {
	s := crmpg.NewContacts(pgtest.New(t))
	list := []crm.Contact{
		{Name: "First", Phones: []call.Number{"+34910000001", "+34600000001"}, Fields: map[string]any{"tier": "gold"}},
		{Name: "Second", Phones: []call.Number{"+34910000001"}}, // the same switchboard
	}
	want := func(t *testing.T, cs []crm.Contact, created, changed, total int) {
		t.Helper()
		cr, ch, err := s.Import(t.Context(), cs, now)
		all, _ := s.Contacts(t.Context(), crm.ContactFilter{})
		if err != nil || cr != created || ch != changed || len(all) != total {
			t.Fatalf("created %d, changed %d, %d in all, %v; want %d, %d, %d", cr, ch, len(all), err, created, changed, total)
		}
	}
	t.Run("people who share a number stay apart", func(t *testing.T) { want(t, list, 2, 0, 2) })
	t.Run("the same again changes nothing", func(t *testing.T) { want(t, list, 0, 0, 2) })
	t.Run("what is new is added to what is there", func(t *testing.T) {
		want(t, []crm.Contact{{Name: "first", Phones: []call.Number{"+34600000001"}, Company: "Firm", Fields: map[string]any{"score": 5.0}}}, 0, 1, 2)
		cs, err := s.ByNumber(t.Context(), "+34600000001")
		if err != nil || len(cs) != 1 || len(cs[0].Phones) != 2 || cs[0].Company != "Firm" || cs[0].Fields["tier"] != "gold" || cs[0].Fields["score"] != 5.0 {
			t.Errorf("read %+v, %v", cs, err)
		}
	})
	t.Run("two imports at once add one contact", func(t *testing.T) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, _, err := s.SaveByPhone(t.Context(), crm.Contact{Name: "Third", Phones: []call.Number{"+34600000003"}}, now); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if cs, _ := s.ByNumber(t.Context(), "+34600000003"); len(cs) != 1 {
			t.Errorf("there are %d", len(cs))
		}
	})
}

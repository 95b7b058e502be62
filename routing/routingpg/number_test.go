package routingpg_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
	"github.com/callyard/callyard/routing/routingpg"
)

func TestNumbers(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	publish(t, s, "hello")
	if err := s.SaveNumber(ctx, routing.Number{Number: "+34910000000", Flow: "greeting", Label: "sales"}); err != nil {
		t.Fatal(err)
	}
	n, err := s.Number(ctx, "+34910000000")
	if err != nil || !strings.HasPrefix(n.ID, "num_") || n.Flow != "greeting" || n.Label != "sales" {
		t.Fatal(n, err)
	}
	t.Run("saving again changes it", func(t *testing.T) {
		if err := s.SaveNumber(ctx, routing.Number{Number: "+34910000000", Label: "closed"}); err != nil {
			t.Fatal(err)
		}
		is, err := s.Number(ctx, n.ID)
		if err != nil || is.ID != n.ID || is.Flow != "" || is.Label != "closed" {
			t.Error(is, err)
		}
		if err := s.SaveNumber(ctx, routing.Number{ID: n.ID, Number: "+34910000001", Flow: "greeting"}); err != nil {
			t.Fatal(err)
		}
		if all, err := s.Numbers(ctx); err != nil || len(all) != 1 || all[0].Number != "+34910000001" {
			t.Error(all, err)
		}
	})
	t.Run("what cannot be", func(t *testing.T) {
		is[*routingpg.TakenError](t, s.SaveNumber(ctx, routing.Number{ID: "num_other", Number: "+34910000001"}))
		is[*routingpg.NotFoundError](t, s.SaveNumber(ctx, routing.Number{Number: "+34910000002", Flow: "nothing"}))
		is[*routingpg.InvalidError](t, s.SaveNumber(ctx, routing.Number{Number: "sales"}))
		is[*routingpg.InUseError](t, s.DeleteFlow(ctx, "greeting"))
		is[*routingpg.NotFoundError](t, s.DeleteNumber(ctx, "num_nothing"))
	})
	t.Run("a number and then its flow can go", func(t *testing.T) {
		if err := s.DeleteNumber(ctx, n.ID); err != nil {
			t.Fatal(err)
		}
		is[*routingpg.NotFoundError](t, second(s.Number(ctx, n.ID)))
		if err := s.DeleteFlow(ctx, "greeting"); err != nil {
			t.Fatal(err)
		}
		is[*routingpg.NotFoundError](t, s.DeleteFlow(ctx, "greeting"))
		is[*routingpg.NotFoundError](t, second(s.Version(ctx, "greeting", 1)))
	})
}

func TestTrunks(t *testing.T) {
	_, s := open(t)
	ctx := t.Context()
	want := routing.Trunk{
		ID: "trk_1", Name: "carrier", Sources: []string{"192.0.2.0/24", "2001:db8::1/128"}, Host: "sip.example.org:5060",
		Transport: "tcp", Codecs: []string{"pcma", "pcmu"}, MaxCalls: 30, CallsPerS: 2.5,
	}
	want = want.WithDefaults()
	want.Username, want.Password, want.Register, want.SRTP, want.For = "u1", "hunter2", true, "optional", []string{"+34"}
	if err := s.SaveTrunk(ctx, want); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveTrunk(ctx, routing.Trunk{Name: "inbound"}); err != nil {
		t.Fatal(err)
	}
	all, err := s.Trunks(ctx)
	if err != nil || len(all) != 2 || !reflect.DeepEqual(all[0], want) {
		t.Fatalf("%+v, %v", all, err)
	}
	if in := all[1]; !strings.HasPrefix(in.ID, "trk_") || in.Transport != "udp" || in.Sources == nil || in.Codecs == nil {
		t.Errorf("%+v", in)
	}
	if err := s.SaveTrunk(ctx, routing.Trunk{Name: "carrier", Host: "192.0.2.7"}); err != nil {
		t.Fatal(err)
	}
	if is, err := s.Trunk(ctx, "carrier"); err != nil || is.ID != "trk_1" || is.Host != "192.0.2.7" || len(is.Sources) != 0 {
		t.Errorf("%+v, %v", is, err)
	}
	is[*routingpg.TakenError](t, s.SaveTrunk(ctx, routing.Trunk{ID: "trk_2", Name: "carrier"}))
	for _, c := range []struct {
		write routing.Trunk
		want  call.Secret
	}{
		{routing.Trunk{Name: "carrier", Username: "u1", Password: "first"}, "first"},
		{routing.Trunk{Name: "carrier", Username: "u1", AuthInbound: true}, "first"}, // stays with its username
		{routing.Trunk{Name: "carrier", Username: "u2"}, ""},
	} {
		if err := s.SaveTrunk(ctx, c.write); err != nil {
			t.Fatal(err)
		}
		if is, err := s.Trunk(ctx, "carrier"); err != nil || is.Password != c.want {
			t.Errorf("after %+v the password is %q, %v", c.write, string(is.Password), err)
		}
	}
	for field, bad := range map[string]routing.Trunk{
		"name":          {},
		"sources[1]":    {Name: "a", Sources: []string{"192.0.2.0/24", "192.0.2.1"}},
		"sources[0]":    {Name: "a", Sources: []string{"192.0.2.1/24"}},
		"sources[2]":    {Name: "a", Sources: []string{"10.0.0.0/8", "::1/128", "0.0.0.0/0"}},
		"host":          {Name: "a", Host: "sip.example.org:0"},
		"transport":     {Name: "a", Transport: "sctp"},
		"srtp":          {Name: "a", SRTP: "yes"},
		"hosts[1].host": {Name: "a", Hosts: []routing.Gateway{{Host: "192.0.2.1"}, {Host: "a b"}}},
		"register":      {Name: "a", Host: "192.0.2.1", Register: true},
		"trust[0]":      {Name: "a", Trust: []string{"everybody"}},
		"country":       {Name: "a", NumberFormat: "national"},
		"codecs[0]":     {Name: "a", Codecs: []string{""}},
		"max_calls":     {Name: "a", MaxCalls: -1},
		"calls_per_s":   {Name: "a", CallsPerS: -1},
	} {
		if e := is[*routingpg.InvalidError](t, s.SaveTrunk(ctx, bad)); e.Field != field {
			t.Errorf("%s is called faulty, not %s", e.Field, field)
		}
	}
	if err := s.DeleteTrunk(ctx, "trk_1"); err != nil {
		t.Fatal(err)
	}
	is[*routingpg.NotFoundError](t, s.DeleteTrunk(ctx, "trk_1"))
	is[*routingpg.NotFoundError](t, second(s.Trunk(ctx, "carrier")))
}

package keypg_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callyard/callyard/internal/keypg"
	"github.com/callyard/callyard/internal/pg"
	"github.com/callyard/callyard/internal/pgtest"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestKeys(t *testing.T) {
	ctx := t.Context()
	db := pgtest.New(t)
	s := keypg.New(db)

	t.Run("a key is found by its secret only", func(t *testing.T) {
		k, secret, err := s.Create(ctx, keypg.Key{Name: "board", Scopes: []keypg.Scope{keypg.Read}}, noon)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(secret, "ck_") || len(secret) != 3+43 || !strings.HasSuffix(secret, k.Last4) {
			t.Errorf("secret %d characters, last four %q", len(secret), k.Last4)
		}
		got, err := s.Find(ctx, secret, noon)
		if err != nil || got.ID != k.ID {
			t.Fatalf("found %+v, %v", got, err)
		}
		for _, wrong := range []string{"", "ck_", secret[:len(secret)-1], secret + "x", "xx_" + secret[3:]} {
			if _, err := s.Find(ctx, wrong, noon); !errors.Is(err, keypg.ErrUnknown) {
				t.Errorf("find %q: %v", wrong, err)
			}
		}
	})
	t.Run("wider scopes include narrower ones", func(t *testing.T) {
		for _, c := range []struct {
			has, asked keypg.Scope // for flows
			may        bool
		}{
			{"flows:read", keypg.Read, true},
			{"flows:write", keypg.Read, true},
			{"flows:read", keypg.Write, false},
			{"flows:write", keypg.Admin, false},
			{"lots:write", keypg.Read, false},
			{keypg.Admin, "", false},
			{keypg.Read, keypg.Read, true},
			{keypg.Read, keypg.Write, false},
			{keypg.Write, keypg.Read, true},
			{keypg.Write, keypg.Admin, false},
			{keypg.Admin, keypg.Read, true},
			{"", keypg.Read, false},
		} {
			if got := (keypg.Key{Scopes: []keypg.Scope{c.has}}).May("flows", c.asked); got != c.may {
				t.Errorf("%q may %q: %v", c.has, c.asked, got)
			}
		}
		for _, unknown := range []keypg.Scope{"root", "flows:admin", ":read", "flows:", ""} {
			if _, _, err := s.Create(ctx, keypg.Key{Scopes: []keypg.Scope{unknown}}, noon); err == nil {
				t.Errorf("scope %q was taken", unknown)
			}
		}
	})
	t.Run("revoked and expired keys do not open", func(t *testing.T) {
		end := noon.Add(time.Hour)
		k, secret, err := s.Create(ctx, keypg.Key{Name: "short", Scopes: []keypg.Scope{keypg.Read}, ExpiresAt: &end}, noon)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Find(ctx, secret, end.Add(-time.Second)); err != nil {
			t.Error(err)
		}
		if _, err := s.Find(ctx, secret, end); !errors.Is(err, keypg.ErrExpired) {
			t.Errorf("expired: %v", err)
		}
		if err := s.Revoke(ctx, k.ID, noon); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Find(ctx, secret, noon); !errors.Is(err, keypg.ErrUnknown) {
			t.Errorf("revoked: %v", err)
		}
		if err := s.Revoke(ctx, "key_none", noon); !errors.Is(err, keypg.ErrUnknown) {
			t.Errorf("revoke nothing: %v", err)
		}
	})
	t.Run("use is noted once a minute", func(t *testing.T) {
		k, secret, err := s.Create(ctx, keypg.Key{Name: "used", Scopes: []keypg.Scope{keypg.Read}}, noon)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Duration{time.Minute, 90 * time.Second} {
			if _, err := s.Find(ctx, secret, noon.Add(at)); err != nil {
				t.Fatal(err)
			}
		}
		list, err := s.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range list {
			if got.ID == k.ID && (got.UsedAt == nil || !got.UsedAt.Equal(noon.Add(time.Minute))) {
				t.Errorf("used at %v", got.UsedAt)
			}
		}
	})
	t.Run("nobody waits for another's note", func(t *testing.T) {
		k, secret, err := s.Create(ctx, keypg.Key{Name: "busy", Scopes: []keypg.Scope{keypg.Read}}, noon)
		if err != nil {
			t.Fatal(err)
		}
		err = db.In(ctx, func(tx *pg.Tx) error {
			if _, err := tx.Exec(ctx, `update api_keys set used_at = $2 where id = $1`, k.ID, noon); err != nil {
				return err
			}
			soon, cancel := context.WithTimeout(ctx, 30*time.Second) // rather than for ever
			defer cancel()
			_, err := s.Find(soon, secret, noon.Add(time.Hour))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestEnsureFirst(t *testing.T) {
	ctx := t.Context()
	s := keypg.New(pgtest.New(t))
	var mu sync.Mutex
	var made []string
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			secret, created, err := s.EnsureFirst(ctx, noon)
			if err != nil {
				t.Error(err)
			}
			if created {
				mu.Lock()
				made = append(made, secret)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(made) != 1 {
		t.Fatalf("%d nodes made a first key", len(made))
	}
	k, err := s.Find(ctx, made[0], noon)
	if err != nil || !k.May("", keypg.Admin) {
		t.Fatalf("%+v, %v", k, err)
	}
	if err := s.Revoke(ctx, k.ID, noon); err != nil {
		t.Fatal(err)
	}
	if _, created, err := s.EnsureFirst(ctx, noon); err != nil || !created {
		t.Errorf("after the last was revoked: %v, %v", created, err)
	}
}

func TestAnswers(t *testing.T) {
	ctx := t.Context()
	s := keypg.New(pgtest.New(t))
	one, other := []byte("one"), []byte("other")
	begin := func(at time.Duration, request []byte) (*keypg.Answer, error) {
		return s.Begin(ctx, "key_a", "k", request, noon.Add(at))
	}
	if a, err := begin(0, one); a != nil || err != nil {
		t.Fatal(a, err)
	}
	if _, err := begin(time.Second, one); !errors.Is(err, keypg.ErrRunning) {
		t.Errorf("while running: %v", err)
	}
	if _, err := begin(time.Second, other); !errors.Is(err, keypg.ErrOther) {
		t.Errorf("another body: %v", err)
	}
	if a, err := s.Begin(ctx, "key_b", "k", other, noon); a != nil || err != nil {
		t.Errorf("another client's key is its own: %v, %v", a, err)
	}
	if a, err := begin(keypg.RunsAtMost+time.Second, one); a != nil || err != nil {
		t.Errorf("a lost request is run anew: %v, %v", a, err)
	}
	want := keypg.Answer{Status: 201, Headers: map[string]string{"Location": "/v1/x"}, Body: []byte("{}")}
	if err := s.Finish(ctx, "key_a", "k", want); err != nil {
		t.Fatal(err)
	}
	got, err := begin(time.Hour, one)
	if err != nil || got == nil || got.Status != 201 || string(got.Body) != "{}" || got.Headers["Location"] != "/v1/x" {
		t.Errorf("%+v, %v", got, err)
	}
	if a, err := begin(26*time.Hour, other); a != nil || err != nil {
		t.Errorf("after a day the key is free: %v, %v", a, err)
	}
	if err := s.Forget(ctx, "key_a", "k"); err != nil {
		t.Fatal(err)
	}
	if a, err := begin(26*time.Hour, one); a != nil || err != nil {
		t.Errorf("a forgotten request can be made again: %v, %v", a, err)
	}
}

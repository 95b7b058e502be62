package routingpg

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/routing"
)

const trunkColumns = `id, name, sources, host, transport, codecs, max_calls, calls_per_s`

func scanTrunk(row pgx.CollectableRow) (t routing.Trunk, err error) {
	err = row.Scan(&t.ID, &t.Name, &t.Sources, &t.Host, &t.Transport, &t.Codecs, &t.MaxCalls, &t.CallsPerS)
	return t, err
}

// Trunks lists all trunks by name.
func (s *Store) Trunks(ctx context.Context) ([]routing.Trunk, error) {
	return list(ctx, s.db.Pool, "trunks", scanTrunk, `select `+trunkColumns+` from trunks order by name`)
}

// Trunk reads one by its id or name. *NotFoundError.
func (s *Store) Trunk(ctx context.Context, idOrName string) (routing.Trunk, error) {
	return one(ctx, s.db.Pool, scanTrunk, &NotFoundError{"trunk", idOrName},
		`select `+trunkColumns+` from trunks where id = $1 or name = $1`, idOrName)
}

// SaveTrunk writes a trunk. With an id it changes that one or makes it, without
// it is known by its name. *InvalidError, *TakenError.
func (s *Store) SaveTrunk(ctx context.Context, t routing.Trunk) error {
	t.Transport = cmp.Or(t.Transport, "udp")
	if err := validTrunk(t); err != nil {
		return err
	}
	by := "id"
	if t.ID == "" {
		by = "name"
	}
	some := func(list []string) []string { return append([]string{}, list...) } // null is no list
	_, err := s.db.Pool.Exec(ctx, `insert into trunks (`+trunkColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8)
		on conflict (`+by+`) do update set name = excluded.name, sources = excluded.sources, host = excluded.host,
			transport = excluded.transport, codecs = excluded.codecs, max_calls = excluded.max_calls, calls_per_s = excluded.calls_per_s`,
		cmp.Or(t.ID, call.NewID("trk", time.Now())), t.Name, some(t.Sources), t.Host, t.Transport, some(t.Codecs), t.MaxCalls, t.CallsPerS)
	if state(err) == uniqueViolation {
		return &TakenError{"trunk", t.Name}
	}
	if err != nil {
		return fmt.Errorf("save trunk %s: %w", t.Name, err)
	}
	return nil
}

var trunkName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_. -]{0,63}$`)

func validTrunk(t routing.Trunk) error {
	invalid := func(field, why string, args ...any) error {
		return &InvalidError{"trunk", field, fmt.Sprintf(why, args...)}
	}
	if !trunkName.MatchString(t.Name) {
		return invalid("name", "wants letters, digits, space, _ . and -")
	}
	for i, cidr := range t.Sources {
		field := "sources[" + strconv.Itoa(i) + "]"
		switch p, err := netip.ParsePrefix(cidr); {
		case err != nil:
			return invalid(field, "%q is no CIDR such as 192.0.2.0/24; a single address ends in /32 or /128", cidr)
		case p != p.Masked():
			return invalid(field, "%q has bits beyond its length; write %s", cidr, p.Masked())
		case p.Bits() == 0:
			return invalid(field, "%q lets everybody in", cidr)
		}
	}
	if t.Host != "" && !validHost(t.Host) {
		return invalid("host", "%q is no host or host:port", t.Host)
	}
	if t.Transport != "udp" && t.Transport != "tcp" {
		return invalid("transport", "%q is neither udp nor tcp", t.Transport)
	}
	if i := slices.Index(t.Codecs, ""); i >= 0 {
		return invalid("codecs["+strconv.Itoa(i)+"]", "is empty")
	}
	if t.MaxCalls < 0 {
		return invalid("max_calls", "is negative")
	}
	if !(t.CallsPerS >= 0) || math.IsInf(t.CallsPerS, 0) {
		return invalid("calls_per_s", "is no rate")
	}
	return nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$`)

func validHost(s string) bool {
	host := s
	if h, port, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
		host = h
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return hostName.MatchString(host)
}

// DeleteTrunk removes a trunk by its id. *NotFoundError.
func (s *Store) DeleteTrunk(ctx context.Context, id string) error {
	done, err := s.db.Pool.Exec(ctx, `delete from trunks where id = $1`, id)
	if err != nil {
		return fmt.Errorf("delete trunk %s: %w", id, err)
	}
	if done.RowsAffected() == 0 {
		return &NotFoundError{"trunk", id}
	}
	return nil
}

package crmpg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callyard/callyard/crm"
	"github.com/callyard/callyard/internal/call"
	"github.com/callyard/callyard/internal/pg"
)

// Contacts is the built-in address book, and the calls logged in it.
type Contacts struct{ db *pg.DB }

// NewContacts opens the address book.
func NewContacts(db *pg.DB) *Contacts { return &Contacts{db} }

// Ping tells whether the database answers.
func (s *Contacts) Ping(ctx context.Context) error { return s.db.Pool.Ping(ctx) }

const contactColumns = `c.id, c.name, c.company, c.owner, c.fields, c.tags, c.updated_at,
	array(select number from contact_numbers n where n.contact = c.id order by position)`

func scanContact(row pgx.CollectableRow) (c crm.Contact, err error) {
	err = row.Scan(&c.ID, &c.Name, &c.Company, &c.Owner, &c.Fields, &c.Tags, &c.Updated, &c.Phones)
	return c, err
}

// querier is the pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func byNumbers(ctx context.Context, q querier, ns ...call.Number) ([]crm.Contact, error) {
	rows, _ := q.Query(ctx, `
		select `+contactColumns+` from contacts c
		where c.id in (select contact from contact_numbers where number = any($1))
		order by c.updated_at desc, c.id`, ns)
	cs, err := pgx.CollectRows(rows, scanContact)
	if err != nil {
		return nil, fmt.Errorf("find contacts by number: %w", err)
	}
	return cs, nil
}

// ByNumber finds who has the number, the most recently changed first.
func (s *Contacts) ByNumber(ctx context.Context, n call.Number) ([]crm.Contact, error) {
	return byNumbers(ctx, s.db.Pool, n)
}

// Contacts lists the address book in the order of its IDs, page by page.
func (s *Contacts) Contacts(ctx context.Context, f crm.ContactFilter) ([]crm.Contact, error) {
	text := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.Text) + "%"
	rows, _ := s.db.Pool.Query(ctx, `
		select `+contactColumns+` from contacts c
		where c.id > $1 and ($2 = '' or c.owner = $2) and ($3 = '' or $3 = any(c.tags))
		  and ($4 = '%%' or c.name ilike $4 or c.company ilike $4
		       or exists (select 1 from contact_numbers n where n.contact = c.id and n.number like $4))
		order by c.id limit $5`, f.After, f.Owner, f.Tag, text, pageSize(f.Limit))
	cs, err := pgx.CollectRows(rows, scanContact)
	if err != nil {
		return nil, fmt.Errorf("list contacts: %w", err)
	}
	return cs, nil
}

// Contact reads one. *crm.UnknownContactError.
func (s *Contacts) Contact(ctx context.Context, id string) (crm.Contact, error) {
	rows, _ := s.db.Pool.Query(ctx, `select `+contactColumns+` from contacts c where c.id = $1`, id)
	c, err := pgx.CollectExactlyOneRow(rows, scanContact)
	if errors.Is(err, pgx.ErrNoRows) {
		return c, &crm.UnknownContactError{ID: id}
	}
	if err != nil {
		return c, fmt.Errorf("read contact %s: %w", id, err)
	}
	return c, nil
}

// Save adds a contact, giving it an ID, or replaces the one with its ID. Its
// numbers must be normalised. *crm.UnknownContactError.
func (s *Contacts) Save(ctx context.Context, c crm.Contact, now time.Time) (crm.Contact, error) {
	err := s.db.In(ctx, func(tx *pg.Tx) (err error) {
		c, err = save(ctx, tx, c, now)
		return err
	})
	return c, err
}

func save(ctx context.Context, tx *pg.Tx, c crm.Contact, now time.Time) (crm.Contact, error) {
	c = tidy(c)
	c.Updated = now.Truncate(time.Microsecond) // as Postgres keeps it
	sql := `update contacts set name = $2, company = $3, owner = $4, fields = $5, tags = $6, updated_at = $7 where id = $1`
	asked := c.ID
	if c.ID == "" {
		c.ID = call.NewID("ctc", now)
		sql = `insert into contacts (id, name, company, owner, fields, tags, updated_at) values ($1, $2, $3, $4, $5, $6, $7)`
	}
	done, err := tx.Exec(ctx, sql, c.ID, c.Name, c.Company, c.Owner, c.Fields, c.Tags, c.Updated)
	if err != nil {
		return c, fmt.Errorf("save contact %s: %w", c.ID, err)
	}
	if done.RowsAffected() == 0 {
		return c, &crm.UnknownContactError{ID: asked}
	}
	if _, err := tx.Exec(ctx, `delete from contact_numbers where contact = $1`, c.ID); err != nil {
		return c, fmt.Errorf("save numbers of contact %s: %w", c.ID, err)
	}
	if _, err := tx.Exec(ctx, `
		insert into contact_numbers (number, contact, position)
		select number, $1, position from unnest($2::text[]) with ordinality as n (number, position)`, c.ID, c.Phones); err != nil {
		return c, fmt.Errorf("save numbers of contact %s: %w", c.ID, err)
	}
	return c, nil
}

// tidy writes empty lists as such and each number once.
func tidy(c crm.Contact) crm.Contact {
	c.Phones, c.Tags = unique(c.Phones), unique(c.Tags)
	if c.Fields == nil {
		c.Fields = map[string]any{}
	}
	return c
}

// SaveByPhone adds a contact, or brings the one up to date that has the same
// name and one of the numbers: what is imported twice is there once. People who
// share a switchboard's number stay apart by their names. Fields and numbers
// that the import does not have are kept.
func (s *Contacts) SaveByPhone(ctx context.Context, c crm.Contact, now time.Time) (changed, created bool, err error) {
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		if err := lockImports(ctx, tx); err != nil {
			return err
		}
		changed, created, err = saveByPhone(ctx, tx, c, now)
		return err
	})
	return changed, created, err
}

// Import does SaveByPhone for all of them, or for none.
func (s *Contacts) Import(ctx context.Context, cs []crm.Contact, now time.Time) (created, changed int, err error) {
	err = s.db.In(ctx, func(tx *pg.Tx) error {
		if err := lockImports(ctx, tx); err != nil {
			return err
		}
		for _, c := range cs {
			ch, cr, err := saveByPhone(ctx, tx, c, now)
			switch {
			case err != nil:
				return err
			case cr:
				created++
			case ch:
				changed++
			}
		}
		if created+changed > 0 {
			tx.Audit("imported", "contacts", "", nil, map[string]int{"created": created, "changed": changed})
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	return created, changed, nil
}

// lockImports lets one import after another look whom it has already.
func lockImports(ctx context.Context, tx *pg.Tx) error {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtext('callyard contacts import'))`); err != nil {
		return fmt.Errorf("import contacts: %w", err)
	}
	return nil
}

func saveByPhone(ctx context.Context, tx *pg.Tx, c crm.Contact, now time.Time) (changed, created bool, err error) {
	have, err := byNumbers(ctx, tx, c.Phones...)
	if err != nil {
		return false, false, err
	}
	i := slices.IndexFunc(have, func(h crm.Contact) bool { return strings.EqualFold(h.Name, c.Name) })
	if i < 0 {
		c.ID = ""
		_, err := save(ctx, tx, c, now)
		return false, err == nil, err
	}
	was := tidy(have[i])
	c.ID, c.Updated = was.ID, was.Updated
	c.Phones = append(slices.Clip(c.Phones), was.Phones...)
	fields := maps.Clone(was.Fields)
	maps.Copy(fields, c.Fields)
	c.Fields = fields
	if c = tidy(c); reflect.DeepEqual(c, was) {
		return false, false, nil
	}
	_, err = save(ctx, tx, c, now)
	return err == nil, false, err
}

// Delete removes a contact. *crm.UnknownContactError.
func (s *Contacts) Delete(ctx context.Context, id string) error {
	done, err := s.db.Pool.Exec(ctx, `delete from contacts where id = $1`, id)
	if err != nil {
		return fmt.Errorf("delete contact %s: %w", id, err)
	}
	if done.RowsAffected() == 0 {
		return &crm.UnknownContactError{ID: id}
	}
	return nil
}

const saveActivity = `
	insert into contact_activities as have (key, rev, activity) values ($1, $2, $3)
	on conflict (key) do update set rev = excluded.rev, activity = excluded.activity where have.rev <= excluded.rev`

// SaveActivity adds an activity, or changes the one with its key unless that
// has a later revision.
func (s *Contacts) SaveActivity(ctx context.Context, a crm.Activity) error {
	if _, err := s.db.Pool.Exec(ctx, saveActivity, a.Key, a.Rev, a); err != nil {
		return fmt.Errorf("save activity %s: %w", a.Key, err)
	}
	return nil
}

// Activities lists what is logged of a call: nothing, or one.
func (s *Contacts) Activities(ctx context.Context, id call.ID) ([]crm.Activity, error) {
	rows, _ := s.db.Pool.Query(ctx, `select activity from contact_activities where key = $1`, string(id))
	as, err := pgx.CollectRows(rows, pgx.RowTo[crm.Activity])
	if err != nil {
		return nil, fmt.Errorf("read activity of %s: %w", id, err)
	}
	return as, nil
}

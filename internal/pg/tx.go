package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/callyard/callyard/internal/call"
)

// Tx is a transaction that can also write to the ledger and enqueue jobs. What
// of it needs no answer travels with what does: its begin with the first
// statement that is asked for something, its facts and whatever was put off with
// the commit. A round trip costs the two processes more than most statements do.
type Tx struct {
	pgx.Tx
	db    *DB
	way   *journey
	facts []call.Event
}

// Later runs a statement of which only success matters, with the next one that
// is asked for something or with the commit. When it fails, that one fails.
func (tx *Tx) Later(sql string, args ...any) { tx.way.later.Queue(sql, args...) }

// Note appends facts to the ledgers of their calls when the transaction commits.
// Age, Seq and ID are stored by it; a fact about an unknown call is dropped. The
// calls are then locked, last of all and in the order of their ids.
func (tx *Tx) Note(events ...call.Event) { tx.facts = append(tx.facts, events...) }

// commit writes what was put off. With nothing sent before, the statements are a
// transaction of their own: all that comes before one Sync is.
func (tx *Tx) commit(ctx context.Context) error {
	if err := tx.putFacts(); err != nil {
		return err
	}
	j := tx.way
	if !j.begun {
		j.later.QueuedQueries = j.later.QueuedQueries[1:] // the begin
		if j.later.Len() == 0 {
			return nil
		}
		return j.conn.SendBatch(ctx, &j.later).Close()
	}
	n := j.later.Len()
	j.later.Queue("commit")
	res := j.conn.SendBatch(ctx, &j.later)
	for range n {
		if _, err := res.Exec(); err != nil {
			return errors.Join(err, res.Close())
		}
	}
	tag, err := res.Exec()
	if cerr := res.Close(); err == nil {
		err = cerr
	}
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	return err
}

// journey is a pgx.Tx whose statements take along those that were put off, the
// begin first of all.
type journey struct {
	conn  *pgx.Conn
	later pgx.Batch // not sent yet, in order
	begun bool
}

func depart(conn *pgx.Conn) *journey {
	j := &journey{conn: conn}
	j.later.Queue("begin")
	return j
}

// send sends what was put off with the statements of b behind it, and reads what
// came of the former.
func (j *journey) send(ctx context.Context, b *pgx.Batch) (pgx.BatchResults, error) {
	all := j.later
	n := all.Len()
	all.QueuedQueries = append(all.QueuedQueries, b.QueuedQueries...)
	j.later = pgx.Batch{}
	j.begun = true
	res := j.conn.SendBatch(ctx, &all)
	for range n {
		if _, err := res.Exec(); err != nil {
			_ = res.Close() // says the same
			return nil, err
		}
	}
	return res, nil
}

// SendBatch is that of pgx.Tx.
func (j *journey) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	if j.later.Len() == 0 {
		return j.conn.SendBatch(ctx, b)
	}
	res, err := j.send(ctx, b)
	if err != nil {
		return lost{err}
	}
	return res
}

// Query is that of pgx.Tx. Like there, an error is also told by the rows.
func (j *journey) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if j.later.Len() == 0 {
		return j.conn.Query(ctx, sql, args...)
	}
	var b pgx.Batch
	b.Queue(sql, args...)
	res, err := j.send(ctx, &b)
	if err != nil {
		return lostRows{err}, err
	}
	rows, err := res.Query()
	return &lastRows{rows, res}, err
}

// QueryRow is that of pgx.Tx.
func (j *journey) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if j.later.Len() == 0 {
		return j.conn.QueryRow(ctx, sql, args...)
	}
	rows, _ := j.Query(ctx, sql, args...)
	return row{rows}
}

// Exec is that of pgx.Tx.
func (j *journey) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if j.later.Len() == 0 {
		return j.conn.Exec(ctx, sql, args...)
	}
	var b pgx.Batch
	b.Queue(sql, args...)
	res, err := j.send(ctx, &b)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := res.Exec()
	if cerr := res.Close(); err == nil {
		err = cerr
	}
	return tag, err
}

// CopyFrom is that of pgx.Tx.
func (j *journey) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := j.leave(ctx); err != nil {
		return 0, err
	}
	return j.conn.CopyFrom(ctx, table, columns, src)
}

// leave sends what was put off by itself.
func (j *journey) leave(ctx context.Context) error {
	if j.later.Len() == 0 {
		return nil
	}
	res, err := j.send(ctx, &pgx.Batch{})
	if err != nil {
		return err
	}
	return res.Close()
}

// rollback undoes what was sent. A connection that cannot is closed by the pool.
func (j *journey) rollback(ctx context.Context) {
	if j.begun && !j.conn.IsClosed() && j.conn.PgConn().TxStatus() != 'I' {
		_, _ = j.conn.Exec(ctx, "rollback")
	}
}

var errNotOurs = errors.New("begun, committed and rolled back by DB.In")

// Begin, Commit and Rollback are DB.In's: nothing may be left to a part of it.
func (j *journey) Begin(context.Context) (pgx.Tx, error) { return nil, errNotOurs }

// Commit is DB.In's.
func (j *journey) Commit(context.Context) error { return errNotOurs }

// Rollback is DB.In's.
func (j *journey) Rollback(context.Context) error { return errNotOurs }

// LargeObjects is that of pgx.Tx; there are none.
func (j *journey) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Prepare is that of pgx.Tx.
func (j *journey) Prepare(ctx context.Context, name, sql string) (*pgconn.StatementDescription, error) {
	return j.conn.Prepare(ctx, name, sql)
}

// Conn is that of pgx.Tx.
func (j *journey) Conn() *pgx.Conn { return j.conn }

// lastRows are those of the last statement of a batch, which ends with them.
type lastRows struct {
	pgx.Rows
	res pgx.BatchResults
}

func (r *lastRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *lastRows) Close() {
	r.Rows.Close()
	_ = r.res.Close() // an error is the rows' too
}

// row reads one row as pgx does.
type row struct{ pgx.Rows }

func (r row) Scan(to ...any) error {
	defer r.Close()
	if !r.Next() {
		if err := r.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.Rows.Scan(to...); err != nil {
		return err
	}
	r.Close()
	return r.Err()
}

// lost are the results of a batch that failed before its own statements.
type lost struct{ err error }

func (l lost) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, l.err }
func (l lost) Query() (pgx.Rows, error)         { return lostRows(l), l.err }
func (l lost) QueryRow() pgx.Row                { return row{lostRows(l)} }
func (lost) Tx() pgx.Tx                         { return nil }
func (l lost) Close() error                     { return l.err }

// lostRows are rows that never came.
type lostRows struct{ err error }

func (lostRows) Close()                                       {}
func (r lostRows) Err() error                                 { return r.err }
func (lostRows) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (lostRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (lostRows) Next() bool                                   { return false }
func (r lostRows) Scan(...any) error                          { return r.err }
func (r lostRows) Values() ([]any, error)                     { return nil, r.err }
func (lostRows) RawValues() [][]byte                          { return nil }
func (lostRows) Conn() *pgx.Conn                              { return nil }
func (lostRows) TypeMap() *pgtype.Map                         { return nil }

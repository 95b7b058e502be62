package httpapi

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Page is a part of a list.
type Page[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor" doc:"Where the list goes on; null at its end"`
}

// next is the cursor of the part after this one, "" at the end.
func (p Page[T]) next() string {
	if p.NextCursor == nil {
		return ""
	}
	return *p.NextCursor
}

// link names the next part of a list in a header too (RFC 8288), for clients that
// follow links: the same request with another cursor. It sees every answer.
func link(ctx huma.Context, answer any) {
	list, ok := answer.(interface{ next() string })
	if !ok || list.next() == "" {
		return
	}
	u := ctx.URL()
	q := u.Query()
	q.Set("cursor", list.next())
	ctx.SetHeader("Link", "<"+u.EscapedPath()+"?"+q.Encode()+`>; rel="next"`)
}

// linked documents the header, of operations that take a cursor.
func linked(get *huma.Operation) {
	if slices.ContainsFunc(get.Parameters, func(p *huma.Param) bool { return p.Name == "cursor" }) {
		get.Responses["200"].Headers = map[string]*huma.Header{"Link": {Ref: "#/components/headers/Link"}}
	}
}

// Paging is how a part of a list is asked for. Like the other parts of requests
// it is exported because huma looks into no others.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most so many"`
	Cursor string `query:"cursor" maxLength:"500" doc:"next_cursor of the page before"`
}

// page cuts a part out of a whole list that is kept in the order of a name.
func page[T any](all []T, name func(T) string, in Paging) (*body[Page[T]], error) {
	slices.SortStableFunc(all, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	if after != "" {
		all = slices.DeleteFunc(all, func(v T) bool { return name(v) <= after })
	}
	if len(all) <= in.Limit {
		return last(all), nil
	}
	all = all[:in.Limit]
	return part(all, cursorOf(name(all[in.Limit-1]))), nil
}

// shown is page for a list that is turned into what the API shows: only the part
// that is asked for.
func shown[S, T any](all []S, name func(S) string, show func(S) T, in Paging) (*body[Page[T]], error) {
	p, err := page(all, name, in)
	if err != nil {
		return nil, err
	}
	return part(turned(p.Body.Data, show), p.Body.next()), nil
}

// last is the last part of a list, or all of it.
func last[T any](list []T) *body[Page[T]] {
	return &body[Page[T]]{Page[T]{Data: some(list)}}
}

// part is a part that is followed by another, unless next is empty.
func part[T any](list []T, next string) *body[Page[T]] {
	b := last(list)
	if next != "" {
		b.Body.NextCursor = &next
	}
	return b
}

func cursorOf(name string) string { return base64.RawURLEncoding.EncodeToString([]byte(name)) }

func (p Paging) after() (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return "", wrong("query.cursor", "not a cursor of this list")
	}
	return string(b), nil
}

// ascending and descending are numbers as names that sort like them.
func ascending(n int64) string  { return fmt.Sprintf("%019d", n) }
func descending(n int64) string { return fmt.Sprintf("%019d", math.MaxInt64-n) }

package analytics

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// WriteCSV writes the figures of attempts: a line of all of them, whose group
// is "*", and one for each group. The last columns are the calls by disposition,
// one for each code that there is.
func WriteCSV(out io.Writer, r Report) error {
	w := csv.NewWriter(out)
	head := []string{"group_by", "group", "attempts", "calls", "retrieved", "p50_ms", "p90_ms", "p95_ms", "mean_ms", "km_median_ms", "waiting"}
	head = append(head, Reasons...)
	codes := slices.Sorted(maps.Keys(r.Parks.Dispositions)) // those of groups are among them
	for _, code := range codes {
		head = append(head, "disposition_"+code)
	}
	rows := [][]string{head, r.row("*", r.Parks, codes)}
	for _, g := range r.Groups {
		rows = append(rows, r.row(cell(g.Key), g.Parks, codes))
	}
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (r Report) row(key string, p Parks, codes []string) []string {
	row := []string{
		string(r.GroupBy), key, strconv.Itoa(p.Attempts), strconv.Itoa(p.Calls), strconv.Itoa(p.Answer.N),
		optional(p.Answer.P50), optional(p.Answer.P90), optional(p.Answer.P95), optional(p.Answer.Mean), optional(p.Median), strconv.Itoa(p.Waiting),
	}
	for _, reason := range Reasons {
		row = append(row, strconv.Itoa(p.Outcomes[reason]))
	}
	for _, code := range codes {
		row = append(row, strconv.Itoa(p.Dispositions[code]))
	}
	return row
}

func optional(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// cell keeps a spreadsheet from reading a name as a formula.
func cell(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
		return "'" + s
	}
	return s
}

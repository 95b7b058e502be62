//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// figure is one line of the table.
type figure struct {
	Row   string  `json:"row"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Goal  float64 `json:"goal,omitempty"` // 0: none
	Note  string  `json:"note,omitempty"`
}

// verdict compares with the goal. It is for people: nothing fails by it.
func (f figure) verdict() string {
	switch {
	case f.Goal == 0:
		return ""
	case f.Value <= f.Goal:
		return "met"
	}
	return "missed"
}

func (f figure) goal() string {
	if f.Goal == 0 {
		return ""
	}
	return "≤ " + digits(f.Goal)
}

func (f figure) String() string {
	s := fmt.Sprintf("%s: %s %s", f.Row, digits(f.Value), f.Unit)
	if f.Goal != 0 {
		s += fmt.Sprintf(" (%s: %s)", f.goal(), f.verdict())
	}
	if f.Note != "" {
		s += "; " + f.Note
	}
	return s
}

// digits is a number with three of them.
func digits(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func printTable(w io.Writer, list []figure) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\t measured\t goal\t\t unit\t")
	for _, f := range list {
		fmt.Fprintf(t, "%s\t %s\t %s\t%s\t %s\t%s\n", f.Row, digits(f.Value), f.goal(), f.verdict(), f.Unit, f.Note)
	}
	_ = t.Flush()
}

// percent is part of whole in hundredths.
func percent[T int | int64 | float64](part, whole T) float64 {
	return 100 * float64(part) / float64(cmp.Or(whole, 1))
}

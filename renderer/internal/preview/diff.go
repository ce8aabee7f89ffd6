// Package preview shows what would change in a file: a unified diff, and the
// values of secrets hidden behind markers. It reads no file and knows nothing
// of Vault.
package preview

import (
	"fmt"
	"slices"
	"strings"
)

const (
	context  = 3    // lines around a change
	maxEdits = 1000 // beyond that a shortest diff is not worth its memory
	noEnd    = "\n\\ No newline at end of file"
)

// Unified is the difference of two texts in the unified form, "" when there is
// none.
func Unified(oldName, newName, before, after string) string {
	if before == after {
		return ""
	}
	all := edits(lines(before), lines(after))
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", oldName, newName)
	for _, h := range hunks(all) {
		h.write(&out, all)
	}
	return out.String()
}

// lines splits a text. A last line without a line break is another line than
// one with it.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	out := strings.Split(text, "\n")
	if last := len(out) - 1; out[last] == "" {
		return out[:last]
	}
	out[len(out)-1] += noEnd
	return out
}

// edit is one line of a diff: ' ' stays, '-' goes, '+' comes.
type edit struct {
	op   byte
	text string
}

func edits(a, b []string) []edit {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out := all(' ', a[:head])
	out = append(out, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	return append(out, all(' ', a[len(a)-tail:])...)
}

func all(op byte, lines []string) []edit {
	out := make([]edit, 0, len(lines))
	for _, l := range lines {
		out = append(out, edit{op, l})
	}
	return out
}

// middle finds the shortest way from a to b: Myers' algorithm. trace holds for
// each number of edits how far each diagonal was reached before the last of them.
func middle(a, b []string) []edit {
	most := min(len(a)+len(b), maxEdits)
	origin := most + 1
	reach := make([]int, 2*most+3)
	var trace [][]int
	for d := 0; d <= most; d++ {
		trace = append(trace, slices.Clone(reach[origin-d-1:origin+d+2]))
		for k := -d; k <= d; k += 2 {
			x := reach[origin+k-1] + 1
			if down(reach, origin, k, d) {
				x = reach[origin+k+1]
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			reach[origin+k] = x
			if x >= len(a) && y >= len(b) {
				return walk(a, b, trace)
			}
		}
	}
	return append(all('-', a), all('+', b)...)
}

// down says whether the diagonal k is best reached with a line that comes.
func down(reach []int, origin, k, d int) bool {
	return k == -d || k != d && reach[origin+k-1] < reach[origin+k+1]
}

// walk goes the way back.
func walk(a, b []string, trace [][]int) (out []edit) {
	x, y := len(a), len(b)
	for d := len(trace) - 1; d >= 0; d-- {
		reach, origin := trace[d], d+1
		k := x - y
		from := k - 1
		if down(reach, origin, k, d) {
			from = k + 1
		}
		fromX := reach[origin+from]
		fromY := fromX - from
		for x > fromX && y > fromY && x > 0 && y > 0 {
			x, y = x-1, y-1
			out = append(out, edit{' ', a[x]})
		}
		switch {
		case d == 0:
		case x == fromX:
			out = append(out, edit{'+', b[fromY]})
		default:
			out = append(out, edit{'-', a[fromX]})
		}
		x, y = fromX, fromY
	}
	slices.Reverse(out)
	return out
}

// hunk is a part of a diff with its context.
type hunk struct{ from, to int }

func hunks(all []edit) (out []hunk) {
	for i, e := range all {
		if e.op == ' ' {
			continue
		}
		from, to := max(i-context, 0), min(i+context+1, len(all))
		if last := len(out) - 1; last >= 0 && from <= out[last].to {
			out[last].to = to
			continue
		}
		out = append(out, hunk{from, to})
	}
	return out
}

func (h hunk) write(out *strings.Builder, all []edit) {
	before, after := count(all[:h.from])
	left, right := count(all[h.from:h.to])
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(before, left), span(after, right))
	for _, e := range all[h.from:h.to] {
		out.WriteByte(e.op)
		out.WriteString(e.text)
		out.WriteByte('\n')
	}
}

// count gives how many lines of the old and of the new text there are.
func count(some []edit) (before, after int) {
	for _, e := range some {
		if e.op != '+' {
			before++
		}
		if e.op != '-' {
			after++
		}
	}
	return before, after
}

func span(start, n int) string {
	if n > 0 {
		start++ // an empty span names the line before it
	}
	if n == 1 {
		return fmt.Sprint(start)
	}
	return fmt.Sprintf("%d,%d", start, n)
}

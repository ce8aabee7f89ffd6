package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"vault-renderer/renderer/internal/status"
)

// table prints a report for people. Times are told from the report's own.
func table(w io.Writer, r status.Report) error {
	var out bytes.Buffer
	head(&out, r)
	t := clock{r.Time}
	columns(&out, []string{"SECRET", "ENDS", "BOUND BY", "NEXT", "IN USE SINCE"}, r.Secrets, t.secret)
	columns(&out, []string{"ROLLOUT", "GENERATION", "STAGE", "SINCE", "FILES"}, r.Rollouts, t.rollout)
	problems(&out, r, t)
	_, err := out.WriteTo(w)
	return err
}

func head(w io.Writer, r status.Report) {
	word, t := "ready", clock{r.Time}
	if !r.Ready {
		word = "NOT READY"
	}
	fmt.Fprintf(w, "vault-renderer %s, process %d, for %s: %s\n", oneLine(r.Version), r.PID, brief(r.Time.Sub(r.Started)), word)
	for _, reason := range r.Reasons {
		fmt.Fprintf(w, "  %s\n", oneLine(reason))
	}
	fmt.Fprintf(w, "Vault %s.\n", oneLine(r.Vault))
	switch x := r.Token; {
	case x == nil:
		fmt.Fprintln(w, "There is no token yet.")
	case x.ExpiresAt == nil:
		fmt.Fprintf(w, "The token of login %d never ends.\n", x.Session)
	default:
		fmt.Fprintf(w, "The token of login %d, issued %s, ends %s (bound by %s)%s%s.\n",
			x.Session, t.at(&x.IssuedAt), t.at(x.ExpiresAt), x.Limit, t.next(", renewed", x.Renews), t.next(", next login", x.Replaced))
	}
	if r.Revoking > 0 {
		fmt.Fprintf(w, "Leases that wait to be revoked: %d.\n", r.Revoking)
	}
}

// columns prints rows under their titles, if there are any.
func columns[T any](w io.Writer, titles []string, rows []T, cells func(T) []string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(w)
	tab := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tab, strings.Join(titles, "\t"))
	for _, row := range rows {
		line := cells(row)
		for i := range line {
			line[i] = oneLine(line[i])
		}
		fmt.Fprintln(tab, strings.Join(line, "\t"))
	}
	_ = tab.Flush() // w is memory
}

// clock tells times as they are from its own.
type clock struct{ now time.Time }

func (t clock) secret(s status.SecretReport) []string {
	ends := "never"
	if s.ExpiresAt != nil {
		ends = t.at(s.ExpiresAt)
	}
	next := "nothing"
	if s.NextAction != status.ActionNone {
		next = string(s.NextAction) + " " + t.at(s.NextAt)
	}
	since := "not there yet"
	if s.Since != nil {
		since = t.at(s.Since)
		if s.Reason != "" {
			since += " (" + s.Reason + ")"
		}
	}
	return []string{s.Secret, ends, s.Limit.String(), next, since}
}

func (t clock) rollout(r status.RolloutReport) []string {
	generation := fmt.Sprint(r.Generation)
	if r.Previous > 0 && r.Previous != r.Generation {
		generation += fmt.Sprintf(" (before it %d)", r.Previous)
	}
	return []string{r.Name, generation, string(r.Stage), t.at(r.Since), strings.Join(r.Files, " ")}
}

// problems prints the errors: they are too long for a column.
func problems(w io.Writer, r status.Report, t clock) {
	var lines []string
	for _, s := range r.Secrets {
		if s.Error != "" {
			lines = append(lines, s.Secret+": "+s.Error)
		}
	}
	for _, x := range r.Rollouts {
		if x.Error != "" {
			lines = append(lines, "rollout "+x.Name+": "+x.Error+t.next("; next try", x.NextTry))
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(w, "\nPROBLEMS")
	for _, line := range lines {
		fmt.Fprintln(w, oneLine(line))
	}
}

// next tells a time behind a word, if there is one.
func (t clock) next(word string, at *time.Time) string {
	if at == nil {
		return ""
	}
	return word + " " + t.at(at)
}

func (t clock) at(at *time.Time) string {
	if at == nil {
		return "-"
	}
	d := at.Sub(t.now)
	switch {
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return brief(-d) + " ago"
	}
	return "in " + brief(d)
}

// brief tells a time in its two greatest units.
func brief(d time.Duration) string {
	const day = 24 * time.Hour
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return two(d, time.Minute, "m", time.Second, "s")
	case d < day:
		return two(d, time.Hour, "h", time.Minute, "m")
	}
	return two(d, day, "d", time.Hour, "h")
}

func two(d, great time.Duration, g string, small time.Duration, s string) string {
	out := fmt.Sprint(int64(d/great)) + g
	if rest := d % great / small; rest > 0 {
		out += fmt.Sprint(int64(rest)) + s
	}
	return out
}

// oneLine keeps a text from outside on its line, and from steering a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
}

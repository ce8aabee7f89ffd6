package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// summary is what a demo has to show for itself.
type summary struct {
	vault     string
	took      time.Duration
	expected  bool // it ran long enough for a rotation
	rotations int
	logins    int
	requests  int
	failed    int
	failures  []string
	made      int
	left      []string // accounts
	wrong     []string // whatever else went wrong
}

// problems is empty when all went well.
func (s *summary) problems() []string {
	var out []string
	if s.failed > 0 {
		out = append(out, fmt.Sprintf("%d requests failed: %s", s.failed, strings.Join(s.failures, "; ")))
	}
	if s.rotations == 0 && s.expected {
		out = append(out, "no rotation happened (the first takes about 15 seconds)")
	}
	for _, user := range s.left {
		out = append(out, "the account "+user+" is left behind")
	}
	return append(out, s.wrong...)
}

func (s *summary) print(w io.Writer, colour bool) {
	t := &timeline{colour: colour}
	fmt.Fprintf(w, "\n%s\n", t.paint("1", fmt.Sprintf("Summary: %.0f seconds with %s", s.took.Seconds(), s.vault)))
	for _, row := range []struct {
		name  string
		value int
		bad   bool
	}{
		{"rotations", s.rotations, s.rotations == 0 && s.expected},
		{"logins", s.logins, false},
		{"requests", s.requests, false},
		{"failed requests", s.failed, s.failed > 0},
		{"MySQL accounts made", s.made, false},
		{"MySQL accounts left behind", len(s.left), len(s.left) > 0},
	} {
		colour := ""
		if row.bad {
			colour = "31"
		}
		fmt.Fprintf(w, "  %s\n", t.paint(colour, fmt.Sprintf("%-27s %6d", row.name, row.value)))
	}
	problems := s.problems()
	if len(problems) == 0 && s.rotations == 0 {
		fmt.Fprintln(w, "Nothing failed, but it ended before the first rotation.")
		return
	}
	if len(problems) == 0 {
		fmt.Fprintf(w, "%s\n", t.paint("32", "All went well: the application never noticed."))
		return
	}
	for _, p := range problems {
		fmt.Fprintf(w, "%s\n", t.paint("31", "FAILED: "+p))
	}
}

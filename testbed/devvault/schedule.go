package devvault

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// schedule is a cron line: which minutes, hours, days of the month, months and
// days of the week it names. It knows "*", "*/n", numbers and lists of them.
type schedule [5]field

type field struct {
	every int // "*/n"; 1 = all
	only  map[int]bool
}

func (f field) has(n int) bool { return f.only[n] || f.every > 0 && n%f.every == 0 }

func parseSchedule(text string) (*schedule, error) {
	parts := strings.Fields(text)
	if len(parts) != len(schedule{}) {
		return nil, fmt.Errorf("expected exactly 5 fields, found %d: %s", len(parts), parts)
	}
	var out schedule
	for i, p := range parts {
		var err error
		if out[i], err = parseField(p); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

func parseField(text string) (field, error) {
	if text == "*" {
		return field{every: 1}, nil
	}
	if step, ok := strings.CutPrefix(text, "*/"); ok {
		n, err := strconv.Atoi(step)
		if err != nil || n <= 0 {
			return field{}, fmt.Errorf("failed to parse int from %s", step)
		}
		return field{every: n}, nil
	}
	out := field{only: map[int]bool{}}
	for n := range strings.SplitSeq(text, ",") {
		v, err := strconv.Atoi(n)
		if err != nil {
			return field{}, fmt.Errorf("failed to parse int from %s", n)
		}
		out.only[v] = true
	}
	return out, nil
}

// after is the first minute after t that the schedule names; a year later when
// it names none.
func (s *schedule) after(t time.Time) time.Time {
	next := t.Truncate(time.Minute).Add(time.Minute)
	end := next.AddDate(1, 0, 0)
	for next.Before(end) && !s.names(next) {
		next = next.Add(time.Minute)
	}
	return next
}

func (s *schedule) names(t time.Time) bool {
	for i, n := range []int{t.Minute(), t.Hour(), t.Day(), int(t.Month()), int(t.Weekday())} {
		if !s[i].has(n) {
			return false
		}
	}
	return true
}

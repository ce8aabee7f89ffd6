package config

import (
	"fmt"
	"strings"
)

// didYouMean is ` Did you mean "x"?` for the nearest of the known names, or "".
func didYouMean(name string, known []string) string {
	name = strings.ToLower(name)
	if k := alias(name, known); k != "" {
		return fmt.Sprintf(" Did you mean %q?", k)
	}
	best, least := "", 3
	if len(name) <= 4 {
		least = 2 // "user" is not a misspelt "perms"
	}
	for _, k := range known {
		if d := distance(name, k); d < least || d == 0 {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// distance is the number of single-letter edits between a and b, two
// neighbours swapped counting as one.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}

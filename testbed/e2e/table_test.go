package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// row is what docs/faults.md says of one fault.
type row struct{ sees, within string }

// The table in docs/faults.md has one row for each fault that is tested, with
// the bounds that the test asserts.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	rows := faultRows(t)
	for _, f := range faults() {
		r, ok := rows[f.name]
		if !ok {
			t.Errorf("docs/faults.md has no row for TestFault/%s", f.name)
			continue
		}
		delete(rows, f.name)
		if want := inWords(f.within); r.within != want {
			t.Errorf("%s: well again within %q in docs/faults.md, %q in the test", f.name, r.within, want)
		}
		if want := "failed requests"; f.refused > 0 && !(strings.Contains(r.sees, want) && strings.Contains(r.sees, "for "+inWords(f.refused)+" at most")) {
			t.Errorf("%s: docs/faults.md does not say that requests may fail for %s", f.name, inWords(f.refused))
		}
		if f.refused == 0 && (!strings.HasPrefix(r.sees, "no failed request") || strings.Contains(r.sees, "failed requests")) {
			t.Errorf("%s: docs/faults.md does not say that no request fails", f.name)
		}
	}
	for name := range rows {
		t.Errorf("docs/faults.md has a row for TestFault/%s, which does not exist", name)
	}
}

func faultRows(t *testing.T) map[string]row {
	t.Helper()
	b, err := os.ReadFile(servers.root + "/docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 5 {
			continue
		}
		_, name, ok := strings.Cut(cells[4], "`TestFault/")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, "`")
		if _, twice := rows[name]; twice {
			t.Errorf("docs/faults.md has two rows for TestFault/%s", name)
		}
		rows[name] = row{sees: cells[1], within: cells[3]}
	}
	return rows
}

// inWords is a bound as the table has it.
func inWords(d time.Duration) string { return fmt.Sprintf("%d s", int(d.Seconds())) }

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"vault-renderer/testbed/pidns"
)

func TestMain(m *testing.M) {
	pidns.Enter(os.Args)
	os.Exit(m.Run())
}

// TestShort runs the short form. It judges nothing that depends on how fast the
// machine is; that all files are right, the runs themselves check.
func TestShort(t *testing.T) {
	o, err := parse([]string{"-short"}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	rep, err := bench(t.Context(), o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	rep.table(&table)
	t.Log("\n" + table.String())
	seen := map[string]int{}
	for _, f := range rep.Figures {
		for _, kind := range []string{"requests", "peak memory", "binary", "idle memory", "orphans reaped"} {
			if !strings.Contains(f.Name, kind) {
				continue
			}
			seen[kind]++
			if f.OK == nil || !*f.OK {
				t.Errorf("%s: %.1f %s, the limit is %.0f", f.Name, f.Ours, f.Unit, f.Limit)
			}
		}
	}
	if seen["requests"] != 2 || seen["peak memory"] != 3 || seen["binary"] != 1 || seen["idle memory"] != 1 {
		t.Errorf("figures: %v", seen)
	}
	for line := range strings.Lines(table.String()) {
		if len(line) > 101 {
			t.Errorf("wider than 100 columns: %q", line)
		}
	}
}

func TestVerdicts(t *testing.T) {
	r := &report{}
	r.add(figure{Name: "slower", Ours: 13.1, Plain: 10, Times: 1.3})
	r.add(figure{Name: "as wanted", Ours: 13, Plain: 10, Times: 1.3})
	r.add(figure{Name: "too large", Ours: 40.1, Limit: 40})
	r.add(figure{Name: "no target", Ours: 1})
	r.add(figure{Name: "too few", Ours: 999, Least: 1000})
	r.add(figure{Name: "enough", Ours: 1000, Least: 1000})
	if r.missed() != 3 || *r.Figures[4].OK || !*r.Figures[5].OK || *r.Figures[0].OK || !*r.Figures[1].OK || *r.Figures[2].OK || r.Figures[3].OK != nil {
		t.Errorf("%+v", r.Figures)
	}
	if m := median([]float64{5, 1, 2, 8}); m != 3.5 {
		t.Errorf("median %v", m)
	}
}

func TestFlagsAreChecked(t *testing.T) {
	for _, args := range [][]string{{"-n=0"}, {"-runs=0"}, {"-n=10000"}, {"more"}, {"-nothing"}} {
		if _, err := parse(args, t.Output()); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

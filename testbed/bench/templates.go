package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
)

// templates adds what executing templates costs: one of 100 lines beside
// text/template alone, and how many of 1,000 are executed when one secret
// changes. Both are measured inside the packages that do it.
func (b *rig) templates(ctx context.Context, rep *report) error {
	fmt.Fprintln(b.progress, "bench: executing templates")
	times := []string{"-benchtime=300ms", "-count=9"}
	if b.o.runs < 3 { // a look whether it works at all
		times = []string{"-benchtime=10ms", "-count=1"}
	}
	raw, err := b.goTest(ctx, "vault-renderer/renderer/internal/tmpl", append(times, "-run=^$", "-bench=^Benchmark(Execute|Plain)$")...)
	if err != nil {
		return err
	}
	own, bare := medianOf(raw, "BenchmarkExecute"), medianOf(raw, "BenchmarkPlain")
	if own == 0 || bare == 0 {
		return fmt.Errorf("no figures in %q", raw)
	}
	rep.add(figure{Name: "template of 100 lines, executed", Unit: "us", Ours: own / 1e3, Plain: bare / 1e3, Times: 1.1})
	raw, err = b.goTest(ctx, "vault-renderer/renderer/internal/agent", "-run=^TestOneChangeInAThousand$", "-count=1", "-v")
	if err != nil {
		return err
	}
	m := regexp.MustCompile(`executed (\d+) of 1000 templates, (\d+) use the secret`).FindSubmatch(raw)
	if m == nil {
		return fmt.Errorf("no count in %q", raw)
	}
	executed, _ := strconv.ParseFloat(string(m[1]), 64)
	users, _ := strconv.ParseFloat(string(m[2]), 64)
	rep.add(figure{Name: "1 of 1000 secrets changes: runs", Unit: "", Ours: executed, Limit: users})
	return nil
}

func (b *rig) goTest(ctx context.Context, pkg string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", pkg}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("go test %s", pkg), err, errors.New(string(bytes.TrimSpace(out))))
	}
	return out, nil
}

// medianOf gives the median of a benchmark's runs, in nanoseconds.
func medianOf(out []byte, name string) float64 {
	var all []float64
	for _, m := range regexp.MustCompile(`(?m)^`+name+`\S*\s+\d+\s+([\d.]+) ns/op`).FindAllSubmatch(out, -1) {
		v, _ := strconv.ParseFloat(string(m[1]), 64)
		all = append(all, v)
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

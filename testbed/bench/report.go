package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"
)

// figure is one line of the table. What was not measured is 0.
type figure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Ours  float64 `json:"vault_renderer"`
	Plain float64 `json:"plain_client,omitempty"`
	Other float64 `json:"vault_agent,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`        // ours to the plain client
	Limit float64 `json:"limit,omitempty"`        // of ours
	Times float64 `json:"limit_factor,omitempty"` // of the ratio
	Least float64 `json:"least,omitempty"`        // ours must be that much
	OK    *bool   `json:"ok,omitempty"`           // nil: there is no target
}

// report is all figures of a run.
type report struct {
	Vault   string   `json:"vault"`
	Go      string   `json:"go"`
	CPUs    int      `json:"cpus"`
	Agent   bool     `json:"with_vault_agent"`
	Figures []figure `json:"figures"`
}

func (r *report) add(f figure) {
	if f.Plain > 0 {
		f.Ratio = f.Ours / f.Plain
	}
	if f.Limit > 0 || f.Times > 0 || f.Least > 0 {
		ok := (f.Limit == 0 || f.Ours <= f.Limit) && (f.Times == 0 || f.Ratio <= f.Times) && f.Ours >= f.Least
		f.OK = &ok
	}
	r.Figures = append(r.Figures, f)
}

func (r *report) missed() int {
	n := 0
	for _, f := range r.Figures {
		if f.OK != nil && !*f.OK {
			n++
		}
	}
	return n
}

// peakLimit is the target for memory, everywhere.
const peakLimit = 40

func (r *report) addOneShot(n int, costs [contenders][]*cost, again, requests, conns [contenders]float64) {
	name := strconv.Itoa(n) + " templates: "
	times := 1.3
	if n == 1 {
		name, times = "1 template: ", 1.6
	}
	type column func(*cost) float64
	wall := func(c *cost) float64 { return ms(c.Wall) }
	cpu := func(c *cost) float64 { return ms(c.CPU) }
	peak := func(c *cost) float64 { return mb(c.PeakKB) }
	row := func(what, unit string, of column, pick func([]float64) float64, limit, times float64) {
		var v [contenders]float64
		for who, cs := range costs {
			if len(cs) > 0 {
				all := make([]float64, len(cs))
				for i, c := range cs {
					all[i] = of(c)
				}
				v[who] = pick(all)
			}
		}
		r.add(figure{Name: name + what, Unit: unit, Ours: v[ours], Plain: v[plain], Other: v[agent], Limit: limit, Times: times})
	}
	// The contenders take turns, so the medians had the same neighbours. The best
	// run of each is shown beside them: it may have been lucky alone.
	row("wall, median", "ms", wall, median, 0, times)
	row("wall, best", "ms", wall, slices.Min[[]float64], 0, 0)
	r.add(figure{Name: name + "files there", Unit: "ms", Ours: again[ours], Plain: again[plain], Other: again[agent]})
	row("CPU, median", "ms", cpu, median, 0, 0)
	row("peak memory", "MB", peak, slices.Max[[]float64], peakLimit, 0)
	r.add(figure{Name: name + "requests", Ours: requests[ours], Plain: requests[plain], Other: requests[agent], Limit: float64(n + 5)})
	r.add(figure{Name: name + "connections", Ours: conns[ours], Plain: conns[plain], Other: conns[agent]})
}

func (r *report) addSteady(n int, costs [contenders]*cost) {
	name := fmt.Sprintf("%d reads/s: ", n)
	var busy, peak [contenders]float64
	for who, c := range costs {
		if c != nil {
			busy[who] = 100 * float64(c.Busy) / float64(c.Window)
			peak[who] = mb(c.PeakKB)
		}
	}
	r.add(figure{Name: name + "CPU of one core", Unit: "%", Ours: busy[ours], Other: busy[agent], Limit: 15})
	r.add(figure{Name: name + "peak memory", Unit: "MB", Ours: peak[ours], Other: peak[agent], Limit: peakLimit})
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }
func mb(kb int64) float64        { return float64(kb) * 1024 / 1e6 }

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// table prints the figures for people.
func (r *report) table(w io.Writer) {
	fmt.Fprintf(w, "%s, %s, %d CPUs, server and contenders on the same machine\n\n", r.Vault, r.Go, r.CPUs)
	const line = "%-32s %-3s %9s %9s %9s  %6s  %-11s %s\n"
	fmt.Fprintf(w, line, "", "", "ours", "plain", "Agent", "ratio", "target", "")
	for _, f := range r.Figures {
		target, verdict := "", ""
		switch {
		case f.Times > 0:
			target = fmt.Sprintf("<= %.1f x", f.Times)
		case f.Limit > 0:
			target = fmt.Sprintf("<= %.0f %s", f.Limit, f.Unit)
		case f.Least > 0:
			target = fmt.Sprintf(">= %.0f %s", f.Least, f.Unit)
		}
		if f.OK != nil {
			verdict = "ok"
			if !*f.OK {
				verdict = "MISSED"
			}
		}
		fmt.Fprintf(w, line, f.Name, f.Unit, number(f.Ours), number(f.Plain), number(f.Other), ratio(f.Ratio), target, verdict)
	}
	fmt.Fprintln(w, "\nratio: ours to the plain client, a Go program with net/http and encoding/json only.")
	fmt.Fprintln(w, "files there: wall time of one run more, over the files of the run before.")
	fmt.Fprintln(w, "fleet: what Vault is asked by 100,000 agents (-short: 10,000) that were started within ten seconds,")
	fmt.Fprintln(w, "each with a token and a lease of 1 h, 24 h at most: 36 h, simulated. peak: the busiest second.")
	fmt.Fprintln(w, "supervisor: a program behind exec and one variable. started: from our own start to the program's;")
	fmt.Fprintln(w, "over a client: less what the plain client takes for the same login and secret. orphans: as PID 1.")
	if n := r.missed(); n > 0 {
		fmt.Fprintf(w, "%d target(s) missed\n", n)
	}
}

func number(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v == float64(int64(v)):
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func ratio(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}

func (r *report) writeJSON(name string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(raw, '\n'), 0o644)
}

package telemetry

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

// textType is Prometheus' text format.
const textType = "text/plain; version=0.0.4; charset=utf-8"

// exposition keeps the last state of every metric for a Prometheus server.
type exposition struct {
	started time.Time
	mu      sync.Mutex
	series  map[series]*value
}

type series struct{ name, labels string }

type value struct {
	kind  kind
	v     float64 // of a sample, the sum
	count uint64  // of samples
}

func newExposition() *exposition {
	return &exposition{started: time.Now(), series: map[series]*value{}}
}

func (e *exposition) record(k kind, key []string, v float64, labels []metrics.Label) {
	id := series{underscored(strings.Join(key, "_")), labelText(labels)}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.series[id]
	if s == nil {
		s = &value{kind: k}
		e.series[id] = s
	}
	if k == gauge {
		s.v = 0
	}
	s.v += v
	s.count++
}

// underscored replaces what a Prometheus name must not have.
func underscored(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		}
		return '_'
	}, s)
}

func labelText(labels []metrics.Label) string {
	if len(labels) == 0 {
		return ""
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = underscored(l.Name) + `="` + escape.Replace(l.Value) + `"`
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// write prints all metrics, sorted, and a few of the process, which alerts on
// any program look for.
func (e *exposition) write(w io.Writer) {
	writeProcess(w, e.started)
	e.mu.Lock()
	defer e.mu.Unlock()
	ids := slices.SortedFunc(maps.Keys(e.series), func(a, b series) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.labels, b.labels))
	})
	last := ""
	for _, id := range ids {
		s := e.series[id]
		if id.name != last {
			header(w, id.name, s.kind.prometheus())
			last = id.name
		}
		if s.kind == sample {
			fmt.Fprintf(w, "%s_sum%s %s\n%s_count%s %d\n", id.name, id.labels, number(s.v), id.name, id.labels, s.count)
			continue
		}
		fmt.Fprintf(w, "%s%s %s\n", id.name, id.labels, number(s.v))
	}
}

func (k kind) prometheus() string {
	switch k {
	case gauge:
		return "gauge"
	case counter:
		return "counter"
	}
	return "summary"
}

func header(w io.Writer, name, kind string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, name, name, kind)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func writeProcess(w io.Writer, started time.Time) {
	one := func(name, kind string, v float64) {
		header(w, name, kind)
		fmt.Fprintf(w, "%s %s\n", name, number(v))
	}
	header(w, "go_info", "gauge")
	fmt.Fprintf(w, "go_info{version=%q} 1\n", runtime.Version())
	one("go_goroutines", "gauge", float64(runtime.NumGoroutine()))
	var use syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &use) == nil {
		cpu := time.Duration(use.Utime.Nano() + use.Stime.Nano())
		one("process_cpu_seconds_total", "counter", cpu.Seconds())
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil {
		one("process_open_fds", "gauge", float64(len(open)))
	}
	var pages, resident float64
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if _, err := fmt.Sscan(string(statm), &pages, &resident); err == nil {
			one("process_resident_memory_bytes", "gauge", resident*float64(os.Getpagesize()))
		}
	}
	one("process_start_time_seconds", "gauge", float64(started.UnixMilli())/1000)
}

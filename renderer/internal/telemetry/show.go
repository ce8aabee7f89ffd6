package telemetry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	metrics "github.com/hashicorp/go-metrics"
)

// Handler answers GET /agent/v1/metrics: the last finished interval as JSON,
// or all of the run as Prometheus' text when `format=prometheus` or the Accept
// header asks for it. A nil *Metrics is not found.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusMethodNotAllowed)
			_, _ = io.WriteString(w, "{\"errors\":[]}\n")
			return
		}
		switch format := wanted(r); {
		case format == "":
			m.showJSON(w, r)
		case format != "prometheus":
			refuse(w, fmt.Sprintf("metric response format %q unknown", format))
		case m.text == nil:
			refuse(w, "prometheus is not enabled")
		default:
			w.Header().Set("Content-Type", textType)
			m.text.write(w)
		}
	})
}

func wanted(r *http.Request) string {
	if format := r.URL.Query().Get("format"); format != "" {
		return format
	}
	for _, accept := range r.Header.Values("Accept") {
		if strings.Contains(accept, "application/openmetrics-text") || strings.Contains(accept, "prometheus/telemetry") {
			return "prometheus"
		}
	}
	return ""
}

func refuse(w http.ResponseWriter, why string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, why)
}

// summary is what Vault Agent shows of metrics.MetricsSummary.
type summary struct {
	Timestamp string
	Gauges    []metrics.GaugeValue
	Points    []metrics.PointValue
	Counters  []metrics.SampledValue
	Samples   []metrics.SampledValue
}

func (m *Metrics) showJSON(w http.ResponseWriter, r *http.Request) {
	var body []byte
	shown, err := m.memory.DisplayMetrics(w, r)
	if s, ok := shown.(metrics.MetricsSummary); ok && err == nil {
		body, err = json.Marshal(summary{s.Timestamp, s.Gauges, s.Points, s.Counters, s.Samples})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// Dump writes the finished intervals of the last minute, a line for each
// metric, as SIGUSR1 has Vault Agent do it. The lines of an interval are sorted.
func (m *Metrics) Dump(w io.Writer) error {
	if m == nil {
		return nil
	}
	var b bytes.Buffer
	data := m.memory.Data()
	for _, d := range data[:len(data)-1] { // the last one is not finished
		dumpInterval(&b, d)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func dumpInterval(b *bytes.Buffer, d *metrics.IntervalMetrics) {
	d.RLock()
	defer d.RUnlock()
	for _, k := range slices.Sorted(maps.Keys(d.Gauges)) {
		g := d.Gauges[k]
		fmt.Fprintf(b, "[%v][G] '%s': %0.3f\n", d.Interval, labelled(g.Name, g.Labels), g.Value)
	}
	for _, sampled := range []struct {
		letter string
		of     map[string]metrics.SampledValue
	}{{"C", d.Counters}, {"S", d.Samples}} {
		for _, k := range slices.Sorted(maps.Keys(sampled.of)) {
			s := sampled.of[k]
			fmt.Fprintf(b, "[%v][%s] '%s': %s\n", d.Interval, sampled.letter, labelled(s.Name, s.Labels), s.AggregateSample)
		}
	}
}

func labelled(name string, labels []metrics.Label) string {
	for _, l := range labels {
		name += "." + harmless(l.Value)
	}
	return name
}

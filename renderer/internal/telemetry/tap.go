package telemetry

import (
	"slices"
	"strings"

	metrics "github.com/hashicorp/go-metrics"
)

type kind int

const (
	gauge kind = iota
	counter
	sample
)

// tap makes a sink of a function.
type tap func(k kind, key []string, v float64, labels []metrics.Label)

// SetGauge implements metrics.MetricSink.
func (t tap) SetGauge(key []string, v float32) { t(gauge, key, float64(v), nil) }

// SetGaugeWithLabels implements metrics.MetricSink.
func (t tap) SetGaugeWithLabels(key []string, v float32, labels []metrics.Label) {
	t(gauge, key, float64(v), labels)
}

// EmitKey implements metrics.MetricSink; there are no such metrics here.
func (t tap) EmitKey([]string, float32) {}

// IncrCounter implements metrics.MetricSink.
func (t tap) IncrCounter(key []string, v float32) { t(counter, key, float64(v), nil) }

// IncrCounterWithLabels implements metrics.MetricSink.
func (t tap) IncrCounterWithLabels(key []string, v float32, labels []metrics.Label) {
	t(counter, key, float64(v), labels)
}

// AddSample implements metrics.MetricSink.
func (t tap) AddSample(key []string, v float32) { t(sample, key, float64(v), nil) }

// AddSampleWithLabels implements metrics.MetricSink.
func (t tap) AddSampleWithLabels(key []string, v float32, labels []metrics.Label) {
	t(sample, key, float64(v), labels)
}

// dotted joins a key; what the statsd protocols use themselves becomes "_".
func dotted(key []string) string { return harmless(strings.Join(key, ".")) }

func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(": \n|", r) {
			return '_'
		}
		return r
	}, s)
}

// without gives key without its first element that is part.
func without(key []string, part string) []string {
	if i := slices.Index(key, part); i >= 0 {
		return slices.Concat(key[:i], key[i+1:])
	}
	return key
}

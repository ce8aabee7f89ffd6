// Package telemetry counts what the program does and shows it: in memory, as
// Prometheus' text, and to the statsd family of servers. Names, prefixes and
// forms are Vault Agent's.
//
// Collecting is hashicorp/go-metrics; its sinks that send are not used: they
// write to standard error past the log, lose what they hold at the end, and
// leave goroutines behind. Its Prometheus sink would link 2 to 4 MB for a page
// of text.
package telemetry

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metrics "github.com/hashicorp/go-metrics"
)

// Options are a telemetry block. Without a block, Options{FilterDefault: true}
// keeps the metrics in memory only.
type Options struct {
	MetricsPrefix       string // vault when empty
	DisableHostname     bool   // no host name in gauges; see New
	EnableHostnameLabel bool   // a label host instead
	Hostname            string // the machine's when empty

	StatsiteAddress  string   // TCP
	StatsdAddress    string   // UDP
	DogStatsDAddress string   // UDP, or unix:///path
	DogStatsDTags    []string // sent with every metric

	// PrometheusRetentionTime turns the text form on when it is above 0. The
	// metrics here are few and always the same ones, so none is ever forgotten.
	PrometheusRetentionTime time.Duration

	FilterDefault   bool // what becomes of metrics that no prefix names
	AllowedPrefixes []string
	BlockedPrefixes []string

	Log *slog.Logger // nil = nobody is told that a server can't be reached
}

const (
	// interval and retention are those of Vault's in-memory sink.
	interval  = 10 * time.Second
	retention = time.Minute
	// upkeep repeats the gauges often enough for every interval to have them.
	upkeep = interval / 2
	// settled is when they are said first.
	settled = 100 * time.Millisecond
)

// Metrics counts. All methods may be called by several goroutines, on a nil
// *Metrics (they do nothing), and after Close.
type Metrics struct {
	m      *metrics.Metrics
	memory *metrics.InmemSink
	text   *exposition // nil = not enabled
	push   []*pusher

	authenticated atomic.Pointer[bool] // nil = never said
	stop          chan struct{}
	wg            sync.WaitGroup
	close         func()
}

// New begins to count. As with Vault Agent, the host name stands in the names
// of gauges only when there are two or more of statsite, statsd, DogStatsD and
// Prometheus.
func New(o Options) (*Metrics, error) {
	if err := checkDogStatsD(o.DogStatsDAddress); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Hostname == "" {
		o.Hostname, _ = os.Hostname() // unknown: then without
	}
	m := &Metrics{memory: metrics.NewInmemSink(interval, retention), stop: make(chan struct{})}
	sinks := m.sinks(o)
	conf := &metrics.Config{
		ServiceName:         "vault",
		HostName:            o.Hostname,
		EnableHostname:      !o.DisableHostname && len(sinks) > 2,
		EnableHostnameLabel: o.EnableHostnameLabel,
		TimerGranularity:    time.Millisecond,
		FilterDefault:       o.FilterDefault,
		AllowedPrefixes:     o.AllowedPrefixes,
		BlockedPrefixes:     o.BlockedPrefixes,
	}
	if o.MetricsPrefix != "" {
		conf.ServiceName = o.MetricsPrefix
	}
	var err error
	if m.m, err = metrics.New(conf, sinks); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	m.close = sync.OnceFunc(m.shutdown)
	for _, p := range m.push {
		m.wg.Go(func() { p.run(m.stop) })
	}
	m.wg.Go(m.upkeep)
	return m, nil
}

// sinks are where metrics go; the one in memory comes first.
func (m *Metrics) sinks(o Options) metrics.FanoutSink {
	all := metrics.FanoutSink{m.memory}
	if o.PrometheusRetentionTime > 0 {
		m.text = newExposition()
		all = append(all, tap(m.text.record))
	}
	if o.StatsiteAddress != "" {
		m.push = append(m.push, newStatsite(o.StatsiteAddress, o.Log))
	}
	if o.StatsdAddress != "" {
		m.push = append(m.push, newStatsd(o.StatsdAddress, o.Log))
	}
	if o.DogStatsDAddress != "" {
		m.push = append(m.push, newDogStatsD(o.DogStatsDAddress, o.Hostname, o.DogStatsDTags, o.Log))
	}
	for _, p := range m.push {
		all = append(all, tap(p.record))
	}
	return all
}

func checkDogStatsD(address string) error {
	if address == "" || strings.HasPrefix(address, unixScheme) {
		return nil
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return fmt.Errorf("telemetry: dogstatsd_addr: %w: give host:port or %s/path", err, unixScheme)
	}
	return nil
}

// upkeep says again what goes on being true, and how the process is.
func (m *Metrics) upkeep() {
	// A run of a few milliseconds is not worth a look at the runtime.
	t := time.NewTimer(settled)
	defer t.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-t.C:
			m.gauge()
			m.m.EmitRuntimeStats()
			t.Reset(upkeep)
		}
	}
}

// Close sends what is left, within a few seconds, and ends the goroutines.
func (m *Metrics) Close() {
	if m != nil {
		m.close()
	}
}

func (m *Metrics) shutdown() {
	close(m.stop)
	m.wg.Wait()
}

// AuthSuccess counts a login.
func (m *Metrics) AuthSuccess() { m.count("auth", "success") }

// AuthFailure counts a login that failed.
func (m *Metrics) AuthFailure() { m.count("auth", "failure") }

// Authenticated says whether there is a token.
func (m *Metrics) Authenticated(yes bool) {
	if m != nil {
		m.authenticated.Store(&yes)
		m.gauge()
	}
}

// SecretFetched counts a secret that was read, or a lease that was renewed.
func (m *Metrics) SecretFetched() { m.count("secret", "success") }

// SecretFailed counts a read or a renewal that failed.
func (m *Metrics) SecretFailed() { m.count("secret", "failure") }

// TemplateRendered counts a template whose file is as it should be.
func (m *Metrics) TemplateRendered() { m.count("template", "success") }

// TemplateFailed counts a template that could not be executed or written.
func (m *Metrics) TemplateFailed() { m.count("template", "failure") }

// HookSucceeded counts a hook that ran.
func (m *Metrics) HookSucceeded() { m.count("hook", "success") }

// HookFailed counts a hook that failed.
func (m *Metrics) HookFailed() { m.count("hook", "failure") }

// RolloutAcked counts a generation that an application has confirmed.
func (m *Metrics) RolloutAcked() { m.count("rollout", "acked") }

// RolloutRefused counts a generation that was checked, told or asked for in vain.
func (m *Metrics) RolloutRefused() { m.count("rollout", "refused") }

// LeaseRevoked counts credentials that were ended because nothing uses them.
func (m *Metrics) LeaseRevoked() { m.count("lease", "revoked") }

// Alarm counts a sign that somebody else has the credentials of the login.
func (m *Metrics) Alarm() { m.count("auth", "alarm") }

func (m *Metrics) count(what, how string) {
	if m != nil {
		m.m.IncrCounter([]string{"agent", what, how}, 1)
	}
}

func (m *Metrics) gauge() {
	yes := m.authenticated.Load()
	switch {
	case yes == nil:
	case *yes:
		m.m.SetGauge([]string{"agent", "authenticated"}, 1)
	default:
		m.m.SetGauge([]string{"agent", "authenticated"}, 0)
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/status"
	"vault-renderer/renderer/internal/telemetry"
)

func newMetrics(cfg *config.Config, log *slog.Logger) (*telemetry.Metrics, error) {
	o := telemetry.Options{FilterDefault: true, Log: log}
	if t := cfg.Telemetry; t != nil {
		o = telemetry.Options{
			MetricsPrefix: t.MetricsPrefix, DisableHostname: t.DisableHostname, EnableHostnameLabel: t.EnableHostnameLabel,
			StatsiteAddress: t.StatsiteAddress, StatsdAddress: t.StatsdAddress,
			DogStatsDAddress: t.DogStatsDAddress, DogStatsDTags: t.DogStatsDTags,
			PrometheusRetentionTime: t.PrometheusRetentionTime, FilterDefault: t.FilterDefault,
			AllowedPrefixes: t.AllowedPrefixes, BlockedPrefixes: t.BlockedPrefixes, Log: log,
		}
	}
	m, err := telemetry.New(o)
	if err != nil {
		return nil, report.WithHint(fmt.Errorf("telemetry: %w", err), "mend or remove the telemetry block")
	}
	return m, nil
}

// servers are the listeners of a run.
type servers []*status.Server

// listen binds every listener; quit ends the run.
func (r *run) listen(quit func()) (servers, error) {
	var out servers
	for _, l := range r.cfg.Listeners {
		t := l.TLS
		s, err := status.Listen(status.Options{
			Type: l.Type, Address: l.Address, Role: l.Role, RequireRequestHeader: l.RequireRequestHeader, EnableQuit: l.EnableQuit,
			TLS: status.TLS{
				Disable: t.Disable, CertFile: t.CertFile, KeyFile: t.KeyFile, MinVersion: t.MinVersion, MaxVersion: t.MaxVersion,
				CipherSuites: t.CipherSuites, RequireAndVerifyClientCert: t.RequireAndVerifyClientCert,
				ClientCAFile: t.ClientCAFile, DisableClientCerts: t.DisableClientCerts,
			},
			SocketMode: l.SocketMode, SocketUser: l.SocketUser, SocketGroup: l.SocketGroup,
			Log: report.Named(r.log, "listener"),
		}, status.Handlers{Metrics: r.metrics.Handler(), Quit: quit})
		if err != nil {
			return out, fmt.Errorf("%s:%d: listener: %w", l.Range.Filename, l.Range.Start.Line, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// serveStatus binds the address of the status block, if there is one.
func (r *run) serveStatus(others servers, a *agent.Agent) (servers, error) {
	c := r.cfg.Status
	if c == nil {
		return others, nil
	}
	s, err := status.Serve(
		status.ServeOptions{Address: c.Address, Mode: c.Mode, User: c.User, Group: c.Group, Log: report.Named(r.log, "status")},
		status.Source{Report: a.Status, Refresh: a.Refresh, Metrics: r.metrics.Handler()},
	)
	if err != nil {
		return others, report.WithHint(fmt.Errorf("%s:%d: %w", c.Range.Filename, c.Range.Start.Line, err), "choose another address in the status block")
	}
	return append(others, s), nil
}

// with serves until run has ended, and ends run when a listener fails.
func (s servers) with(ctx context.Context, run func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for _, one := range s {
		g.Go(func() error { return one.Run(ctx) })
	}
	g.Go(func() error {
		defer cancel()
		return run(ctx)
	})
	return g.Wait()
}

func (s servers) close() {
	for _, one := range s {
		_ = one.Close()
	}
}

// reload reads the certificates again; a bad one leaves the old in use.
func (s servers) reload(log *slog.Logger) {
	for _, one := range s {
		if err := one.ReloadCertificates(); err != nil {
			log.Error("the listener's certificate can't be read; the old one stays in use", "address", one.URL(), "error", err)
		}
	}
}

// banner says on standard output what runs, as Vault Agent does.
func banner(w io.Writer, cfg *config.Config, s servers) {
	line := func(key, value string) { fmt.Fprintf(w, "%24s: %s\n", key, value) }
	fmt.Fprint(w, "==> vault-renderer agent started! Log data will stream in below:\n\n==> vault-renderer agent configuration:\n\n")
	for i, one := range s {
		line(fmt.Sprintf("Api Address %d", i+1), one.URL())
	}
	line("Log Level", first(cfg.LogLevel, "info"))
	line("Version", "vault-renderer "+version+", "+runtime.Version())
	fmt.Fprintln(w)
}

// What systemd is told (Type=notify).
const (
	ready     = daemon.SdNotifyReady
	reloading = daemon.SdNotifyReloading
	stopping  = daemon.SdNotifyStopping
)

// notify tells systemd, if it wants to know.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not told", "state", state, "error", err)
	}
}

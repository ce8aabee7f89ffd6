package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"
	"time"

	"vault-renderer/renderer/internal/agent"
	"vault-renderer/renderer/internal/child"
	"vault-renderer/renderer/internal/report"
)

// signals handles signals until stop: the first SIGINT or SIGTERM cancels, a
// second one exits at once. A supervised program gets all the others.
func (r *run) signals(cancel func(), a *agent.Agent, s servers) (stop func()) {
	ch := make(chan os.Signal, 32)
	if a.Supervises() {
		signal.Notify(ch, child.Forwardable()...)
	}
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		ending := false
		for sig := range ch {
			switch {
			case sig != syscall.SIGINT && sig != syscall.SIGTERM:
				r.signal(sig, a, s)
			case ending:
				os.Exit(128 + int(sig.(syscall.Signal)))
			default:
				ending = true
				cancel()
			}
		}
	}()
	return func() { signal.Stop(ch); close(ch) }
}

// signal does what a signal asks for that does not end the program.
func (r *run) signal(sig os.Signal, a *agent.Agent, s servers) {
	switch sig {
	case syscall.SIGHUP:
		notify(r.log, reloading)
		s.reload(r.log)
		a.Reload()
		notify(r.log, ready)
	case syscall.SIGUSR1:
		if !a.Supervises() {
			_ = r.metrics.Dump(r.stderr) // nobody is left to tell
		}
		a.Refresh("SIGUSR1")
	case syscall.SIGUSR2:
		if !a.Supervises() {
			r.profile()
		}
	}
	a.Signal(sig)
}

// profile writes Go's profiles where Vault Agent writes its own. They hold
// places in the program, no data.
func (r *run) profile() {
	dir := filepath.Join(os.TempDir(), "vault-agent-pprof")
	err := os.MkdirAll(dir, 0o700)
	for _, name := range []string{"goroutine", "heap", "allocs", "threadcreate", "block", "mutex"} {
		if err == nil {
			err = writeProfile(filepath.Join(dir, name+".pprof"), name)
		}
	}
	if err != nil {
		report.Error(r.stderr, fmt.Errorf("SIGUSR2: %w", err))
		return
	}
	r.log.Info("profiles written", "directory", dir, "time", time.Now().Format(time.RFC3339))
}

func writeProfile(path, name string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return pprof.Lookup(name).WriteTo(f, 0)
}

// Command compose runs the compose example for real, where a container engine
// is: images made on the spot, everything up, the webapp used through rotations
// and restarts without one failed request, everything down with nothing left.
// It is a program and not a test, because `go test ./...` must not need an
// engine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// longest is how long all of it may take, the removal excepted; cleanup bounds
// that.
const (
	longest = 10 * time.Minute // of it two for the Debian tree, the first time
	cleanup = 90 * time.Second
)

func main() {
	command := flag.String("compose", "docker-compose", "the compose `command`: \"docker compose\" or docker-compose")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, longest, fmt.Errorf("not done after %s", longest))
	defer cancel()
	if err := run(ctx, strings.Fields(*command)); err != nil {
		fmt.Fprintf(os.Stderr, "compose: error: %v\n0 passed, 1 failed\n", err)
		os.Exit(1)
	}
	fmt.Println("1 passed, 0 failed")
}

// run goes through the steps and removes everything, whatever happened.
func run(ctx context.Context, command []string) (err error) {
	t := &trial{load: newLoad(), began: time.Now()}
	if t.stack, err = newStack(command); err != nil {
		return err
	}
	defer func() {
		// Its own context: ctx may have ended, and what was started must go.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
		defer cancel()
		if err != nil {
			t.complain(ctx)
		}
		err = errors.Join(err, t.named(ctx, "down: nothing is left", t.down))
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"the engine answers", t.engine},
		{"contexts of the images", t.contexts},
		{"images", t.images},
		{"up, until the webapp is healthy", t.up},
		{"two rotations under load", t.rotations},
		{"the renderer restarts: the same account", t.restartRenderer},
		{"Vault restarts sealed: it is opened again, and the next rotation comes", t.restartVault},
		{"no request failed", t.noFailures},
		{"no secret in logs and settings", t.secrecy},
	} {
		if err := t.named(ctx, step.name, step.do); err != nil {
			return err
		}
	}
	return nil
}

// named runs a step and says how long it took.
func (t *trial) named(ctx context.Context, name string, do func(context.Context) error) error {
	began := time.Now()
	err := do(ctx)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	fmt.Printf("== %s (%.1f s, %.0f s in all)\n", name, time.Since(began).Seconds(), time.Since(t.began).Seconds())
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Command demo shows the whole thing at work on this machine: a Vault, a
// MariaDB, the renderer with the project's own config.hcl and template, and
// the notes application under a steady trickle of requests, while the database
// credentials change every few seconds.
//
//	make demo                   until Ctrl-C
//	DEMO_SECONDS=60 make demo   unattended; not 0 when anything failed
//	make demo VAULT=real        with a real Vault, which is built if need be
//	make demo VAULT=dev         with the built-in Vault even if a real one is here
//
// It shows and counts only: preparing servers is testbed's business, and
// nothing here is needed to run vault-renderer.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// options of one demo.
type options struct {
	vault string        // "real", "dev", or "" for a real one when it is at hand
	run   time.Duration // how long to show it; 0 = until ctx ends

	leaseTTL, leaseMax time.Duration
	tokenTTL, tokenMax time.Duration
	port               int // the page's preferred port; 0 = any

	out    io.Writer
	colour bool
}

func main() { os.Exit(demoMain()) }

func demoMain() int {
	o, err := fromEnvironment()
	if err != nil {
		return fail(err)
	}
	w, err := newWorkspace()
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	onSignals(cancel, func() {
		w.remove()
		os.Exit(130) // the kernel kills the children with us
	})
	s, err := run(ctx, o, w)
	if rerr := w.remove(); s != nil {
		s.add(rerr)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "demo: interrupted")
		return 130
	case err != nil:
		return fail(err)
	}
	s.print(o.out, o.colour)
	if len(s.problems()) > 0 {
		return 1
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintf(os.Stderr, "demo: error: %v\n", err)
	return 1
}

func fromEnvironment() (options, error) {
	o := options{
		vault:    os.Getenv("VAULT"),
		leaseTTL: 6 * time.Second, leaseMax: 12 * time.Second,
		tokenTTL: 20 * time.Second, tokenMax: 40 * time.Second,
		port: 5000,
		out:  os.Stdout, colour: os.Getenv("NO_COLOR") == "" && isTerminal(os.Stdout),
	}
	switch o.vault {
	case "", "real", "dev":
	default:
		return o, fmt.Errorf("VAULT=%s: it can be real or dev; without it a real one is used when it is at hand", o.vault)
	}
	if text := os.Getenv("DEMO_SECONDS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			return o, fmt.Errorf("DEMO_SECONDS=%s: must be a number of seconds", text)
		}
		o.run = time.Duration(n) * time.Second
	}
	return o, nil
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// onSignals calls first at the first signal and again at the second.
func onSignals(first, again func()) {
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-ch
		first()
		<-ch
		again()
	}()
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"vault-renderer/testbed/tied"
)

// stopTimeout is longer than the application's own (it lets requests finish).
const stopTimeout = 15 * time.Second

// child is a program of the project that the demo runs.
type child struct {
	name string
	cmd  *exec.Cmd
	done <-chan struct{} // closed when it was reaped
	err  error           // how it ended; set before done is closed
}

// startChild starts a program that the kernel kills when the demo dies. Its
// lines of output go to the two functions.
func startChild(name string, cmd *exec.Cmd, stdout, stderr func(string)) (*child, error) {
	out, errs := &lines{each: stdout}, &lines{each: stderr}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, errs, time.Second
	c := &child{name: name, cmd: cmd}
	var err error
	c.done, err = tied.Start(cmd, func(err error) {
		c.err = err
		out.flush()
		errs.flush()
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// ended says how a child ended by itself, which none should.
func (c *child) ended() error {
	return fmt.Errorf("%s ended by itself: %s", c.name, c.cmd.ProcessState)
}

func (c *child) terminate() { _ = c.cmd.Process.Signal(syscall.SIGTERM) }

// wait waits for the end that terminate asked for.
func (c *child) wait() error {
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.kill()
		return fmt.Errorf("%s did not stop within %v and was killed", c.name, stopTimeout)
	}
	if c.err != nil {
		return fmt.Errorf("%s: %w", c.name, c.err)
	}
	return nil
}

func (c *child) kill() {
	if err := c.cmd.Process.Kill(); err == nil || errors.Is(err, os.ErrProcessDone) {
		<-c.done
	}
}

// cleanEnv is the environment without what would change Vault's clients, and
// with the given values.
func cleanEnv(with ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "VAULT") && !strings.HasPrefix(kv, "MYSQL_") {
			env = append(env, kv)
		}
	}
	return append(env, with...)
}

// lines is a writer that hands over whole lines.
type lines struct {
	each func(string)
	mu   sync.Mutex
	rest []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.each(string(line))
		l.rest = rest
	}
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.each(string(l.rest))
	}
	l.rest = nil
}

package dropin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/tied"
)

// run is one run of one program on one case.
type run struct {
	c              *testCase
	s              *sandbox
	cmd            *exec.Cmd
	stdout, stderr capture.Buffer
	remembered     map[string]string
	ended          <-chan struct{}
	result         *result
}

// running is the "exit code" of a program that had to be killed.
const running = "running"

// perform runs the case with one program ("vault" or "renderer").
func perform(ctx context.Context, w *world, c *testCase, program string) (*result, error) {
	s, err := newSandbox(w, c, program)
	if err != nil {
		return nil, err
	}
	r := &run{c: c, s: s, result: newResult(), remembered: map[string]string{}}
	ctx, cancel := context.WithTimeout(ctx, c.deadline)
	defer cancel()
	if err := r.start(program); err != nil {
		return nil, err
	}
	stepErr := r.steps(ctx)
	exit := r.finish(ctx)
	r.result.set("exit", exit)
	if s.recorder != nil {
		r.result.set("requests", s.recorder.close())
	}
	if s.notified != nil {
		r.result.set("systemd", s.notified.close())
	}
	r.result.output = r.stdout.String() + r.stderr.String()
	if stepErr != nil {
		return r.result, stepErr
	}
	if c.streams {
		r.result.set("streams", "stdout: "+logShape(r.stdout.String())+"\nstderr: "+logShape(r.stderr.String()))
	}
	return r.result, r.look("")
}

func (r *run) start(program string) error {
	binary := r.s.w.vault
	if program == "renderer" {
		binary = r.s.w.renderer
	}
	argv := append([]string{binary, "agent"}, r.s.expandAll(r.c.arguments())...)
	if r.c.umask != "" {
		argv = append([]string{"/bin/sh", "-c", "umask " + r.c.umask + ` && exec "$0" "$@"`}, argv...)
	}
	home := filepath.Join(filepath.Dir(r.s.dir), "home-"+program)
	r.cmd = exec.Command(argv[0], argv[1:]...)
	r.cmd.Dir = r.s.dir
	r.cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + home, "TMPDIR=" + home}, r.s.expandAll(r.c.env)...)
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	r.cmd.WaitDelay = time.Second // a hook may outlive the program and hold its output
	ended, err := tied.Start(r.cmd, nil)
	r.ended = ended
	return err
}

// finish waits for the end, of which it tells the exit code.
func (r *run) finish(ctx context.Context) string {
	if len(r.c.steps) > 0 {
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-r.ended:
	case <-ctx.Done():
		_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
		<-r.ended
		return running
	}
	st := r.cmd.ProcessState
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return "killed by " + ws.Signal().String()
	}
	return strconv.Itoa(st.ExitCode())
}

// steps performs the case's "do" lines. A program that ends meanwhile, or
// does not do what is waited for, has the number of the step in its result.
func (r *run) steps(ctx context.Context) error {
	if len(r.c.steps) > 0 {
		r.awaitOutput(ctx)
	}
	for i, words := range r.c.steps {
		name := fmt.Sprintf("step %d", i+1)
		err := r.step(ctx, name, r.s.expandAll(words))
		switch {
		case errors.Is(err, errEnded):
			r.result.set("steps", name+": the program had ended: "+strings.Join(words, " "))
			return nil
		case errors.Is(err, context.DeadlineExceeded):
			r.result.set("steps", name+": did not happen: "+strings.Join(words, " "))
			return nil
		case err != nil:
			return fmt.Errorf("%s (%s): %w", name, strings.Join(words, " "), err)
		}
	}
	return nil
}

// awaitOutput waits until the program says something, so that a busy machine
// does not eat up the time of the first pause. A silent program is let go on.
func (r *run) awaitOutput(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_ = r.await(ctx, func() bool { return r.stdout.String() != "" || r.stderr.String() != "" })
}

var errEnded = errors.New("the program ended")

func (r *run) step(ctx context.Context, name string, words []string) error {
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch words[0] {
	case "file":
		return r.await(ctx, func() bool { st, err := os.Stat(r.s.path(arg(1))); return err == nil && st.Size() > 0 })
	case "gone":
		return r.await(ctx, func() bool { _, err := os.Lstat(r.s.path(arg(1))); return errors.Is(err, os.ErrNotExist) })
	case "text":
		re, err := regexp.Compile(arg(2))
		if err != nil {
			return err
		}
		return r.await(ctx, func() bool { b, err := os.ReadFile(r.s.path(arg(1))); return err == nil && re.Match(b) })
	case "remember":
		b, err := os.ReadFile(r.s.path(arg(1)))
		r.remembered[arg(1)] = string(b)
		return err
	case "changed":
		return r.await(ctx, func() bool {
			b, err := os.ReadFile(r.s.path(arg(1)))
			return err == nil && string(b) != r.remembered[arg(1)]
		})
	case "put", "put1":
		return r.s.fill(words)
	case "write":
		text, err := unquote(arg(2))
		if err != nil {
			return err
		}
		return r.s.write(arg(1), text)
	case "fill":
		return r.s.fill(words[1:])
	case "remove":
		return os.Remove(r.s.path(arg(1)))
	case "revoke":
		b, err := os.ReadFile(r.s.path(arg(1)))
		if err != nil {
			return err
		}
		return r.s.w.root.Auth().Token().RevokeTree(strings.TrimSpace(string(b)))
	case "signal":
		return r.signal(arg(1))
	case "request":
		return r.request(ctx, name, words[1:])
	case "pause":
		return r.pause(ctx, arg(1))
	case "look":
		return r.look(name + ": ")
	case "exit":
		return r.await(ctx, func() bool { return false })
	}
	return fmt.Errorf("unknown step")
}

func (r *run) signal(name string) error {
	sig, ok := map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	}[name]
	if !ok {
		return fmt.Errorf("unknown signal")
	}
	return r.cmd.Process.Signal(sig)
}

// await waits until done says so, the program has ended, or it took too long.
func (r *run) await(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-r.ended:
			if done() {
				return nil
			}
			return errEnded
		case <-ctx.Done():
			return context.DeadlineExceeded
		}
	}
	return nil
}

func (r *run) pause(ctx context.Context, text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.ended:
		return errEnded
	case <-ctx.Done():
		return context.DeadlineExceeded
	}
}

// request repeats a request until somebody listens, and keeps the status.
// "unix:PATH:/path" goes through a socket.
func (r *run) request(ctx context.Context, name string, words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("words are missing")
	}
	method, url := words[0], words[1]
	tlsConf, err := r.s.w.clientTLS()
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: tlsConf}}
	if rest, ok := strings.CutPrefix(url, "unix:"); ok {
		socket, path, _ := strings.Cut(rest, ":")
		url = "http://socket" + path
		client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", r.s.path(socket))
		}}
	}
	defer client.CloseIdleConnections()
	return r.await(ctx, func() bool {
		req, err := http.NewRequestWithContext(ctx, method, url, nil)
		if err != nil {
			return false
		}
		for _, h := range words[2:] {
			k, v, _ := strings.Cut(h, "=")
			req.Header.Set(k, v)
		}
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		r.result.set(name, strings.Join(words[:1], " ")+" "+r.s.reduce(url)+"\n"+resp.Status+" "+resp.Header.Get("Content-Type"))
		return true
	})
}

package child

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Ready says how a child shows that it is ready: exactly one way. In URL,
// Address, Command and File {pid} is the number of the child's process.
//
// With a socket that old and new child share, who connects may reach either:
// File, Command and Notify tell them apart.
type Ready struct {
	URL     string   // http or https: any answer 200 to 299
	Address string   // host:port that accepts TCP connections
	Command []string // exits with 0; it gets VAULT_RENDERER_CHILD_PID
	File    string   // exists, and was written after the child was started
	Notify  bool     // the child says READY=1, as to systemd, at its NOTIFY_SOCKET

	Timeout  time.Duration // then it is not ready; 60 s
	Interval time.Duration // between two looks; 100 ms
}

func (r *Ready) check(sockets []Socket, rolling bool) error {
	ways := 0
	for _, set := range []bool{r.URL != "", r.Address != "", len(r.Command) > 0, r.File != "", r.Notify} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return fmt.Errorf("the child's readiness: exactly one of URL, address, command, file and notify is needed, and %d are there", ways)
	}
	for _, s := range sockets {
		if rolling && (r.Address == s.Address || strings.Contains(r.URL, "//"+s.Address+"/")) {
			return fmt.Errorf("the child's readiness is asked at %s, which old and new child share: the old one could answer for the new one; use a file, a command or notify", s.Address)
		}
	}
	return nil
}

// probe is what is known of a child whose readiness is asked.
type probe struct {
	pid     int
	env     []string
	cred    *syscall.Credential
	started time.Time
	said    <-chan struct{} // closed when it said READY=1
}

// wait returns nil when the child is ready.
func (r *Ready) wait(ctx context.Context, c probe) error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	tick := time.NewTicker(r.Interval)
	defer tick.Stop()
	for {
		why := r.look(ctx, c)
		if why == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("it was not ready within %s: %w", r.Timeout, why)
			}
			return ctx.Err()
		case <-tick.C:
		case <-c.said:
			return nil
		}
	}
}

// lookTimeout bounds one look: a child that accepts and never answers must not
// use up the whole time.
const lookTimeout = 5 * time.Second

func (r *Ready) look(ctx context.Context, c probe) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	own := func(s string) string { return strings.ReplaceAll(s, "{pid}", strconv.Itoa(c.pid)) }
	switch {
	case r.URL != "":
		return lookURL(ctx, own(r.URL))
	case r.Address != "":
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", own(r.Address))
		if err != nil {
			return err
		}
		return conn.Close()
	case len(r.Command) > 0:
		return lookCommand(ctx, r.Command, own, c)
	case r.File != "":
		return lookFile(own(r.File), c.started)
	}
	return errors.New("it has not said READY=1")
}

func lookURL(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	t := &http.Transport{
		DisableKeepAlives: true,
		// As the probes of Kubernetes: certificates are for names, not for
		// 127.0.0.1, and nothing but a status is asked.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}
	defer t.CloseIdleConnections()
	resp, err := t.RoundTrip(req) // redirects are not followed
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s answered %s", url, resp.Status)
	}
	return nil
}

func lookCommand(ctx context.Context, command []string, own func(string) string, c probe) error {
	p, err := find(command, c.env, "")
	if err != nil {
		return err
	}
	argv := make([]string, len(p.argv))
	for i, a := range p.argv {
		argv[i] = own(a)
	}
	cmd := exec.CommandContext(ctx, p.path)
	cmd.Args = argv
	cmd.Env = append(c.env[:len(c.env):len(c.env)], "VAULT_RENDERER_CHILD_PID="+strconv.Itoa(c.pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.cred}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the command %s: %w", p.name, err)
	}
	return nil
}

// clockGrain is how far a file's time may be behind the clock: files get the
// time of the last tick.
const clockGrain = 20 * time.Millisecond

func lookFile(path string, since time.Time) error {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return plain(err)
	case st.ModTime().Before(since.Add(-clockGrain)):
		return fmt.Errorf("%s is older than the child", path)
	}
	return nil
}

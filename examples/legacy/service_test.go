package legacy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vault-renderer/testbed/capture"
	"vault-renderer/testbed/tied"
)

// service is one run of a unit, by a small service manager: everything but
// accounts and confinement, which are for systemd.
type service struct {
	h      *host
	unit   unit
	env    map[string]string
	cmd    *exec.Cmd
	ended  <-chan struct{}
	output capture.Buffer
	notify *notifySocket // nil unless Type=notify
}

// environ is what every service has.
func (h *host) environ() []string {
	path := strings.Join([]string{h.path("usr/local/bin"), h.path("usr/bin"), "/usr/bin", "/bin"}, ":")
	return []string{"PATH=" + path, "HOME=" + h.path("home"), "LANG=C.UTF-8"}
}

// runUnit starts, reloads and stops the service.
func runUnit(t *testing.T, h *host) *outcome {
	t.Helper()
	s := &service{h: h}
	out := &outcome{}
	err := s.start(t)
	if err == nil {
		defer s.kill()
		err = s.life(t.Context(), out)
	}
	out.output = s.output.String()
	if err != nil {
		t.Error(err)
	}
	t.Logf("User=%s, Group=%s: ran as the user of the test", s.unit.service("User", ""), s.unit.service("Group", ""))
	return out
}

func (s *service) life(ctx context.Context, out *outcome) (err error) {
	steps := []struct {
		name string
		do   func(context.Context, *outcome) error
	}{{"start", s.started}, {"reload", s.reload}, {"stop", s.stop}}
	for _, step := range steps {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		err := step.do(ctx, out)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	out.ended, err = s.h.look()
	return err
}

func (s *service) start(t *testing.T) (err error) {
	if s.unit, err = readUnit(s.h.path("etc/systemd/system/vault-agent.service")); err != nil {
		return err
	}
	if s.env, err = s.unit.environment(); err != nil {
		return err
	}
	if err := s.directories(); err != nil {
		return err
	}
	env := s.h.environ()
	for _, k := range slices.Sorted(maps.Keys(s.env)) {
		env = append(env, k+"="+s.env[k])
	}
	if s.unit.service("Type", "") == "notify" {
		if s.notify, err = newNotifySocket(t, s.h.root+".notify"); err != nil {
			return err
		}
		env = append(env, "NOTIFY_SOCKET="+s.h.root+".notify")
	}
	for _, line := range s.unit["Service.ExecStartPre"] {
		if err := s.control(line, env); err != nil {
			return err
		}
	}
	argv := command(s.unit.service("ExecStart", ""), s.env)
	umask := s.unit.service("UMask", "0022")
	s.cmd = exec.Command("/bin/sh", append([]string{"-c", "umask " + umask + ` && exec "$0" "$@"`}, argv...)...)
	s.cmd.Dir, s.cmd.Env = "/", env
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	s.cmd.WaitDelay = time.Second
	s.ended, err = tied.Start(s.cmd, nil)
	return err
}

// directories makes RuntimeDirectory= and its siblings.
func (s *service) directories() error {
	for kind, below := range map[string]string{"Runtime": "run", "State": "var/lib", "Logs": "var/log"} {
		mode, err := strconv.ParseUint(s.unit.service(kind+"DirectoryMode", "0755"), 8, 32)
		if err != nil {
			return err
		}
		for _, name := range strings.Fields(s.unit.service(kind+"Directory", "")) {
			dir := s.h.path(filepath.Join(below, name))
			if err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, fs.FileMode(mode))); err != nil {
				return err
			}
		}
	}
	return nil
}

// control runs a command beside the service: ExecStartPre, ExecReload.
func (s *service) control(line string, env []string) error {
	vars := maps.Clone(s.env)
	if s.cmd != nil {
		vars["MAINPID"] = strconv.Itoa(s.cmd.Process.Pid)
	}
	argv := command(line, vars)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", line, err, out)
	}
	return nil
}

func (s *service) started(ctx context.Context, out *outcome) (err error) {
	if s.notify != nil {
		if err := await(ctx, s.ended, s.notify.says("READY=1", 1)); err != nil {
			return err
		}
	}
	if err := s.h.ready(ctx, s.ended); err != nil {
		return err
	}
	if out.working, err = s.h.settled(ctx, s.ended); err != nil {
		return err
	}
	out.events = append(out.events, "started")
	if path := s.unit.service("PIDFile", ""); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if pid := strconv.Itoa(s.cmd.Process.Pid); strings.TrimSpace(string(b)) != pid {
			return fmt.Errorf("PIDFile holds %q, not %s", b, pid)
		}
	}
	return nil
}

var reloaded = regexp.MustCompile(`(?i)reload`)

// reload tells the service as ExecReload= has it. Nothing has changed, so
// nothing may happen.
func (s *service) reload(ctx context.Context, out *outcome) error {
	before := len(s.output.String())
	if err := s.control(s.unit.service("ExecReload", ""), s.cmd.Env); err != nil {
		return err
	}
	err := await(ctx, s.ended, func() error {
		if !reloaded.MatchString(s.output.String()[before:]) {
			return errors.New("it says nothing of a reload")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if s.notify != nil {
		if err := await(ctx, s.ended, s.notify.says("READY=1", 2)); err != nil {
			return err
		}
	}
	after, err := s.h.settled(ctx, s.ended)
	if err == nil && !maps.Equal(out.working, after) {
		err = errors.New("a reload changed files")
	}
	out.events = append(out.events, "reloaded")
	return err
}

func (s *service) stop(ctx context.Context, out *outcome) error {
	sig := map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT}[s.unit.service("KillSignal", "SIGTERM")]
	if err := s.cmd.Process.Signal(sig); err != nil {
		return err
	}
	select {
	case <-s.ended:
	case <-ctx.Done():
		return errors.New("it does not end")
	}
	out.events = append(out.events, "exit code "+strconv.Itoa(s.cmd.ProcessState.ExitCode()))
	if s.notify != nil {
		out.events = append(out.events, s.notify.close()...)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("exit code %d", code)
	}
	return nil
}

func (s *service) kill() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.ended
}

// notifySocket collects what a service tells its manager.
type notifySocket struct {
	conn *net.UnixConn
	done chan struct{}

	mu    sync.Mutex
	lines []string
}

func newNotifySocket(t *testing.T, path string) (*notifySocket, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	n := &notifySocket{conn: conn, done: make(chan struct{})}
	go n.collect()
	t.Cleanup(func() { n.close() })
	return n, nil
}

func (n *notifySocket) collect() {
	defer close(n.done)
	buf := make([]byte, 4096)
	for {
		k, err := n.conn.Read(buf)
		if err != nil {
			return
		}
		n.mu.Lock()
		n.lines = append(n.lines, strings.Split(strings.TrimSpace(string(buf[:k])), "\n")...)
		n.mu.Unlock()
	}
}

// says asks whether a line came so many times.
func (n *notifySocket) says(line string, times int) func() error {
	return func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		count := 0
		for _, l := range n.lines {
			if l == line {
				count++
			}
		}
		if count < times {
			return fmt.Errorf("%s came %d times, not %d; all: %q", line, count, times, n.lines)
		}
		return nil
	}
}

// close ends the socket and gives the lines that a manager acts on.
func (n *notifySocket) close() []string {
	n.conn.Close()
	<-n.done
	var acts []string
	for _, l := range n.lines {
		switch l {
		case "READY=1", "RELOADING=1", "STOPPING=1":
			acts = append(acts, l)
		}
	}
	return acts
}

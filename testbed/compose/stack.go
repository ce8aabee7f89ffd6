package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stack is the example's services under a project name of their own.
type stack struct {
	command []string // docker-compose with its files
	project string
	dir     string // examples/compose
	env     []string
}

func newStack(command []string) (*stack, error) {
	dir, err := filepath.Abs(filepath.Join("examples", "compose"))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "docker-compose.yml")); err != nil {
		return nil, fmt.Errorf("not at the top of the tree: %w", err)
	}
	s := &stack{
		command: append(command, "-f", "docker-compose.yml", "-f", "docker-compose.local.yml"),
		project: "vrtest" + strings.ToLower(rand.Text()[:8]),
		dir:     dir,
	}
	// Lives that end soon, but leave the half minute that a restart of a
	// container may take on a busy machine; any free port.
	s.env = append(os.Environ(), "COMPOSE_PROJECT_NAME="+s.project, "WEBAPP_PORT=",
		"LEASE_TTL=30s", "LEASE_MAX_TTL=1m", "TOKEN_TTL=5m", "DOCKER_CLI_HINTS=false", "BUILDX_NO_DEFAULT_ATTESTATIONS=1")
	return s, nil
}

// output runs a program in the example's directory; its error has what the
// program said.
func (s *stack) output(ctx context.Context, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, tail(stdout.String()+stderr.String()))
	}
	return stdout.String(), nil
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// compose runs a command of docker-compose.
func (s *stack) compose(ctx context.Context, args ...string) (string, error) {
	return s.output(ctx, append(append([]string{}, s.command...), args...)...)
}

func (s *stack) engine(ctx context.Context) error {
	if _, err := s.output(ctx, "docker", "info"); err != nil {
		return err
	}
	_, err := s.output(ctx, s.command[0], "version")
	return err
}

// contexts prepares what images of the servers are made of.
func (s *stack) contexts(ctx context.Context) error {
	dir, err := s.output(ctx, "local/images")
	s.env = append(s.env, "LOCAL_IMAGES="+strings.TrimSpace(dir))
	return err
}

func (s *stack) images(ctx context.Context) error {
	_, err := s.compose(ctx, "build")
	return err
}

// down removes everything of the project and looks that nothing is left.
func (s *stack) down(ctx context.Context) error {
	_, err := s.compose(ctx, "down", "-v", "--rmi", "all", "--remove-orphans", "-t", "5")
	return errors.Join(err, s.nothingLeft(ctx))
}

func (s *stack) nothingLeft(ctx context.Context) error {
	label := "label=com.docker.compose.project=" + s.project
	var errs []error
	for what, argv := range map[string][]string{
		"containers": {"docker", "ps", "-aq", "--filter", label},
		"volumes":    {"docker", "volume", "ls", "-q", "--filter", label},
		"networks":   {"docker", "network", "ls", "-q", "--filter", label},
		"images":     {"docker", "images", "-q", "--filter", "reference=" + s.project + "*"},
	} {
		left, err := s.output(ctx, argv...)
		if err == nil && left != "" {
			err = fmt.Errorf("%s are left: %s", what, strings.Fields(left))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// complain shows what the containers said last.
func (s *stack) complain(ctx context.Context) {
	ps, _ := s.compose(ctx, "ps")
	logs, _ := s.compose(ctx, "logs", "--no-color", "--tail=30")
	fmt.Fprintf(os.Stderr, "%s\n%s\n", ps, logs)
}

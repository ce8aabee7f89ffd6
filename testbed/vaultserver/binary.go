// Package vaultserver starts a real Vault server for tests, benchmarks and
// demonstrations: it finds or builds the binary, runs it on loopback with file
// storage in a private directory, and initialises and unseals it.
//
// It configures nothing inside Vault (package bootstrap does) and it is not
// meant for production: one unseal key, TLS only beside plain HTTP, keys in a
// file.
package vaultserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// version is the Vault that tools/vault requires; it names the cache entry.
const version = "1.21.1"

// ErrNotFound says that no usable Vault binary exists yet. Binary returns it,
// wrapped, only when it was told not to build one.
var ErrNotFound = errors.New("no vault binary")

// BinaryOptions say where Binary looks and whether it may build.
type BinaryOptions struct {
	NoBuild  bool      // only look
	CacheDir string    // default: the user's cache directory, in vault-renderer
	Source   string    // module that requires Vault; default: tools/vault of this project
	Progress io.Writer // lines for people while a build runs; nil: silent
}

// Binary returns the path of a Vault (or OpenBao) binary that runs: $VAULT_BIN,
// else one on PATH, else the one built earlier, else it builds one.
func Binary(ctx context.Context, o BinaryOptions) (string, error) {
	if p := os.Getenv("VAULT_BIN"); p != "" {
		if err := checkRuns(ctx, p); err != nil {
			return "", fmt.Errorf("VAULT_BIN: %w", err)
		}
		return p, nil
	}
	for _, name := range []string{"vault", "bao"} {
		if p, err := exec.LookPath(name); err == nil && checkRuns(ctx, p) == nil {
			return p, nil
		}
	}
	target, err := o.target()
	if err != nil {
		return "", err
	}
	if checkRuns(ctx, target) == nil {
		return target, nil
	}
	if o.NoBuild {
		return "", fmt.Errorf("%w: not in VAULT_BIN, on PATH or in the cache (%s)", ErrNotFound, target)
	}
	return target, o.buildOnce(ctx, target)
}

func (o BinaryOptions) target() (string, error) {
	dir := o.CacheDir
	if dir == "" {
		c, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("vault binary: %w", err)
		}
		dir = filepath.Join(c, "vault-renderer")
	}
	return filepath.Join(dir, fmt.Sprintf("vault-%s-%s-%s", version, runtime.GOOS, runtime.GOARCH), "vault"), nil
}

func (o BinaryOptions) say(format string, args ...any) {
	if o.Progress != nil {
		fmt.Fprintf(o.Progress, "vault binary: "+format+"\n", args...)
	}
}

// checkRuns runs "version", so that a truncated file or a binary for another
// machine counts as missing. A file that is busy being written also fails.
func checkRuns(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return fmt.Errorf("%s version: %w", path, err)
	}
	if s := string(out); !strings.HasPrefix(s, "Vault v") && !strings.HasPrefix(s, "OpenBao v") {
		return fmt.Errorf("%s version: not a Vault: %.40q", path, s)
	}
	return nil
}

// buildOnce builds target under a file lock: of several processes that want
// the binary at the same time one builds and the others wait for it.
func (o BinaryOptions) buildOnce(ctx context.Context, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("vault binary: %w", err)
	}
	unlock, err := o.lock(ctx, target+".lock")
	if err != nil {
		return fmt.Errorf("vault binary: %w", err)
	}
	defer unlock()
	if checkRuns(ctx, target) == nil {
		return nil
	}
	if err := o.build(ctx, target); err != nil {
		return fmt.Errorf("vault binary: %w", err)
	}
	return checkRuns(ctx, target)
}

func (o BinaryOptions) lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for told := false; ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			o.say("another process is building it; waiting for that one")
			told = true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (o BinaryOptions) build(ctx context.Context, target string) error {
	src := o.Source
	if src == "" {
		root, err := moduleRoot()
		if err != nil {
			return err
		}
		src = filepath.Join(root, "tools", "vault")
	}
	tmp := target + ".building"
	defer os.Remove(tmp)
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", tmp, "github.com/hashicorp/vault")
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly")
	// The compilers are children of go build: end them together with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second

	start := time.Now()
	o.say("building Vault %s from source; this takes about 10 minutes, once", version)
	stop := o.reportEvery(20*time.Second, start)
	out, err := cmd.CombinedOutput()
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("go build: %w\n%s", err, tail(out, 2000))
	}
	o.say("built in %s", time.Since(start).Round(time.Second))
	return os.Rename(tmp, target)
}

func (o BinaryOptions) reportEvery(d time.Duration, start time.Time) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				o.say("still building, %s so far", time.Since(start).Round(time.Second))
			}
		}
	}()
	return func() { close(quit); <-ended }
}

// moduleRoot walks up from the working directory to this project's go.mod.
func moduleRoot() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if line, _, _ := strings.Cut(string(b), "\n"); strings.TrimSpace(line) == "module vault-renderer" {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("cannot build: %s is not inside the vault-renderer source tree", wd)
		}
	}
}

func tail(b []byte, n int) string {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return strings.TrimSpace(string(b))
}

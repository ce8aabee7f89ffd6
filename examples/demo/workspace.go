package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// workspace is where one demo lives.
type workspace struct {
	repo string // the project
	mem  string // private, on tmpfs: everything secret; the renderer's working directory
	disk string // private: programs (a tmpfs may forbid to run them)
}

// newWorkspace makes both directories. mem looks like the project's directory
// to the renderer: config.hcl and templates are the project's own.
func newWorkspace() (_ *workspace, err error) {
	w := &workspace{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.remove())
		}
	}()
	if w.repo, err = findRepo(); err != nil {
		return nil, err
	}
	tmpfs, err := findTmpfs()
	if err != nil {
		return nil, err
	}
	if w.mem, err = os.MkdirTemp(tmpfs, "vault-renderer-demo-"); err != nil {
		return nil, err
	}
	if w.disk, err = os.MkdirTemp("", "vault-renderer-demo-"); err != nil {
		return nil, err
	}
	if err = os.Mkdir(w.run(), 0o700); err != nil {
		return nil, err
	}
	for _, name := range []string{"config.hcl", "templates"} {
		if err = os.Symlink(filepath.Join(w.repo, name), filepath.Join(w.mem, name)); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *workspace) run() string            { return filepath.Join(w.mem, "run") }
func (w *workspace) bin(name string) string { return filepath.Join(w.disk, name) }

func (w *workspace) remove() error {
	var err error
	for _, dir := range []string{w.mem, w.disk} {
		if dir != "" {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	return err
}

// findRepo walks up from the working directory to the project's go.mod.
func findRepo() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if line, _, _ := strings.Cut(string(b), "\n"); err == nil && strings.TrimSpace(line) == "module vault-renderer" {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside the vault-renderer source tree", wd)
		}
	}
}

const (
	tmpfsMagic = 0x01021994
	ramfsMagic = 0x858458f6
)

// findTmpfs gives a directory in memory that this user may write: config.hcl
// is strict and refuses to put a password on a disk.
func findTmpfs() (string, error) {
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm", fmt.Sprintf("/run/user/%d", os.Getuid())} {
		var st syscall.Statfs_t
		if dir == "" || syscall.Statfs(dir, &st) != nil {
			continue
		}
		if magic := uint32(st.Type); magic != tmpfsMagic && magic != ramfsMagic {
			continue
		}
		if probe, err := os.MkdirTemp(dir, ".vault-renderer-demo-"); err == nil {
			return dir, os.Remove(probe)
		}
	}
	return "", errors.New("no writable tmpfs: neither $XDG_RUNTIME_DIR nor /dev/shm is one, and secrets do not go to a disk")
}

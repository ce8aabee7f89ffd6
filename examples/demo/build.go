package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"vault-renderer/testbed/mariadb"
)

// build makes the two programs of the project.
func (d *demo) build(ctx context.Context) error {
	d.say(fromDemo, "building vault-renderer and webapp")
	// No version stamps: the checkout may belong to somebody else, which stops git.
	for name, pkg := range map[string]string{"vault-renderer": "./renderer", "webapp": "./webapp"} {
		if out, err := d.goTool(ctx, "build", "-buildvcs=false", "-o", d.w.bin(name), pkg); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		}
	}
	return nil
}

// needMariaDB installs the server where that is possible without a question.
func (d *demo) needMariaDB(ctx context.Context) error {
	if _, err := mariadb.Find(); err == nil {
		return nil
	}
	d.say(fromDemo, "MariaDB is missing; trying to install it from Debian's packages (a minute or two)")
	out, err := d.goTool(ctx, "run", "./testbed/cmd/testbed", "deps", "mariadb")
	if err == nil {
		_, err = mariadb.Find()
		return err
	}
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "testbed: error: "); ok {
			return errors.New(text)
		}
	}
	return fmt.Errorf("install MariaDB: %w\n%s", err, out)
}

// goTool runs the go command in the project; "go run" has put it on PATH.
func (d *demo) goTool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = d.w.repo
	cmd.Env = append(os.Environ(), "GOWORK=off")
	// Compilers are children of the go command: end them together with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

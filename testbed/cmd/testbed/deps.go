package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"vault-renderer/testbed/mariadb"
)

// dependency is a program that Debian packages and this project does not build.
type dependency struct {
	name    string
	pkgs    []string
	present func() bool
}

func dependencies() []dependency {
	return []dependency{
		{"mariadb", []string{"mariadb-server"}, func() bool { _, err := mariadb.Find(); return err == nil }},
		{"chromium", []string{"chromium"}, onPath("chromium", "chromium-browser", "google-chrome", "headless-shell", "chromium-headless-shell")},
		{"compiler", []string{"gcc", "libc6-dev"}, onPath("gcc", "cc", "clang")}, // for the race detector
	}
}

func onPath(names ...string) func() bool {
	return func() bool {
		return slices.ContainsFunc(names, func(n string) bool { _, err := exec.LookPath(n); return err == nil })
	}
}

// deps installs the wanted programs that are missing; without names, mariadb.
func deps(ctx context.Context, want []string, log io.Writer) error {
	if len(want) == 0 {
		want = []string{"mariadb"}
	}
	var pkgs []string
	for _, w := range want {
		d, ok := dependencyNamed(w)
		if !ok {
			return fmt.Errorf("unknown dependency %q: there are mariadb, chromium and compiler", w)
		}
		if d.present() {
			fmt.Fprintf(log, "testbed: %s is here\n", d.name)
			continue
		}
		pkgs = append(pkgs, d.pkgs...)
	}
	if len(pkgs) == 0 {
		return nil
	}
	return install(ctx, pkgs, log)
}

func dependencyNamed(name string) (dependency, bool) {
	for _, d := range dependencies() {
		if d.name == name {
			return d, true
		}
	}
	return dependency{}, false
}

// install runs apt-get, as root or through sudo where that asks no password.
func install(ctx context.Context, pkgs []string, log io.Writer) error {
	script := "apt-get update && apt-get install -y --no-install-recommends " + strings.Join(pkgs, " ")
	hint := fmt.Errorf("missing: %s; please type: sudo sh -c '%s'", strings.Join(pkgs, ", "), script)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("missing: %s, and there is no apt-get here; please install it with this system's own tool",
			strings.Join(pkgs, ", "))
	}
	argv := []string{"sh", "-c", script}
	if os.Geteuid() != 0 {
		if exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
			return hint
		}
		argv = append([]string{"sudo", "-n"}, argv...)
	}
	fmt.Fprintf(log, "testbed: installing %s\n", strings.Join(pkgs, ", "))
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %w", hint, err)
	}
	return nil
}

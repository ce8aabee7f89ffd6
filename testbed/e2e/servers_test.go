package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/vaultserver"
)

// servers is what all tests share: programs, and one MariaDB, in which every
// test's accounts have names of their own. A Vault server starts in a fifth of
// a second, so each test has one to break.
var servers struct {
	dir            string
	root           string // of the module
	db             *mariadb.Server
	vault          string // binaries
	renderer, webb string
	app            string // a program that knows nothing of Vault
}

// atOnce is how many tests run side by side: they wait most of the time, and
// take a processor to less than a tenth each.
const atOnce = "8"

func TestMain(m *testing.M) {
	code, err := withServers(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func withServers(run func() int) (code int, err error) {
	ctx := context.Background()
	if err := flag.Set("test.parallel", atOnce); err != nil { // -parallel on the command line wins
		return 1, err
	}
	dir, err := os.MkdirTemp(tmpfsDir(), "vault-renderer-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	servers.dir = dir
	if err := build(); err != nil {
		return 1, err
	}
	if servers.db, err = mariadb.Start(ctx, mariadb.Options{}); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, servers.db.Stop()) }()
	if servers.vault, err = vaultserver.Binary(ctx, vaultserver.BinaryOptions{Progress: os.Stderr}); err != nil {
		return 1, err
	}
	return run(), nil
}

// build makes the programs under test from the working tree.
func build() error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "vault-renderer").Output()
	if err != nil {
		return err
	}
	servers.root = strings.TrimSpace(string(out))
	servers.renderer, servers.webb = filepath.Join(servers.dir, "renderer"), filepath.Join(servers.dir, "webapp")
	servers.app = filepath.Join(servers.dir, "app")
	for path, pkg := range map[string]string{
		servers.renderer: "vault-renderer/renderer", servers.webb: "vault-renderer/webapp", servers.app: "vault-renderer/testbed/entrypoint/app",
	} {
		if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	return nil
}

// tmpfsDir is where secrets may lie; the product refuses anything else in strict mode.
func tmpfsDir() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

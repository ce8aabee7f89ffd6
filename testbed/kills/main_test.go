package kills

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"vault-renderer/testbed/mariadb"
	"vault-renderer/testbed/vaultserver"
)

// servers are started once for all campaigns.
var servers struct {
	dir              string // on tmpfs: the product refuses anything else in strict mode
	vault            *vaultserver.Server
	db               *mariadb.Server
	renderer, webapp string // binaries
}

func TestMain(m *testing.M) {
	code, err := withServers(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kills:", err)
		code = 1
	}
	os.Exit(code)
}

func withServers(run func() int) (code int, err error) {
	ctx := context.Background()
	if servers.dir, err = os.MkdirTemp(tmpfs(), "vault-renderer-kills-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(servers.dir)
	if servers.renderer, err = build("renderer"); err != nil {
		return 1, err
	}
	if servers.webapp, err = build("webapp"); err != nil {
		return 1, err
	}
	if servers.db, err = mariadb.Start(ctx, mariadb.Options{}); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, servers.db.Stop()) }()
	binary, err := vaultserver.Binary(ctx, vaultserver.BinaryOptions{Progress: os.Stderr})
	if err != nil {
		return 1, err
	}
	servers.vault, err = vaultserver.Start(ctx, vaultserver.Options{Binary: binary, Dir: filepath.Join(servers.dir, "vault")})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, servers.vault.Stop()) }()
	return run(), nil
}

// build makes one of the two programs as users have it.
func build(name string) (path string, err error) {
	path = filepath.Join(servers.dir, name)
	out, err := exec.Command("go", "build", "-o", path, "vault-renderer/"+name).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return path, nil
}

func tmpfs() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

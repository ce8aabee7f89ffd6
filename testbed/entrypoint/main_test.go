package entrypoint

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"vault-renderer/testbed/pidns"
)

// programs is what all tests share.
var programs struct {
	dir           string
	renderer, app string
	kind          pidns.Kind
}

func TestMain(m *testing.M) {
	pidns.Enter(os.Args)
	mountAndBecome(os.Args)
	code, err := 1, flag.Set("test.parallel", "5") // they wait most of the time; -parallel on the command line wins
	if err == nil {
		code, err = withPrograms(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "entrypoint:", err)
		code = 1
	}
	os.Exit(code)
}

// mountName is argv[0] of this binary when it is to mount a tmpfs at argv[1]
// and become argv[2].
const mountName = "entrypoint: mount"

func mountAndBecome(args []string) {
	if args[0] != mountName {
		return
	}
	err := syscall.Mount("tmpfs", args[1], "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "size=1m,mode=0700")
	if err == nil {
		err = syscall.Exec(args[2], args[2:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "mounting a tmpfs:", err)
	os.Exit(202)
}

func withPrograms(m *testing.M) (code int, err error) {
	parent := ""
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		parent = "/dev/shm"
	}
	if programs.dir, err = os.MkdirTemp(parent, "vault-renderer-entrypoint-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(programs.dir)) }()
	if err := os.Chmod(programs.dir, 0o711); err != nil { // a program may be somebody else's
		return 1, err
	}
	programs.renderer, programs.app = filepath.Join(programs.dir, "vault-renderer"), filepath.Join(programs.dir, "app")
	for path, pkg := range map[string]string{programs.renderer: "vault-renderer/renderer", programs.app: "vault-renderer/testbed/entrypoint/app"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
	}
	if programs.kind, err = kind(); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

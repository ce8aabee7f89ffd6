package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/vaultserver"
)

// rig is a working directory on tmpfs with the binaries, and a Vault that holds
// the secrets.
type rig struct {
	o        options
	dir      string
	progress io.Writer
	vault    *vaultserver.Server
	runs     int // numbers the runs' directories
}

const policy = `path "secret/data/*" { capabilities = ["read"] }`

func newRig(ctx context.Context, o options, progress io.Writer) (*rig, error) {
	tmpfs := "/dev/shm"
	if st, err := os.Stat(tmpfs); err != nil || !st.IsDir() {
		tmpfs = ""
		fmt.Fprintln(progress, "bench: there is no /dev/shm: the files go to a disk, if the temporary directory is on one")
	}
	dir, err := os.MkdirTemp(tmpfs, "vault-renderer-bench-")
	if err != nil {
		return nil, err
	}
	b := &rig{o: o, dir: dir, progress: progress}
	if err := errors.Join(b.build(ctx), b.start(ctx)); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *rig) close() {
	if b.vault != nil {
		_ = b.vault.Stop()
	}
	if b.o.keep {
		b.say("left behind: %s", b.dir)
		return
	}
	_ = os.RemoveAll(b.dir)
}

func (b *rig) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "bench: "+format+"\n", args...)
}

func (b *rig) path(parts ...string) string {
	return filepath.Join(append([]string{b.dir}, parts...)...)
}

func (b *rig) build(ctx context.Context) error {
	b.say("building")
	targets := map[string]string{
		"plainclient": "vault-renderer/testbed/bench/plainclient",
		"measure":     "vault-renderer/testbed/bench/measure",
	}
	if b.o.renderer == "" {
		targets["vault-renderer"] = "vault-renderer/renderer"
		b.o.renderer = b.path("vault-renderer")
	}
	for name, pkg := range targets {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", b.path(name), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

func (b *rig) start(ctx context.Context) error {
	b.say("starting Vault and writing %d secrets", b.o.n+b.o.steadyN)
	s, err := vaultserver.Start(ctx, vaultserver.Options{Dir: b.path("vault"), LogLevel: "error"})
	if err != nil {
		return err
	}
	b.vault = s
	c := s.Client()
	if err := prepare(ctx, c, b.dir); err != nil {
		return fmt.Errorf("prepare vault: %w", err)
	}
	if err := b.seed(ctx, c, "shot", b.o.n); err != nil {
		return err
	}
	return b.seed(ctx, c, "steady", b.o.steadyN)
}

// prepare sets up mount, policy and AppRole, and delivers role_id and secret_id.
func prepare(ctx context.Context, c *api.Client, dir string) error {
	err := c.Sys().MountWithContext(ctx, "secret", &api.MountInput{Type: "kv", Options: map[string]string{"version": "2"}})
	if err != nil {
		return err
	}
	if err := c.Sys().PutPolicyWithContext(ctx, "bench", policy); err != nil {
		return err
	}
	if err := c.Sys().EnableAuthWithOptionsWithContext(ctx, "approle", &api.EnableAuthOptions{Type: "approle"}); err != nil {
		return err
	}
	const role = "auth/approle/role/bench"
	if _, err := c.Logical().WriteWithContext(ctx, role, map[string]any{"token_policies": "bench", "token_ttl": "1h"}); err != nil {
		return err
	}
	id, err := c.Logical().ReadWithContext(ctx, role+"/role-id")
	if err != nil {
		return err
	}
	secret, err := c.Logical().WriteWithContext(ctx, role+"/secret-id", nil)
	if err != nil {
		return err
	}
	for name, s := range map[string]*api.Secret{"role_id": id, "secret_id": secret} {
		v, _ := s.Data[name].(string)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(v), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (b *rig) seed(ctx context.Context, c *api.Client, set string, n int) error {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				errs[w] = put(ctx, c, set, i, password(i))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func secretPath(set string, i int) string { return fmt.Sprintf("secret/data/%s/%04d", set, i) }

func password(i int) string { return fmt.Sprintf("canary-%04d-%s", i, strings.Repeat("x", 20+i%17)) }

// content is what a file must hold.
func content(i int, password string) string {
	return fmt.Sprintf("username = user-%04d\npassword = %s\n", i, password)
}

func put(ctx context.Context, c *api.Client, set string, i int, password string) error {
	// A new mount upgrades itself for a moment and refuses writes meanwhile.
	for try := 0; ; try++ {
		_, err := c.Logical().WriteWithContext(ctx, secretPath(set, i), map[string]any{
			"data": map[string]any{"username": fmt.Sprintf("user-%04d", i), "password": password},
		})
		if err == nil || try == 50 || ctx.Err() != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// config writes a configuration that Vault Agent and vault-renderer both take:
// n templates, each with a secret of its own.
func (b *rig) config(set, addr, out string, n int, oneShot bool, interval time.Duration) (string, error) {
	var t strings.Builder
	fmt.Fprintf(&t, "exit_after_auth = %t\n", oneShot)
	fmt.Fprintf(&t, "vault {\n  address = %q\n}\n", addr)
	fmt.Fprintf(&t, `auto_auth {
  method "approle" {
    mount_path = "auth/approle"
    config = {
      role_id_file_path                   = %q
      secret_id_file_path                 = %q
      remove_secret_id_file_after_reading = false
    }
  }
}
`, b.path("role_id"), b.path("secret_id"))
	if interval > 0 {
		fmt.Fprintf(&t, "template_config {\n  static_secret_render_interval = %q\n}\n", interval)
	}
	for i := range n {
		fmt.Fprintf(&t, `template {
  contents    = "{{ with secret \"%s\" }}username = {{ .Data.data.username }}\npassword = {{ .Data.data.password }}\n{{ end }}"
  destination = %q
  perms       = "0600"
}
`, secretPath(set, i), filepath.Join(out, fmt.Sprintf("%04d", i)))
	}
	name := out + ".hcl"
	return name, os.WriteFile(name, []byte(t.String()), 0o600)
}

// outDir makes a fresh directory for the files of one run.
func (b *rig) outDir() (string, error) {
	b.runs++
	dir := b.path(fmt.Sprintf("out-%03d", b.runs))
	return dir, os.Mkdir(dir, 0o700)
}

// check says whether all files of a run are right.
func check(dir string, n int) error {
	for i := range n {
		have, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%04d", i)))
		if err != nil {
			return err
		}
		if string(have) != content(i, password(i)) {
			return fmt.Errorf("%s/%04d has the wrong content", dir, i)
		}
	}
	left, err := os.ReadDir(dir)
	if err == nil && len(left) != n {
		err = fmt.Errorf("%s holds %d files instead of %d", dir, len(left), n)
	}
	return err
}

func (b *rig) newReport(ctx context.Context) (*report, error) {
	out, err := exec.CommandContext(ctx, b.vault.Binary(), "version").Output()
	if err != nil {
		return nil, err
	}
	server, _, _ := strings.Cut(strings.TrimSpace(string(out)), ",") // no build date
	return &report{Vault: server, Go: runtime.Version(), CPUs: runtime.NumCPU(), Agent: b.o.agent}, nil
}

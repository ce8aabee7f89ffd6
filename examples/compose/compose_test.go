package compose

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v2"

	"vault-renderer/testbed/pki"
)

// service is what these tests look at.
type service struct {
	Image       string
	Build       any
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	NetworkMode string   `yaml:"network_mode"`
	Networks    []string
	Environment map[string]string
	Volumes     []string
	Ports       []string
	Healthcheck *struct {
		Test []string
	}
}

type file struct {
	Services map[string]service
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]struct {
		Driver     string
		DriverOpts map[string]string `yaml:"driver_opts"`
	}
}

func load(t *testing.T, name string) (f file) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, &f); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f
}

// TestServices: who is there, may do how little, and mounts what.
func TestServices(t *testing.T) {
	f := load(t, "docker-compose.yml")
	mounts := map[string][]string{
		"vault-server": {"vault-data", "vault-tls", "vault-ca"},
		"vault-init":   {"vault-keys", "vault-ca", "database-password", "renderer"},
		"credentials":  {"vault-tls", "vault-ca", "database-password"},
		"database":     {"database", "database-password"},
		"renderer":     {"vault-ca", "renderer", "notes"},
		"webapp":       {"notes"},
	}
	if len(f.Services) != len(mounts) {
		t.Errorf("%d services", len(f.Services))
	}
	for name, s := range f.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s is not hardened", name)
		}
		if s.Healthcheck == nil && name != "credentials" {
			t.Errorf("%s has no health check", name)
		}
		var have []string
		for _, v := range s.Volumes {
			if source, _, _ := strings.Cut(v, ":"); !strings.HasPrefix(source, ".") {
				have = append(have, source)
			} else if _, err := os.Stat(source); err != nil || !strings.HasSuffix(v, ":ro") {
				t.Errorf("%s: %s: %v", name, v, err)
			}
		}
		if !slices.Equal(have, mounts[name]) {
			t.Errorf("%s mounts %q, want %q", name, have, mounts[name])
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s is open to other hosts: %s", name, p)
			}
		}
	}
	if slices.Contains(f.Services["webapp"].Networks, "secrets") || !f.Networks["secrets"].Internal {
		t.Error("webapp reaches Vault, or Vault reaches the world")
	}
}

// TestVolumesInMemory: what the renderer writes is on no disk.
func TestVolumesInMemory(t *testing.T) {
	f := load(t, "docker-compose.yml")
	for _, name := range []string{"renderer", "notes"} {
		v := f.Volumes[name]
		if v.Driver != "local" || v.DriverOpts["type"] != "tmpfs" || !strings.Contains(v.DriverOpts["o"], "size=") {
			t.Errorf("volume %s: %+v", name, v)
		}
	}
}

// TestLocal: the override builds exactly the services that would be pulled, and
// under other names.
func TestLocal(t *testing.T) {
	f, local := load(t, "docker-compose.yml"), load(t, "docker-compose.local.yml")
	for name, s := range f.Services {
		l, overridden := local.Services[name]
		if pulled := s.Build == nil; pulled != overridden {
			t.Errorf("%s: pulled %t, overridden %t", name, pulled, overridden)
		}
		if overridden && (l.Build == nil || l.Image == "" || l.Image == s.Image) {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

// TestConfiguration: vault-renderer takes its file without a warning.
func TestConfiguration(t *testing.T) {
	raw, err := os.ReadFile("vault-renderer.hcl")
	if err != nil {
		t.Fatal(err)
	}
	templates, err := filepath.Abs("../../templates")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/dev/shm", "compose-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	text := strings.NewReplacer(`"/run/`, `"`+dir+`/`, "unix:///run/", "unix://"+dir+"/", "/etc/vault-renderer/templates", templates, "/vault-ca/", dir+"/").Replace(string(raw))
	config, program := filepath.Join(dir, "vault-renderer.hcl"), filepath.Join(t.TempDir(), "vault-renderer")
	ca, err := pki.New("vault")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{config: text, filepath.Join(dir, "ca.crt"): ca.Cert} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "vault-renderer/renderer").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program, "validate", "-config="+config).CombinedOutput()
	if err != nil || strings.Contains(string(out), "Warning") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestScripts: the shell can read them.
func TestScripts(t *testing.T) {
	count := 0
	err := filepath.WalkDir("local", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(raw), "#!/bin/sh\n") {
			return err
		}
		count++
		if out, serr := exec.CommandContext(t.Context(), "sh", "-n", path).CombinedOutput(); serr != nil {
			t.Errorf("%s: %v\n%s", path, serr, out)
		}
		return nil
	})
	if err != nil || count != 3 {
		t.Errorf("%d scripts, %v", count, err)
	}
}

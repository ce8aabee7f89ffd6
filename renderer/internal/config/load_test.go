package config

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
)

// ignoreRanges leaves out positions and source texts, which other tests check.
func ignoreRanges() cmp.Options {
	return cmp.Options{
		cmpopts.IgnoreTypes(hcl.Range{}, map[string]*hcl.File{}),
		cmpopts.EquateEmpty(),
	}
}

func engine() TemplateConfig {
	return TemplateConfig{
		StaticSecretRenderInterval: 5 * time.Minute, MaxConnectionsPerHost: 10, LeaseRenewalThreshold: 0.9,
		MaxOutput: 64 << 20, MaxDuration: 30 * time.Second, MaxDepth: 10_000,
	}
}

// seed is what testdata/good/seed.hcl, the plainest file of Vault Agent, says.
func seed() *Config {
	return &Config{
		PIDFile: "./pidfile", Leases: defaultLeases(), OnExit: OnExit{Timeout: 10 * time.Second},
		TmpfsPolicy: TmpfsWarn,
		Log:         LogFile{RotateDuration: 24 * time.Hour},
		Vault:       Vault{Address: "http://vault-server:8200", NumRetries: 12},
		AutoAuth: &AutoAuth{
			Method: Method{
				Type: "approle", MountPath: "auth/approle", MinBackoff: time.Second, MaxBackoff: 5 * time.Minute,
				AppRole: &AppRole{
					RoleIDFilePath:              "/vault-agent/ids/role_id",
					SecretIDFilePath:            "/vault-agent/ids/secret_id",
					RemoveSecretIDFileAfterRead: true,
				},
			},
			Sinks: []Sink{{Path: "/vault-agent/vault-token-via-agent", Mode: 0o640, Owner: -1, Group: -1}},
		},
		TemplateConfig: engine(),
		Templates: []Template{{
			Name: "/webapp/config.ini", Source: "testdata/good/config.tmpl", Destination: "/webapp/config.ini",
			CreateDestDirs: true, ErrorFatal: true, Tmpfs: TmpfsWarn,
		}},
	}
}

// full is what full.hcl and full.json say.
func full() *Config {
	return &Config{
		Leases: defaultLeases(), OnExit: OnExit{Timeout: 10 * time.Second},
		PIDFile: "/run/renderer/pid", ExitAfterAuth: true, LogLevel: "warn", LogFormat: "json", TmpfsPolicy: TmpfsOff,
		Cache: &Cache{}, Log: LogFile{RotateDuration: 24 * time.Hour},
		Vault: Vault{
			Address: "https://vault.example.com:8200", CACert: "/etc/ssl/ca.pem", CAPath: "/etc/ssl/ca",
			ClientCert: "/etc/ssl/client.pem", ClientKey: "/etc/ssl/client.key", TLSSkipVerify: true,
			TLSServerName: "vault", Namespace: "team",
		},
		AutoAuth: &AutoAuth{
			Method: Method{
				Type: "approle", MountPath: "auth/approle-app", Namespace: "team/app",
				MinBackoff: 2 * time.Second, MaxBackoff: 24 * time.Hour, ExitOnErr: true,
				AppRole: &AppRole{
					RoleIDFilePath: "/ids/role", SecretIDFilePath: "/ids/secret",
					SecretIDResponseWrappingPath: "auth/approle-app/role/app/secret-id",
				},
			},
			Sinks: []Sink{
				{Path: "/run/token", Mode: 0o400, Owner: 1000, Group: 1001},
				{Path: "/run/token2", Mode: 0o640, Owner: -1, Group: -1},
				{Path: "/run/token3", Mode: 0o640, Owner: -1, Group: -1},
			},
		},
		TemplateConfig: TemplateConfig{
			ExitOnRetryFailure: true, StaticSecretRenderInterval: 10 * time.Minute,
			MaxConnectionsPerHost: 20, LeaseRenewalThreshold: 0.5,
			MaxOutput: 1000, MaxDuration: 2 * time.Second, MaxDepth: 50,
		},
		Templates: []Template{
			{
				Name: "db", Source: "testdata/good/config.tmpl", Destination: "/run/secrets/db.ini",
				ErrorOnMissingKey: true, Perms: 0o600, User: "app", Group: "1000",
				LeftDelimiter: "[[", RightDelimiter: "]]", Tmpfs: TmpfsRequire, AllowEmpty: true,
				Exec:   &Exec{Command: []string{"nginx", "-s", "reload"}, Timeout: 5 * time.Second},
				Signal: &Signal{PIDFile: "/run/app.pid", Signal: "SIGUSR1"},
			},
			{
				Name:        "/run/secrets/env",
				Contents:    "{{ with secret \"kv/data/app\" }}\nexport URL=\"mysql://${USER}@host/$${DB}?x=%{y}\"\n{{ end }}\n",
				Destination: "/run/secrets/env", CreateDestDirs: true, ErrorFatal: true, Perms: 0o640,
				User: "33", Group: "34", Tmpfs: TmpfsOff,
				Exec: &Exec{Command: []string{"systemctl reload app"}, Timeout: time.Minute},
			},
		},
	}
}

func strict() *Config {
	return &Config{
		Leases: defaultLeases(), OnExit: OnExit{Timeout: 10 * time.Second},
		Strict: true, TmpfsPolicy: TmpfsRequire, Vault: Vault{NumRetries: 12}, TemplateConfig: engine(), Log: LogFile{RotateDuration: 24 * time.Hour},
		AutoAuth: &AutoAuth{
			Method: Method{
				Type: "approle", MountPath: "auth/approle", MinBackoff: time.Second, MaxBackoff: 5 * time.Minute,
				AppRole: &AppRole{RoleIDFilePath: "/ids/role", RemoveSecretIDFileAfterRead: true},
			},
			Sinks: []Sink{{Path: "/run/token", Mode: 0o600, Owner: -1, Group: -1}},
		},
		Templates: []Template{
			{
				Name: "/run/x", Contents: "x", Destination: "/run/x", CreateDestDirs: true, ErrorFatal: true,
				Perms: 0o600, ErrorOnMissingKey: true, Tmpfs: TmpfsRequire,
			},
			{
				Name: "/run/y", Contents: "y", Destination: "/run/y", CreateDestDirs: true, ErrorFatal: true,
				Perms: 0o640, Tmpfs: TmpfsOff,
			},
		},
	}
}

func TestLoadGood(t *testing.T) {
	want := map[string]func() *Config{"seed": seed, "full": full, "strict": strict, "rollout": rollouts, "exec": supervised}
	files, err := filepath.Glob("testdata/good/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, ".tmpl") {
			continue
		}
		t.Run(filepath.Base(f), func(t *testing.T) {
			got, diags := LoadWith([]string{f}, Options{})
			if diags = others(diags); len(diags) > 0 {
				t.Fatal(text(t, got.Files, diags))
			}
			name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(f), filepath.Ext(f)), "-")
			if d := cmp.Diff(want[name](), got, ignoreRanges()); d != "" {
				t.Error(d)
			}
		})
	}
}

// write makes a directory with the given files.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, src := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const auth = `auto_auth {
  method "approle" { config { role_id_file_path = "/r" } }
  sink "file" { config { path = "/first" } }
}
`

func TestLoadMergesFiles(t *testing.T) {
	dir := write(t, map[string]string{
		"1.hcl": auth + `
pid_file        = "/one"
log_level       = "debug"
exit_after_auth = true
vault {
  address = "http://one"
  retry { num_retries = 3 }
}
template_config { max_connections_per_host = 7 }
template { 
  contents = "a" 
  destination = "/a" 
}`,
		"2.json": `{"pid_file": "/two", "log_level": "", "exit_after_auth": false, "vault": {"ca_cert": "/ca"},
 "template_config": {"max_connections_per_host": 10},
 "template": {"contents": "b", "destination": "/b"}}`,
		"3.hcl":      `auto_auth { method "approle" { config { role_id_file_path = "/r3" } } }`,
		"4.hcl~":     "syntax error here",
		".#5.hcl":    "syntax error here",
		"#6.hcl#":    "syntax error here",
		"readme.txt": "syntax error here",
	})
	if err := os.Mkdir(filepath.Join(dir, "7.hcl"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, diags := Load([]string{dir})
	if diags = others(diags); len(diags) > 0 {
		t.Fatal(text(t, c.Files, diags))
	}
	switch {
	case c.PIDFile != "/two", c.LogLevel != "debug", !c.ExitAfterAuth:
		t.Errorf("scalars: %+v", c)
	case c.Vault.Address != "", c.Vault.CACert != "/ca", c.Vault.NumRetries != 12:
		t.Errorf("vault is replaced whole: %+v", c.Vault)
	case c.AutoAuth.Method.AppRole.RoleIDFilePath != "/r3", len(c.AutoAuth.Sinks) != 0:
		t.Errorf("auto_auth is replaced whole: %+v", c.AutoAuth)
	case c.TemplateConfig.MaxConnectionsPerHost != 7:
		t.Errorf("a template_config of defaults replaces nothing: %+v", c.TemplateConfig)
	case len(c.Templates) != 2 || c.Templates[0].Contents != "a" || c.Templates[1].Contents != "b":
		t.Errorf("templates: %+v", c.Templates)
	case len(c.Files) != 3:
		t.Errorf("%d files", len(c.Files))
	}
}

func TestLoadStrictInAnotherFile(t *testing.T) {
	dir := write(t, map[string]string{"1.hcl": auth + `unknown = 1`, "2.hcl": "strict = true"})
	c, diags := Load([]string{filepath.Join(dir, "1.hcl"), filepath.Join(dir, "2.hcl")})
	if !diags.HasErrors() || c.AutoAuth.Sinks[0].Mode != 0o600 {
		t.Errorf("mode %o, %v", c.AutoAuth.Sinks[0].Mode, diags)
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := write(t, map[string]string{"readme.txt": ""})
	for _, paths := range [][]string{nil, {dir}, {filepath.Join(dir, "none.hcl"), filepath.Join(dir, "none.json")}} {
		c, diags := Load(paths)
		if c == nil || len(diags) != max(1, len(paths)) || !diags.HasErrors() {
			t.Errorf("%q: %v", paths, diags)
		}
	}
}

// TestLoadReportsEveryFile wants mistakes of all files at once, in order, and
// none that only follow from a file that could not be parsed.
func TestLoadReportsEveryFile(t *testing.T) {
	dir := write(t, map[string]string{
		"a.hcl": "auto_auth {", "b.hcl": "log_level = \"x\"\nlog_format = \"y\"", "c.hcl": "vault = 5",
	})
	_, diags := Load([]string{dir})
	var got []string
	for _, d := range diags {
		got = append(got, filepath.Base(d.Subject.Filename)+" "+d.Summary)
	}
	want := []string{"a.hcl Unclosed configuration block", "b.hcl Invalid value", "b.hcl Invalid value", "c.hcl Block expected"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestAllowDuplicates(t *testing.T) {
	t.Setenv(allowDuplicates, "true")
	c, diags := Load([]string{"testdata/bad/duplicate.hcl"})
	if diags = others(diags); len(diags) != 1 || diags.HasErrors() || c.PIDFile != "/b" {
		t.Errorf("%q: %v", c.PIDFile, diags)
	}
}

func TestLevel(t *testing.T) {
	for name, want := range map[string]slog.Level{
		"": slog.LevelInfo, "trace": slog.LevelDebug - 4, "debug": slog.LevelDebug, "info": slog.LevelInfo,
		"notice": slog.LevelInfo, "WARN": slog.LevelWarn, "err": slog.LevelError,
	} {
		if got := (&Config{LogLevel: name}).Level(); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// TestTemplateAt puts a mark into each template and wants At to find it in the file.
func TestTemplateAt(t *testing.T) {
	src := auth + `
template {
  destination = "/1"
  contents    = <<EOT
one
  two MARK
EOT
}
template {
  destination = "/2"
  contents    = <<-EOT
	    one
	      MARK
	    EOT
}
template {
  destination = "/3"
  contents    = <<-EOT
    one

    MARK
    EOT
}
template { contents = "MARK" destination = "/4" }
template {
  contents    = "one\nMARK"
  destination = "/5"
}
`
	lines := strings.Split(src, "\n")
	c, diags := build([]input{{"t.hcl", []byte(src)}}, settings{getenv: os.Getenv})
	if diags = others(diags); len(diags) > 0 {
		t.Fatal(diags)
	}
	for _, tpl := range c.Templates {
		before, _, _ := strings.Cut(tpl.Contents, "MARK")
		line := strings.Count(before, "\n") + 1
		col := len(before) - strings.LastIndex(before, "\n")
		name, fileLine, fileCol := tpl.At(line, col)
		found := lines[fileLine-1][fileCol-1:]
		if tpl.Name == "/5" { // an escaped line break: only the line can be right
			found = found[strings.Index(found, "MARK"):]
		}
		if name != "t.hcl" || !strings.HasPrefix(found, "MARK") {
			t.Errorf("%s: %d:%d is %d:%d, at %q", tpl.Name, line, col, fileLine, fileCol, found)
		}
	}
}

package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
)

// supervised is what exec.hcl and exec.json say.
func supervised() *Config {
	s := time.Second
	tpl := func(destination, rollout string) Template {
		return Template{
			Name: destination, Contents: "x", Destination: destination, Rollout: rollout,
			CreateDestDirs: true, ErrorFatal: true, Tmpfs: TmpfsWarn,
		}
	}
	return &Config{
		Leases: defaultLeases(), OnExit: OnExit{Timeout: 10 * s}, Log: LogFile{RotateDuration: 24 * time.Hour},
		TmpfsPolicy: TmpfsWarn, Vault: Vault{NumRetries: 12}, TemplateConfig: engine(),
		AutoAuth: &AutoAuth{Method: Method{
			Type: "approle", MountPath: "auth/approle", MinBackoff: s, MaxBackoff: 5 * time.Minute,
			AppRole: &AppRole{RoleIDFilePath: "/ids/role", RemoveSecretIDFileAfterRead: true},
		}},
		EnvTemplates: []EnvTemplate{
			{Variable: "DB_PASSWORD", Contents: `{{ with secret "kv/data/app" }}{{ .Data.data.password }}{{ end }}`, ErrorOnMissingKey: true},
			{
				Variable: "API_KEY", Source: "testdata/good/config.tmpl", ErrorFatal: true,
				LeftDelimiter: "[[", RightDelimiter: "]]", FunctionDenylist: []string{"env", "file"},
			},
		},
		Templates: []Template{tpl("/run/app/app.ini", "app"), tpl("/run/app/tls.pem", "tls")},
		Rollouts: []Rollout{
			{Name: "app", Revoke: RevokeAcked, Grace: 10 * s, Reload: &Reload{Child: true, Signal: "SIGUSR1", Method: "POST", Timeout: 30 * s, Retries: 3}},
			{Name: "tls", Revoke: RevokeAcked, Grace: 10 * s, Reload: &Reload{Child: true, Signal: "SIGUSR2", Method: "POST", Timeout: 30 * s}},
		},
		Exec: &Supervise{
			Command: []string{"/usr/bin/app", "--verbose"}, RestartOnSecretChanges: RestartRolling, StopSignal: "SIGINT",
			KillTimeout: 10 * s, ReloadSignal: "SIGUSR1", Splay: 5 * s, StartTimeout: 2 * time.Minute, VaultToken: true,
			WorkingDir: "/srv/app", User: "app", Group: "1000", Stdout: "/var/log/app.out", Stderr: "/var/log/app.err",
			Env:   ExecEnv{Custom: []string{"MODE=production", "EMPTY="}, Allowlist: []string{"PATH", "LC_*"}, Denylist: []string{"LC_ALL"}},
			Ready: &Ready{File: "/run/app/ready.{pid}", Timeout: 30 * s, Interval: s / 2},
			Sockets: []Socket{
				{Name: "http", Network: "tcp", Address: "0.0.0.0:8080", Mode: 0o600},
				{Name: "admin", Network: "unix", Address: "/run/app/admin.sock", Mode: 0o660},
			},
		},
	}
}

const someVariable = "env_template \"A\" {\n contents = \"x\"\n}\n"

// plainChild is an exec block that says nothing but its command.
func plainChild(command ...string) Supervise {
	return Supervise{
		Command: command, RestartOnSecretChanges: RestartAlways, StopSignal: "SIGTERM",
		KillTimeout: 30 * time.Second, Stdin: true, MaxRestarts: 5,
	}
}

// TestExecDefaults: Vault Agent's, and those of what is there and empty.
func TestExecDefaults(t *testing.T) {
	for src, change := range map[string]func(*Supervise){
		"":                                   func(*Supervise) {},
		`restart_on_secret_changes = ""`:     func(*Supervise) {},
		`restart_stop_signal = ""`:           func(*Supervise) {},
		"env {}":                             func(*Supervise) {},
		"env { pristine = true }":            func(x *Supervise) { x.Env.Pristine = true },
		`restart_stop_signal = "SIGIOT"`:     func(x *Supervise) { x.StopSignal = "SIGABRT" },
		`kill_signal = "quit"`:               func(x *Supervise) { x.StopSignal = "SIGQUIT" },
		`start_timeout = "0s"`:               func(*Supervise) {},
		`working_dir = "/there/will/be/one"`: func(x *Supervise) { x.WorkingDir = "/there/will/be/one" },
		"ready { notify = true }": func(x *Supervise) {
			x.Ready = &Ready{Notify: true, Timeout: time.Minute, Interval: 100 * time.Millisecond}
		},
		"ready { address = \":80\" }": func(x *Supervise) {
			x.Ready = &Ready{Address: ":80", Timeout: time.Minute, Interval: 100 * time.Millisecond}
		},
		"ready { command = \"test -e x, y\" }": func(x *Supervise) {
			x.Ready = &Ready{Command: []string{"test -e x, y"}, Timeout: time.Minute, Interval: 100 * time.Millisecond}
		},
		"socket \"x\" { address = \":80\" }": func(x *Supervise) {
			x.Sockets = []Socket{{Name: "x", Network: "tcp", Address: ":80", Mode: 0o600}}
		},
	} {
		want := plainChild("app")
		change(&want)
		c, warnings := loadText(t, inMethod("cert", "")+someVariable+"exec {\n command = [\"app\"]\n"+src+"\n}\n")
		if d := cmp.Diff(&want, c.Exec, ignoreRanges()); d != "" || len(warnings) > 0 {
			t.Errorf("%s: %s %q", src, d, warnings)
		}
	}
}

// TestExecMerges: variables are collected, exec is replaced whole, and nothing
// is said of what was replaced.
func TestExecMerges(t *testing.T) {
	dir := write(t, map[string]string{
		"1.hcl": auth + someVariable + "exec {\n command = [\"one\"]\n stdin = false\n ready { url = \"http://u:canary-p@h/\" }\n}\n",
		"2.hcl": "env_template \"B\" {\n contents = \"y\"\n}\nexec { command = [\"two\"] }\n",
	})
	c, diags := LoadWith([]string{dir}, Options{})
	want := plainChild("two")
	if d := cmp.Diff(&want, c.Exec, ignoreRanges()); d != "" || len(c.EnvTemplates) != 2 {
		t.Error(d, c.EnvTemplates)
	}
	if diags = diagsBut(diags, missingKeys); len(diags) > 0 {
		t.Error(text(t, c.Files, diags))
	}
}

// TestCommandLine: a command there counts in the place of exec's, and does
// without the block.
func TestCommandLine(t *testing.T) {
	words := []string{"app", "-v", "a b"}
	for src, stdin := range map[string]bool{
		someVariable:                        true,
		someTemplate + "rollout \"app\" {}": true,
		someTemplate + "rollout \"app\" {\n reload { child = true }\n}\n": true,
		someVariable + "exec { stdin = false }":                           false,
		someVariable + "exec {\n command = [\"x\"]\n stdin = false\n}":    false,
		someVariable + "exec {\n command = []\n stdin = false\n}":         false,
	} {
		dir := write(t, map[string]string{"1.hcl": inMethod("cert", "") + src})
		c, diags := LoadWith([]string{dir}, Options{ExecFromCommandLine: words})
		if diags = others(diags); len(diags) > 0 {
			t.Fatal(text(t, c.Files, diags))
		}
		want := plainChild(words...)
		want.Stdin = stdin
		if d := cmp.Diff(&want, c.Exec, ignoreRanges()); d != "" || c.Exec.Range.Start.Line == 0 {
			t.Errorf("%s: %s", src, d)
		}
	}
}

// TestCommandLineRefused: as what stands in a file.
func TestCommandLineRefused(t *testing.T) {
	for _, c := range []struct {
		src, want string
		o         Options
	}{
		{inMethod("cert", ""), "Missing env_template", Options{ExecFromCommandLine: []string{"app"}}},
		{inMethod("cert", "") + someVariable, "Missing command", Options{ExecFromCommandLine: []string{""}}},
		{inMethod("cert", "") + someVariable, "Missing exec", Options{}},
		{"auto_auth {}\n" + someVariable + "exec { ready {} }", "Missing method", Options{ExecFromCommandLine: []string{"app"}}},
	} {
		_, diags := LoadWith([]string{write(t, map[string]string{"1.hcl": c.src})}, c.o)
		if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return d.Summary == c.want && d.Subject.Start.Line > 0 }) {
			t.Errorf("%s: %v", c.want, diags)
		}
	}
}

// TestExecWithoutLogin: templates are tested whatever command gets them.
func TestExecWithoutLogin(t *testing.T) {
	src := someVariable + someTemplate + "rollout \"app\" {\n reload { child = true }\n}\n"
	c, diags := LoadWith([]string{write(t, map[string]string{"1.hcl": src})}, Options{NoLogin: true})
	if diags.HasErrors() || len(c.EnvTemplates) != 1 || c.Rollouts[0].Reload.Signal != "SIGHUP" {
		t.Errorf("%+v %v", c.EnvTemplates, diags)
	}
}

// TestEnvTemplateAt finds a place in a variable's template in the file.
func TestEnvTemplateAt(t *testing.T) {
	c, _ := loadText(t, inMethod("cert", "")+"exec { command = [\"app\"] }\nenv_template \"A\" {\n contents = <<EOT\none\n two MARK\nEOT\n}\n")
	name, line, col := c.EnvTemplates[0].At(2, 6)
	src := strings.Split(string(c.Files["x.hcl"].Bytes), "\n")
	if name != "x.hcl" || !strings.HasPrefix(src[line-1][col-1:], "MARK") {
		t.Errorf("%s:%d:%d", name, line, col)
	}
}

// TestMaskedVariables: also in a file that cannot be parsed.
func TestMaskedVariables(t *testing.T) {
	for _, src := range []string{
		"custom = [\"A=canary-a\", \"B=canary \\\"b\\\"\",\n \"C=canary-c\"]",
		"custom = [[\"A=canary-a\"], { B = \"canary-b\" }]",
		"custom = \"canary-a\"",
		"env = { A = \"canary-a\" B = [\"canary-b\"] }",
		"environment = [\"A=canary-a\"]",
		"exec { env { A = \"canary-a\" } }",
	} {
		for _, behind := range []string{"\n", "\nx = {", "\nx = \"", " }"} {
			f, b, _ := parse(input{"x.hcl", []byte(src + behind)}, false)
			nested := strings.Contains(src, "{")
			if strings.Contains(string(f.Bytes), "canary") && (len(b.items) > 0 || !nested) {
				t.Errorf("%s%s: %s", src, behind, f.Bytes)
			}
		}
	}
}

// TestRefusedAsVaultAgentDoes: what testbed/dropin shows Vault Agent to refuse
// is refused here because of what is wrong with it.
func TestRefusedAsVaultAgentDoes(t *testing.T) {
	cases, err := filepath.Glob("../../../testbed/dropin/testdata/cases/*exec*.txtar")
	more, _ := filepath.Glob("../../../testbed/dropin/testdata/cases/*env-template*.txtar")
	cases = slices.DeleteFunc(append(cases, more...), func(f string) bool {
		b, err := os.ReadFile(f)
		own := strings.Contains(f, "invalid-exec-and-template") || // allowed here
			strings.HasPrefix(filepath.Base(f), "exec-") // those run
		return err != nil || own || !strings.Contains(string(b), "env_template") && !strings.Contains(f, "no-env-template") || !strings.Contains(string(b), "\nexit 1\n")
	})
	if err != nil || len(cases) < 9 {
		t.Fatal(len(cases), err)
	}
	for _, f := range cases {
		a, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for _, x := range a.Files {
			if err := os.WriteFile(filepath.Join(dir, x.Name), x.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if c, diags := LoadWith([]string{filepath.Join(dir, "agent.hcl")}, Options{}); !diags.HasErrors() {
			t.Errorf("%s: not refused: %+v", filepath.Base(f), c.Exec)
		}
	}
}

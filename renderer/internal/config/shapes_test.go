package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestJSONShapes has every shape of JSON that Vault Agent loads, those that it
// loses values from, and those that it need not have refused.
func TestJSONShapes(t *testing.T) {
	const (
		method = `{"type": "approle", "config": {"role_id_file_path": "/r"}}`
		sink   = `{"type": "file", "config": {"path": "/t"}}`
		rest   = `, "auto_auth": {"method": [` + method + `], "sink": [` + sink + `]}}`
	)
	for src, check := range map[string]func(*Config) bool{
		`{"auto_auth": {"method": ` + method + `, "sink": [` + sink + `]}}`:                                         nil,
		`{"auto_auth": {"method": [` + method + `], "sinks": [{"sink": ` + sink + `}, {"sink": ` + sink + `}]}}`:    func(c *Config) bool { return len(c.AutoAuth.Sinks) == 2 },
		`{"auto_auth": [{"method": [` + method + `], "sink": ` + sink + `}]}`:                                       nil,
		`{"auto_auth": {"method": ` + method + `, "sink": ` + sink + `}}`:                                           nil,
		`{"auto_auth": {"method": ` + method + `}, "template": {"contents": "x", "destination": "/x"}}`:             func(c *Config) bool { return len(c.Templates) == 1 },
		`{"auto_auth": {"enable_reauth_on_new_credentials": false, "method": ` + method + `, "sink":` + sink + `}}`: nil,
		`{"auto_auth": {"method": {"approle": {"mount_path": "auth/x", "config": {"role_id_file_path": "/r"}}}, "sink": [` + sink + `]}}`: func(c *Config) bool {
			return c.AutoAuth.Method.MountPath == "auth/x"
		},
		`{"auto_auth": {"method": {"approle": {"config": {"role_id_file_path": "/r"}}}, "sink": [{"file": {"config": {"path": "/t"}}}]}}`: nil,
		`{"auto_auth": {"method": [{"type": "approle", "config": [{"role_id_file_path": "/r"}]}], "sink": [` + sink + `]}}`:               nil,
		`{"Auto_Auth": {"METHOD": [{"TYPE": "approle", "Config": {"role_id_file_path": "/r"}}], "sink": [` + sink + `]}}`:                 nil,
		`{"pid_file": null` + rest:                                                   func(c *Config) bool { return c.PIDFile == "" },
		`{"pid_file": "/x", "pid_file": "/y"` + rest:                                 func(c *Config) bool { return c.PIDFile == "/y" },
		`{"vault": {"retry": {"num_retries": 5}}` + rest:                             func(c *Config) bool { return c.Vault.NumRetries == 5 },
		`{"vault": [{"address": "https://v", "retry": [{"num_retries": 5}]}]` + rest: func(c *Config) bool { return c.Vault.NumRetries == 5 },
		`{"listener": {"tcp": {"role": "metrics_only", "tls_disable": true}}` + rest: func(c *Config) bool { return c.Listeners[0].Type == "tcp" },
		`{"listener": {"type": "tcp", "role": "metrics_only", "tls_disable": true}` + rest: func(c *Config) bool {
			return c.Listeners[0].Type == "tcp"
		},
		`{"listener": [{"tcp": {"role": "metrics_only", "tls_disable": true}}, {"unix": {"address": "/s", "role": "metrics_only", "tls_disable": true, "agent_api": {"enable_quit": true}}}]` + rest: func(c *Config) bool {
			return len(c.Listeners) == 2 && c.Listeners[1].EnableQuit
		},
		`{"template": {"contents": "x", "destination": "/x", "wait": {"min": "2s"}, "exec": {"command": ["x"]}}` + rest: func(c *Config) bool {
			return c.Templates[0].Wait.Min == 2*time.Second && len(c.Templates[0].Exec.Command) == 1
		},
		`{"template": [{"contents": "x", "destination": "/x"}, {"name": {"contents": "y", "destination": "/y"}}]` + rest: func(c *Config) bool {
			return len(c.Templates) == 2 && c.Templates[1].Name == "name"
		},
		`{"telemetry": {"prefix_filter": ["+x"]}` + rest: func(c *Config) bool { return len(c.Telemetry.AllowedPrefixes) == 1 },
		`{"disable_keep_alives": ["caching",],"vault":{"address": "a,]b",},` + strings.TrimPrefix(rest, ",") + ` {"pid_file": 5} } "x`: func(c *Config) bool {
			return c.DisableKeepAlives.Proxying && c.Vault.Address == "a,]b"
		},
		`{"env_template": {"A": {"contents": "x"}, "B": {"contents": "y"}}, "exec": {"command": ["x"]}` + rest:     func(c *Config) bool { return len(c.EnvTemplates) == 2 },
		`{"env_template": [{"A": {"contents": "x"}}, {"B": {"contents": "y"}}], "exec": {"command": ["x"]}` + rest: func(c *Config) bool { return c.EnvTemplates[1].Variable == "B" },
		`{"env_template": {"A": {"contents": "x"}}, "exec": [{"command": ["x"], "socket": [{"s": {"address": ":1"}}]}]` + rest: func(c *Config) bool {
			return c.Exec.Sockets[0].Name == "s"
		},
		"\n\t  {\"exit_after_auth\": true" + rest: func(c *Config) bool { return c.ExitAfterAuth },
	} {
		c, _ := loadText(t, src)
		if a := c.AutoAuth; a.Method.AppRole.RoleIDFilePath != "/r" || len(c.Templates) == 0 && a.Sinks[0].Path != "/t" || check != nil && !check(c) {
			t.Errorf("%s: %+v", src, c)
		}
	}
}

// TestRefusedJSONShapes: these are read in full too, and refused for one reason only.
func TestRefusedJSONShapes(t *testing.T) {
	rest := `, "auto_auth": {"method": [{"type": "cert"}]}}`
	for src, check := range map[string]func(*Config) bool{
		`{"cache": {"persist": {"type": "kubernetes", "path": "/c"}}, "template": {"contents": "x", "destination": "/x"}` + rest: func(c *Config) bool {
			return c.Cache.Persist.Path == "/c"
		},
		`{"cache": {"persist": [{"kubernetes": {"path": "/c"}}]}, "template": {"contents": "x", "destination": "/x"}` + rest: func(c *Config) bool {
			return c.Cache.Persist.Type == "kubernetes"
		},
	} {
		c, diags := build([]input{{"x.json", []byte(src)}}, settings{getenv: os.Getenv})
		if errs := diags.Errs(); len(errs) != 1 || !strings.Contains(errs[0].Error(), "Not supported in this version") || !check(c) {
			t.Errorf("%s: %v", src, diags)
		}
	}
}

// TestMergeRules: one line for each rule of joining files.
func TestMergeRules(t *testing.T) {
	tcp := func(port int) string {
		return fmt.Sprintf("listener \"tcp\" {\n address = \"127.0.0.1:%d\"\n role = \"metrics_only\"\n tls_disable = true\n}\n", port)
	}
	c, diags := Load([]string{write(t, map[string]string{
		"1.hcl": auth + tcp(1) + `
log_file                 = "/1"
log_rotate_duration      = "1h"
log_rotate_bytes         = 100
log_rotate_max_files     = 3
cluster_name             = "one"
disable_idle_connections = ["auto-auth"]
disable_keep_alives      = ["templating"]
telemetry { statsd_address = "a:1" }
cache { use_auto_auth_token = true }`,
		"2.hcl": tcp(2) + `
log_file                 = ""
log_rotate_bytes         = 0
disable_idle_connections = ["proxying"]
disable_keep_alives      = []
telemetry { statsite_address = "b:2" }
cache {}`,
	})})
	if diags = others(diags); len(diags) > 0 {
		t.Fatal(text(t, c.Files, diags))
	}
	switch {
	case c.Log != LogFile{"/1", time.Hour, 0, 3}:
		t.Errorf("the last that is not empty, the last number that is there: %+v", c.Log)
	case c.ClusterName != "one":
		t.Error(c.ClusterName)
	case c.DisableIdleConns != Traffic{AutoAuth: true, Proxying: true}, c.DisableKeepAlives != Traffic{Templating: true}:
		t.Errorf("what is switched on stays on: %+v %+v", c.DisableIdleConns, c.DisableKeepAlives)
	case c.Telemetry.StatsdAddress != "", c.Telemetry.StatsiteAddress != "b:2":
		t.Errorf("telemetry is replaced whole: %+v", c.Telemetry)
	case c.APIProxy != nil:
		t.Errorf("cache is replaced whole: %+v", c.APIProxy)
	case len(c.Listeners) != 2:
		t.Errorf("listeners are appended: %+v", c.Listeners)
	}
}

// TestReplacedBlocksAreForgotten: what a later file replaced is no danger any more.
func TestReplacedBlocksAreForgotten(t *testing.T) {
	dir := write(t, map[string]string{
		"1.hcl": auth + `vault {
  address         = "http://vault:8200"
  tls_skip_verify = true
}`,
		"2.hcl": `vault { address = "https://vault:8200" }`,
	})
	if _, diags := Load([]string{dir}); len(diags) > 0 {
		t.Error(diags)
	}
}

func TestLoopbackIsSafe(t *testing.T) {
	for addr, safe := range map[string]bool{
		"http://127.0.0.1:8200": true, "http://localhost:8200": true, "http://[::1]:8200": true, "http://127.1.2.3": true,
		"https://vault:8200": true, "unix:///run/v.sock": true, "http://vault:8200": false, "http://10.0.0.1": false, "http://127.0.0.1.example.com": false,
	} {
		_, diags := build([]input{{"x.hcl", []byte(auth + "vault { address = \"" + addr + "\" }")}}, settings{getenv: os.Getenv})
		if safe != (len(diags) == 0) {
			t.Errorf("%s: %v", addr, diags)
		}
	}
}

// TestStrictOption: -strict says the same as strict = true in a file.
func TestStrictOption(t *testing.T) {
	src := auth + "unknown = 1\ntemplate {\n contents = \"x\"\n destination = \"/x\"\n}\n"
	dir := write(t, map[string]string{"plain.hcl": src, "strict.hcl": src + "strict = true\n"})
	byFlag, diags1 := LoadWith([]string{filepath.Join(dir, "plain.hcl")}, Options{Strict: true})
	byFile, diags2 := Load([]string{filepath.Join(dir, "strict.hcl")})
	if d := cmp.Diff(byFile, byFlag, ignoreRanges()); d != "" || !byFlag.Strict {
		t.Error(d)
	}
	if len(diags1) != 1 || len(diags2) != 1 || diags1[0].Summary != diags2[0].Summary || !diags1.HasErrors() || !diags2.HasErrors() {
		t.Errorf("%v, %v", diags1, diags2)
	}
	if tpl := byFlag.Templates[0]; tpl.Perms != 0o600 || !tpl.ErrorOnMissingKey || tpl.Tmpfs != TmpfsRequire || byFlag.AutoAuth.Sinks[0].Mode != 0o600 {
		t.Errorf("%+v", tpl)
	}
}

// TestLoadWithErrorsKeepsTheRest: mistakes in templates can be looked for in the same round.
func TestLoadWithErrorsKeepsTheRest(t *testing.T) {
	dir := write(t, map[string]string{
		"1.hcl": "auto_auth {\n method \"nothing\" {}\n}\n", "2.hcl": "syntax error",
		"3.hcl": "template {\n contents = \"x\"\n destination = \"/x\"\n perms = \"rw\"\n}\ntemplate {\n contents = \"y\"\n}\n",
	})
	c, diags := Load([]string{dir, filepath.Join(dir, "none.hcl"), filepath.Join(dir, "nor.hcl")})
	if c == nil || len(c.Templates) != 2 || c.Templates[1].Contents != "y" || c.AutoAuth == nil || len(c.Files) != 3 {
		t.Errorf("%+v", c)
	}
	if n := len(others(diags).Errs()); n != 6 {
		t.Errorf("%d errors: %v", n, diags)
	}
}

// TestEmptyDirectory: it says nothing beside other files, and is wrong alone.
func TestEmptyDirectory(t *testing.T) {
	dir, empty := write(t, map[string]string{"a.hcl": auth}), t.TempDir()
	if _, diags := Load([]string{empty, dir}); len(diags) != 1 || diags.HasErrors() {
		t.Error(diags)
	}
	if _, diags := Load([]string{empty}); len(diags) != 1 || !diags.HasErrors() {
		t.Error(diags)
	}
}

// TestHostileFiles: each is one diagnostic, soon, and the process lives on.
func TestHostileFiles(t *testing.T) {
	const n = 1 << 20
	for name, src := range map[string]string{
		"json lists":    `{"a":` + strings.Repeat("[", n),
		"json objects":  strings.Repeat(`{"a":`, n),
		"json closed":   `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}",
		"json commas":   `{"a" ` + strings.Repeat(`"b", `, n/8),
		"json commas 2": `{"a": [` + strings.Repeat("[1,],", n/8),
		"json quotes":   `{` + strings.Repeat(`"\"`, n/4),
		"hcl blocks":    strings.Repeat("a {\n", n/4),
		"hcl lists":     "a = " + strings.Repeat("[", n),
		"hcl2 strings":  `a = "` + strings.Repeat("${", n) + "\nb",
		"hcl2 signs":    "a = " + strings.Repeat("!", n),
	} {
		_, diags := build([]input{{"x", []byte(src)}}, settings{getenv: os.Getenv})
		if len(diags) != 1 || !diags.HasErrors() {
			t.Errorf("%s: %d diagnostics", name, len(diags))
		}
	}
}

// TestEndlessFile: a path that names something without an end.
func TestEndlessFile(t *testing.T) {
	if _, diags := Load([]string{"/dev/zero"}); len(diags) != 1 || !strings.Contains(diags.Error(), "larger than") {
		t.Error(diags)
	}
}

func TestAliases(t *testing.T) {
	known := map[string]bool{}
	var collect func(*Section)
	collect = func(s *Section) {
		known[s.Name] = true
		for _, k := range s.Keys {
			known[k.Name] = true
			if k.Section != nil {
				collect(k.Section)
			}
		}
		for _, v := range s.Variants {
			collect(v)
		}
	}
	collect(Schema())
	for written, meant := range aliases() {
		for _, k := range meant {
			if !known[k] {
				t.Errorf("%s: there is no %s", written, k)
			}
		}
	}
}

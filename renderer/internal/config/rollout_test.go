package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rollouts is what rollout.hcl and rollout.json say.
func rollouts() *Config {
	s := time.Second
	tpl := func(destination, rollout string) Template {
		return Template{
			Name: destination, Contents: "x", Destination: destination, Rollout: rollout,
			CreateDestDirs: true, ErrorFatal: true, Tmpfs: TmpfsWarn,
		}
	}
	return &Config{
		TmpfsPolicy: TmpfsWarn, Vault: Vault{NumRetries: 12}, TemplateConfig: engine(), Log: LogFile{RotateDuration: 24 * time.Hour},
		AutoAuth: &AutoAuth{Method: Method{
			Type: "approle", MountPath: "auth/apps", MinBackoff: s, MaxBackoff: 5 * time.Minute,
			AppRole: &AppRole{
				RoleIDFilePath: "/run/role_id", SecretIDFilePath: "/run/secret_id", RemoveSecretIDFileAfterRead: true,
				SecretIDRenew: true, SecretIDRenewPath: "team/auth/apps/role/app/secret-id", SecretIDRenewWrapTTL: time.Hour,
			},
		}},
		StateFile: "run/state",
		OnExit:    OnExit{Revoke: true, Timeout: 20 * s},
		Leases:    Leases{ReplaceBefore: 5 * time.Minute, LookupInterval: -1, OwnToken: true, Revoke: RevokeAlways, Grace: time.Minute},
		Status:    &Status{Address: "unix:///run/renderer/status.sock", Mode: 0o660, User: "renderer", Group: "33"},
		Rollouts: []Rollout{
			{
				Name: "proxy", Splay: 5 * s, Revoke: RevokeNever, Grace: time.Minute,
				Check:  &Check{Command: []string{"nginx", "-t", "-c", "{/run/nginx/nginx.conf}"}, Timeout: 5 * s},
				Reload: &Reload{Process: "nginx", Signal: "SIGHUP", Method: "POST", Timeout: 30 * s, Retries: 3},
			},
			{
				Name: "app", Revoke: RevokeAcked,
				Check:  &Check{Command: []string{`test -s "$1", true`}, Timeout: 30 * s},
				Reload: &Reload{URL: "unix:///run/app.sock:/reload", Signal: "SIGHUP", Method: "PUT", Timeout: 5 * s},
				Ack:    &Ack{URL: "http://127.0.0.1:8080/-/generation", Destination: "/run/app/app.ini", Timeout: 30 * s, Interval: s},
			},
			{
				Name: "plain", Revoke: RevokeAlways, Grace: time.Minute,
				Reload: &Reload{PIDFile: "/run/plain.pid", Signal: "SIGUSR1", Method: "POST", Timeout: 30 * s, Retries: 3},
				Ack:    &Ack{File: "/run/plain.ack", Timeout: time.Minute, Interval: s / 4},
			},
			{
				Name: "commands", Revoke: RevokeAlways, Grace: time.Minute,
				Reload: &Reload{Command: []string{"systemctl", "reload", "app"}, Signal: "SIGHUP", Method: "POST", Timeout: 30 * s, Retries: 3},
				Ack:    &Ack{Command: []string{"app-status --digest"}, Timeout: time.Minute, Interval: s / 4},
			},
		},
		Templates: []Template{
			tpl("/run/nginx/nginx.conf", "proxy"), tpl("/run/app/app.ini", "app"), tpl("/run/app/my.cnf", "app"),
			tpl("/run/plain", "plain"), tpl("/run/commands", "commands"),
		},
	}
}

const someTemplate = "template {\n contents = \"x\"\n destination = \"/run/x\"\n rollout = \"app\"\n}\n"

// TestLeaseDefaults: of what is not there, and of what is there and empty.
func TestLeaseDefaults(t *testing.T) {
	m := time.Minute
	for src, want := range map[string]Leases{
		"":                                  {Revoke: RevokeAcked, Grace: m / 6},
		"lease {}":                          {Revoke: RevokeAcked, Grace: m / 6},
		"lease { grace = 0 }":               {Revoke: RevokeAcked},
		`lease { revoke = "" }`:             {Revoke: RevokeAcked, Grace: m / 6},
		`lease { lookup_interval = "OFF" }`: {Revoke: RevokeAcked, Grace: m / 6, LookupInterval: -1},
		`lease { lookup_interval = "0s" }`:  {Revoke: RevokeAcked, Grace: m / 6, LookupInterval: -1},
		"lease { lookup_interval = 60 }":    {Revoke: RevokeAcked, Grace: m / 6, LookupInterval: m},
		`lease { replace_before = "0s" }`:   {Revoke: RevokeAcked, Grace: m / 6},
	} {
		c, warnings := loadText(t, inMethod("cert", "")+src)
		if d := cmp.Diff(want, c.Leases, ignoreRanges()); d != "" || len(warnings) > 0 {
			t.Errorf("%s: %s %q", src, d, warnings)
		}
		if c.OnExit.Revoke || c.OnExit.Timeout != 10*time.Second || c.Status != nil || c.StateFile != "" {
			t.Errorf("%s: %+v %+v %q", src, c.OnExit, c.Status, c.StateFile)
		}
	}
}

// TestRolloutDefaults: revoke and grace are those of the lease block.
func TestRolloutDefaults(t *testing.T) {
	for src, want := range map[string]Rollout{
		"rollout \"app\" {}": {Revoke: RevokeAcked, Grace: 10 * time.Second},
		"rollout \"app\" {}\nlease { revoke = \"always\" }":               {Revoke: RevokeAlways, Grace: 10 * time.Second},
		"lease { grace = 5 }\nrollout \"app\" { revoke = \"NEVER\" }":     {Revoke: RevokeNever, Grace: 5 * time.Second},
		"lease { revoke = \"always\" }\nrollout \"app\" { grace = \"0\"}": {Revoke: RevokeAlways},
	} {
		want.Name = "app"
		c, warnings := loadText(t, inMethod("cert", "")+someTemplate+src)
		if d := cmp.Diff([]Rollout{want}, c.Rollouts, ignoreRanges()); d != "" || len(warnings) > 0 {
			t.Errorf("%s: %s %q", src, d, warnings)
		}
	}
}

// TestRolloutsMerge: rollouts are collected, lease and status are replaced
// whole, and of single values the last that is set counts.
func TestRolloutsMerge(t *testing.T) {
	c, diags := Load([]string{write(t, map[string]string{
		"1.hcl": auth + someTemplate + `
state_file      = "/run/state1"
on_exit         = "revoke"
on_exit_timeout = "1m"
lease {
  own_token = true
  grace     = "1h"
}
status { address = "0.0.0.0:1" }
rollout "other" {}`,
		"2.hcl": `
rollout "app" {}
lease { revoke = "never" }
status { address = "127.0.0.1:1" }
state_file = ""
on_exit    = ""`,
		"3.json": `{"state_file": "/run/state3", "template": {"contents": "y", "destination": "/run/y", "rollout": "other"}}`,
	})})
	if diags = diagsBut(diags, noPerms, missingKeys); len(diags) > 0 {
		t.Fatal(text(t, c.Files, diags)) // not even a warning of the status that was replaced
	}
	switch {
	case len(c.Rollouts) != 2 || c.Rollouts[0].Name != "other" || c.Rollouts[0].Revoke != RevokeNever || c.Rollouts[0].Grace != 10*time.Second:
		t.Errorf("%+v", c.Rollouts)
	case c.Leases.OwnToken, c.Leases.Revoke != RevokeNever, c.Leases.Grace != 10*time.Second:
		t.Errorf("lease is replaced whole: %+v", c.Leases)
	case c.Status.Address != "127.0.0.1:1", c.Status.Mode != 0o600:
		t.Errorf("status is replaced whole: %+v", c.Status)
	case c.StateFile != "/run/state3", filepath.Base(c.StateFileRange.Filename) != "3.json":
		t.Errorf("%s at %v", c.StateFile, c.StateFileRange)
	case !c.OnExit.Revoke, c.OnExit.Timeout != time.Minute, filepath.Base(c.OnExit.Range.Filename) != "1.hcl", c.OnExit.Range.Start.Line == 0:
		t.Errorf("%+v", c.OnExit)
	}
}

// TestRolloutsWithoutLogin: templates are tested without auto_auth, whatever
// rollout they belong to.
func TestRolloutsWithoutLogin(t *testing.T) {
	dir := write(t, map[string]string{"1.hcl": someTemplate + "rollout \"app\" {\n ack { file = \"/run/ack\" }\n}\n"})
	c, diags := LoadWith([]string{dir}, Options{NoLogin: true})
	if diags.HasErrors() || c.Templates[0].Rollout != "app" || c.Templates[0].RolloutRange.Start.Line != 4 {
		t.Errorf("%+v %v", c.Templates, diags)
	}
}

// TestSecretIDRenewPath: it is that of the wrapping token when not set.
func TestSecretIDRenewPath(t *testing.T) {
	const head = "role_id_file_path = \"/r\"\nsecret_id_file_path = \"/s\"\nsecret_id_renew = true\nremove_secret_id_file_after_reading = false\n"
	const at = "auth/approle/role/app/secret-id"
	for src, want := range map[string]string{
		`secret_id_response_wrapping_path = "` + at + `"`:                                                at,
		`secret_id_renew_path = "` + at + `"`:                                                            at,
		"secret_id_response_wrapping_path = \"sys/wrapping/wrap\"\nsecret_id_renew_path = \"" + at + `"`: at,
		`secret_id_renew_path = "team/auth/approle/role/app/secret-id"`:                                  "team/" + at,
	} {
		c, warnings := loadText(t, inMethod("approle", head+src))
		if r := c.AutoAuth.Method.AppRole; r.SecretIDRenewPath != want || !r.SecretIDRenew || r.SecretIDRenewWrapTTL != 0 || len(warnings) > 0 {
			t.Errorf("%s: %+v %q", src, r, warnings)
		}
	}
}

// TestRolloutLabelsJSON: a rollout of JSON has its name as a key.
func TestRolloutLabelsJSON(t *testing.T) {
	for _, src := range []string{
		`"rollout": {"app": {}}`, `"rollout": {"app": {"ack": {"file": "/f"}}}`, `"rollout": [{"app": {"splay": 5}}]`, `"rollout": {"app": [{"splay": "5s"}]}`,
	} {
		c, _ := loadText(t, `{"auto_auth": {"method": [{"type": "cert"}]}, "template": {"contents": "x", "destination": "/run/x", "rollout": "app"}, `+src+"}")
		if len(c.Rollouts) != 1 || c.Rollouts[0].Name != "app" {
			t.Errorf("%s: %+v", src, c.Rollouts)
		}
	}
}

// TestURLs: what is taken, and what is shown of a login in one.
func TestURLs(t *testing.T) {
	for url, ok := range map[string]bool{
		"http://127.0.0.1/": true, "https://app.example.com:8443/x?y=z": true, "HTTP://[::1]:80": true, "unix:///s:/": true, "unix:///run/a.sock:/x/y?z": true,
		"http://user@host/": true, "http://": false, "//host/": false, "unix:///s": false, "unix://:/x": false, "unix:///:/x": false, "unix:///s:x": false, "http://h:port/": false,
		"http://h/\\u007f": false,
	} {
		src := auth + someTemplate + "rollout \"app\" {\n ack { url = \"" + url + "\" }\n}\n"
		_, diags := build([]input{{"x.hcl", []byte(src)}}, settings{getenv: os.Getenv})
		if diags.HasErrors() == ok {
			t.Errorf("%s: %v", url, diags)
		}
	}
	for in, want := range map[string]string{
		"http://u:p@h/":    "http://***@h/",
		"a b://c@d@e f@g":  "a b://***@e f@g",
		"x://h/a@b y://c@": "x://h/a@b y://*@",
		"://@ :// ://":     "://@ :// ://",
		"\"h://a\"b@c":     "\"h://a\"b@c",
		"mail me@host":     "mail me@host",
	} {
		got := []byte(in)
		if blotLogins(got); string(got) != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// TestMaskedLogin: also in a file that cannot be parsed; a template is left as it is.
func TestMaskedLogin(t *testing.T) {
	for src, masked := range map[string]bool{
		"x = \"http://canary-u:canary-p@h/\"\n":                                 true,
		"x = [\"curl\", \"http://canary-u:canary-p@h/\"]\n":                     true,
		"x = \"http://canary-u:canary-p@h/\"\ny = {":                            true,
		"template {\n contents = \"mysql://canary-u:{{ .Data.canary }}@h/\"\n}": false,
	} {
		f, _, _ := parse(input{"x.hcl", []byte(src)}, false)
		if strings.Contains(string(f.Bytes), "canary-") == masked || len(f.Bytes) != len(src) {
			t.Errorf("%s: %s", src, f.Bytes)
		}
	}
}

package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// loadText loads one file from memory and wants no error; the warnings are returned.
func loadText(t *testing.T, src string) (*Config, []string) {
	t.Helper()
	env := func(name string) string { return map[string]string{"AAD": "canary-aad"}[name] }
	c, diags := build([]input{{"x.hcl", []byte(src)}}, settings{getenv: env})
	if diags.HasErrors() {
		t.Fatalf("%s\n%s", src, text(t, c.Files, diags))
	}
	var warnings []string
	for _, d := range others(diags) {
		warnings = append(warnings, d.Summary)
	}
	return c, warnings
}

// inMethod is a whole configuration around a method's config.
func inMethod(method, config string) string {
	return fmt.Sprintf("auto_auth {\n method %q {\n config {\n%s\n}\n}\n sink \"file\" { config { path = \"/t\" } }\n}\n", method, config)
}

// methodCase is the config of a method, and what Method must hold for it.
type methodCase struct {
	method, config string
	want           any
	got            func(Method) any
	warnings       []string
}

func (c methodCase) test(t *testing.T) {
	cfg, warnings := loadText(t, inMethod(c.method, c.config))
	m := cfg.AutoAuth.Method
	if d := cmp.Diff(c.want, c.got(m)); d != "" || m.MountPath != "auth/"+c.method {
		t.Errorf("%s: %s: %s", c.config, m.MountPath, d)
	}
	if d := cmp.Diff(c.warnings, warnings); d != "" {
		t.Error(d)
	}
}

func TestMethods(t *testing.T) {
	s := time.Second
	for _, c := range []methodCase{
		{"approle", `role_id_file_path = "/r"`, &AppRole{RoleIDFilePath: "/r", RemoveSecretIDFileAfterRead: true}, func(m Method) any { return m.AppRole }, nil},
		{
			"approle", "role_id_file_path = \"/r\"\nsecret_id_file_path = \"\"\nremove_secret_id_file_after_reading = \"maybe\"",
			&AppRole{RoleIDFilePath: "/r", RemoveSecretIDFileAfterRead: true}, func(m Method) any { return m.AppRole },
			[]string{"No effect"},
		},
		{"token_file", `token_file_path = "/t"`, &TokenFile{"/t"}, func(m Method) any { return m.TokenFile }, nil},
		{"kubernetes", `role = "app"`, &Kubernetes{"app", podToken}, func(m Method) any { return m.Kubernetes }, nil},
		{"kubernetes", "role = \"app\"\ntoken_path = \"\"", &Kubernetes{"app", podToken}, func(m Method) any { return m.Kubernetes }, nil},
		{"kubernetes", "role = \"app\"\ntoken_path = \"/t\"", &Kubernetes{"app", "/t"}, func(m Method) any { return m.Kubernetes }, nil},
		{"jwt", "path = \"/j\"\nrole = \"app\"", &JWT{"/j", "app", true, false, s / 2}, func(m Method) any { return m.JWT }, nil},
		{
			"jwt", "path = \"/j\"\nrole = \"app\"\nremove_jwt_after_reading = 0\nremove_jwt_follows_symlinks = \"true\"",
			&JWT{"/j", "app", false, true, time.Minute}, func(m Method) any { return m.JWT }, nil,
		},
		{"jwt", "path = \"/j\"\nrole = \"app\"\njwt_read_period = \"5\"", &JWT{"/j", "app", true, false, 5 * s}, func(m Method) any { return m.JWT }, nil},
		{"cert", "", &Cert{ReloadPeriod: time.Minute}, func(m Method) any { return m.Cert }, nil},
		{
			"cert", "name = \"n\"\nca_cert = \"/ca\"\nclient_cert = \"/c\"\nclient_key = \"/k\"\nreload = true\nreload_period = \"2m\"",
			&Cert{"n", "/ca", "/c", "/k", true, 2 * time.Minute}, func(m Method) any { return m.Cert }, nil,
		},
		{"cert", "reload = true\nreload_period = 0", &Cert{Reload: true, ReloadPeriod: time.Minute}, func(m Method) any { return m.Cert }, nil},
		{"cert", "reload_period = \"x\"", &Cert{ReloadPeriod: time.Minute}, func(m Method) any { return m.Cert }, []string{"No effect"}},
		{"ldap", "username = \"u\"\npassword_file_path = \"/p\"", &LDAP{"u", "/p", true, false, s / 2}, func(m Method) any { return m.LDAP }, nil},
		{
			"ldap", "username = \"u\"\npassword_file_path = \"/p\"\nremove_password_after_reading = \"0\"\nremove_password_follows_symlinks = 1",
			&LDAP{"u", "/p", false, true, time.Minute}, func(m Method) any { return m.LDAP }, nil,
		},
		{"ldap", "username = \"u\"\npassword_file_path = \"/p\"\npassword_read_period = 3", &LDAP{"u", "/p", true, false, 3 * s}, func(m Method) any { return m.LDAP }, nil},
		{"userpass", "username = \"u\"\npassword_file_path = \"/p\"", &Userpass{"u", "/p"}, func(m Method) any { return m.Userpass }, nil},
		{
			"kerberos", "username = \"u\"\nservice = \"HTTP/v\"\nrealm = \"R\"\nkeytab_path = \"/k\"\nkrb5conf_path = \"/c\"\ndisable_fast_negotiation = \"true\"",
			&Kerberos{"u", "HTTP/v", "R", "/k", "/c", true}, func(m Method) any { return m.Kerberos }, nil,
		},
	} {
		t.Run(c.method, c.test)
	}
}

func TestCloudMethods(t *testing.T) {
	s := time.Second
	for _, c := range []methodCase{
		{"aws", "type = \"iam\"\nrole = \"app\"", &AWS{Type: "iam", Role: "app", Region: "us-east-1", CredentialPollInterval: time.Minute}, func(m Method) any { return m.AWS }, nil},
		{
			"aws", "type = \"iam\"\nrole = \"app\"\naccess_key = \"a\"\nsecret_key = \"s\"\nsession_token = \"t\"\nregion = \"eu-west-1\"\nheader_value = \"h\"\ncredential_poll_interval = 30",
			&AWS{"iam", "app", "a", "s", "t", "eu-west-1", "h", "", 30 * s}, func(m Method) any { return m.AWS }, nil,
		},
		{
			"aws", "type = \"ec2\"\nrole = \"app\"\nnonce = \"n\"\ncredential_poll_interval = \"x\"",
			&AWS{Type: "ec2", Role: "app", Nonce: "n", Region: "us-east-1", CredentialPollInterval: time.Minute}, func(m Method) any { return m.AWS },
			[]string{"No effect"},
		},
		{"azure", "role = \"app\"\nresource = \"https://v\"", &Azure{Role: "app", Resource: "https://v", Scope: "https://v/.default"}, func(m Method) any { return m.Azure }, nil},
		{
			"azure", "role = \"app\"\nresource = \"https://v\"\nobject_id = \"\"\nclient_id = \"c\"\nscope = \"x\"\nauthenticate_from_environment = 1",
			&Azure{"app", "https://v", "", "c", "x", true}, func(m Method) any { return m.Azure }, nil,
		},
		{"gcp", "type = \"gce\"\nrole = \"app\"\njwt_exp = -5", &GCP{Type: "gce", Role: "app", ServiceAccount: "default", JWTExp: -5 * time.Minute}, func(m Method) any { return m.GCP }, nil},
		{
			"gcp", "type = \"iam\"\nrole = \"app\"\nservice_account = \"a@b\"\ncredentials = \"/c\"\nproject = \"p\"\njwt_exp = \"10\"",
			&GCP{"iam", "app", "a@b", "/c", "p", 10 * time.Minute}, func(m Method) any { return m.GCP }, nil,
		},
		{"alicloud", "role = \"app\"\nregion = \"r\"", &AliCloud{Role: "app", Region: "r", CredentialPollInterval: time.Minute}, func(m Method) any { return m.AliCloud }, nil},
		{
			"alicloud", "role = \"app\"\nregion = \"r\"\naccess_key = \"a\"\naccess_secret = \"s\"\naccess_token = \"t\"\nrole_arn = \"n\"\nrole_session_name = \"m\"\n" +
				"private_key = \"k\"\npublic_key_id = \"i\"\nrole_name = \"o\"\nrole_session_expiration = 900\nsession_expiration = 1800\ncredential_poll_interval = 5",
			&AliCloud{"app", "r", "a", "s", "t", "n", "m", "k", "i", "o", 900 * s, 1800 * s, 5 * s}, func(m Method) any { return m.AliCloud }, nil,
		},
		{"cf", `role = "app"`, &CF{"app"}, func(m Method) any { return m.CF }, nil},
		{"oci", "type = \"apikey\"\nrole = \"app\"\ncredential_poll_interval = \"30s\"", &OCI{"apikey", "app", 30 * s}, func(m Method) any { return m.OCI }, nil},
		{"oci", "type = \"instance\"\nrole = \"app\"\ncredential_poll_interval = 0", &OCI{"instance", "app", time.Minute}, func(m Method) any { return m.OCI }, nil},
	} {
		t.Run(c.method, c.test)
	}
}

// TestCertNeedsNoConfig: the one method that works without its block.
func TestCertNeedsNoConfig(t *testing.T) {
	c, _ := loadText(t, `auto_auth {
  method "cert" {}
  sink "file" { config { path = "/t" } }
}`)
	if c.AutoAuth.Method.Cert == nil {
		t.Error("no cert")
	}
}

func TestSinks(t *testing.T) {
	c, warnings := loadText(t, `auto_auth {
  enable_reauth_on_new_credentials = true
  method "approle" { config { role_id_file_path = "/r" } }
  sink "file" {
    wrap_ttl    = "5m"
    dh_type     = "curve25519"
    dh_path     = "/key"
    derive_key  = true
    aad         = "beaten"
    aad_env_var = "AAD"
    config { path = "/1" mode = 04600 }
  }
  sinks {
    sink "file" {
      wrap_ttl = 60
      dh_type  = "curve25519"
      dh_path  = "/key"
      aad      = "plain"
      config { path = "/2" }
    }
    sink { type = "file" config { path = "/3" } }
  }
  sinks { type = "file" config { path = "/4" } }
}`)
	want := []Sink{
		{Path: "/1", Mode: 0o600, Owner: -1, Group: -1, WrapTTL: 5 * time.Minute, DHType: "curve25519", DHPath: "/key", DeriveKey: true, AAD: "canary-aad"},
		{Path: "/2", Mode: 0o640, Owner: -1, Group: -1, WrapTTL: time.Minute, DHType: "curve25519", DHPath: "/key", AAD: "plain"},
		{Path: "/3", Mode: 0o640, Owner: -1, Group: -1},
		{Path: "/4", Mode: 0o640, Owner: -1, Group: -1},
	}
	if d := cmp.Diff(want, c.AutoAuth.Sinks, ignoreRanges()); d != "" || !c.AutoAuth.ReauthOnNewCredential {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"Unusual permissions"}, warnings); d != "" {
		t.Error(d)
	}
}

func TestWrappedLogin(t *testing.T) {
	c, _ := loadText(t, `auto_auth {
  method "approle" {
    wrap_ttl = "10m"
    config { role_id_file_path = "/r" }
  }
  sinks { sink "file" { config { path = "/t" } } }
}`)
	if c.AutoAuth.Method.WrapTTL != 10*time.Minute || len(c.AutoAuth.Sinks) != 1 {
		t.Errorf("%+v", c.AutoAuth)
	}
}

func TestBackoff(t *testing.T) {
	for src, want := range map[string][2]time.Duration{
		"":                                     {time.Second, 5 * time.Minute},
		`min_backoff = 3`:                      {3 * time.Second, 5 * time.Minute},
		`min_backoff = "-5s"`:                  {time.Second, 5 * time.Minute},
		`max_backoff = -5`:                     {time.Second, 5 * time.Minute},
		`min_backoff = "5m" max_backoff = 300`: {5 * time.Minute, 5 * time.Minute},
	} {
		src = strings.Replace(src, `" m`, "\"\nm", 1)
		c, _ := loadText(t, "auto_auth {\n method \"approle\" {\n"+src+"\nconfig { role_id_file_path = \"/r\" }\n}\nsink \"file\" { config { path = \"/t\" } }\n}")
		if m := c.AutoAuth.Method; m.MinBackoff != want[0] || m.MaxBackoff != want[1] {
			t.Errorf("%s: %s, %s", src, m.MinBackoff, m.MaxBackoff)
		}
	}
}

func TestTemplateKeys(t *testing.T) {
	s := time.Second
	for src, want := range map[string]Template{
		`wait = "2s:10s"`: {Wait: &Wait{2 * s, 10 * s}}, `wait = "2s"`: {Wait: &Wait{2 * s, 8 * s}}, `wait = "0s"`: {},
		`wait { min = "2s" }`:                                   {Wait: &Wait{2 * s, 8 * s}},
		"wait { min = \"2s\"\n max = \"3s\" }":                  {Wait: &Wait{2 * s, 3 * s}},
		"wait = { min = \"2s\"\n max = \"3s\" }":                {Wait: &Wait{2 * s, 3 * s}},
		"wait { min = \"9s\"\n max = \"3s\" }":                  {Wait: &Wait{3 * s, 3 * s}},
		"wait { min = 2 }":                                      {Wait: &Wait{2, 8}},
		"wait { max = \"3s\" }":                                 {},
		"wait { min = \"2s\"\n bool = true }":                   {Wait: &Wait{2 * s, 8 * s}},
		"wait { min = \"2s\"\n bool = false }":                  {},
		"wait { min = \"1s\" }\nwait { min = \"2s\" }":          {Wait: &Wait{2 * s, 8 * s}},
		`backup = true`:                                         {Backup: true},
		`sandbox_path = "/s"`:                                   {SandboxPath: "/s"},
		`function_denylist = ["env", "sprig_*"]`:                {FunctionDenylist: []string{"env", "sprig_*"}},
		`function_denylist = "env,file"`:                        {FunctionDenylist: []string{"env", "file"}},
		`function_blacklist = ["a"]`:                            {FunctionDenylist: []string{"a"}},
		"function_denylist=[\"a\"]\nfunction_blacklist=[\"b\"]": {FunctionDenylist: []string{"a", "b"}},
		`perms = "4755"`:                                        {Perms: 0o755},
		`perms = "0000"`:                                        {},
		`perms = 600`:                                           {Perms: 0o130},
		`exec {}`:                                               {},
	} {
		c, _ := loadText(t, inMethod("cert", "")+"template {\n contents = \"x\"\n destination = \"/run/x\"\n"+src+"\n}")
		want.Name, want.Contents, want.Destination = "/run/x", "x", "/run/x"
		want.CreateDestDirs, want.ErrorFatal, want.Tmpfs = true, true, TmpfsWarn
		if d := cmp.Diff(want, c.Templates[0], ignoreRanges()); d != "" {
			t.Errorf("%s: %s", src, d)
		}
	}
}

// TestSameDestination: the last one counts, and strict refuses it.
func TestSameDestination(t *testing.T) {
	src := inMethod("cert", "") + `
template {
  contents    = "a"
  destination = "/run/x"
}
template {
  contents    = "b"
  destination = "/run/y"
}
template {
  contents    = "c"
  destination = "/run/./x"
}`
	c, warnings := loadText(t, src)
	if len(c.Templates) != 2 || c.Templates[1].Contents != "c" || len(warnings) != 1 {
		t.Errorf("%q %+v", warnings, c.Templates)
	}
	if _, diags := build([]input{{"x.hcl", []byte(src)}}, settings{strict: true, getenv: os.Getenv}); !diags.HasErrors() {
		t.Error("strict lets it pass")
	}
}

func TestTopLevelKeys(t *testing.T) {
	c, warnings := loadText(t, inMethod("cert", "")+`
log_file                 = "/var/log/renderer/"
log_rotate_duration      = "12h"
log_rotate_bytes         = "10000000000"
log_rotate_max_files     = -1
cluster_name             = 5
disable_idle_connections = ["auto-auth", ""]
disable_keep_alives      = ["caching", "templating"]
disable_mlock            = "true"
cache {}
template {
  contents    = "x"
  destination = "/run/x"
}`)
	switch {
	case c.Log != LogFile{"/var/log/renderer/", 12 * time.Hour, 10000000000, -1}:
		t.Errorf("%+v", c.Log)
	case c.ClusterName != "5", c.DisableIdleConns != Traffic{AutoAuth: true}, c.DisableKeepAlives != Traffic{Proxying: true, Templating: true}:
		t.Errorf("%+v %+v", c.DisableIdleConns, c.DisableKeepAlives)
	case c.Cache == nil, c.APIProxy != nil, len(warnings) != 0:
		t.Errorf("%v %v %v", c.Cache, c.APIProxy, warnings)
	}
}

// TestOddNumbers: Vault Agent starts with these, and so they must not be errors.
func TestOddNumbers(t *testing.T) {
	c, warnings := loadText(t, inMethod("cert", "")+`
vault { retry { num_retries = -5 } }
template_config {
  static_secret_render_interval = "-5s"
  max_connections_per_host      = -1
  lease_renewal_threshold       = 1.5
}`)
	if c.TemplateConfig != engine() || c.Vault.NumRetries != 0 || len(warnings) != 4 {
		t.Errorf("%+v %+v %q", c.TemplateConfig, c.Vault, warnings)
	}
}

func TestListeners(t *testing.T) {
	c, warnings := loadText(t, inMethod("cert", "")+`
listener "TCP" {
  role        = "metrics_only"
  tls_disable = 1
  agent_api { enable_quit = true }
}
listener "tcp" {
  type                   = "unix"
  address                = "/run/m.sock"
  role                   = "metrics_only"
  require_request_header = "true"
  tls_disable            = "true"
  socket_mode            = 660
  socket_user            = "root"
  socket_group           = 0
}
listener {
  type                               = "tcp"
  address                            = "{{ \"127.0.0.1\" }}:8300"
  role                               = "metrics_only"
  tls_cert_file                      = "testdata/good/config.tmpl"
  tls_key_file                       = "testdata/good/config.tmpl"
  tls_min_version                    = "tls13"
  tls_cipher_suites                  = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
  tls_require_and_verify_client_cert = true
  tls_client_ca_file                 = "testdata/good/config.tmpl"
}`)
	tmpl := "testdata/good/config.tmpl"
	want := []Listener{
		{Type: "tcp", Address: "127.0.0.1:8200", Role: "metrics_only", EnableQuit: true, TLS: ListenerTLS{Disable: true, MinVersion: "tls12", MaxVersion: "tls13"}},
		{
			Type: "unix", Address: "/run/m.sock", Role: "metrics_only", RequireRequestHeader: true, TLS: ListenerTLS{Disable: true, MinVersion: "tls12", MaxVersion: "tls13"},
			SocketMode: "660", SocketUser: "root", SocketGroup: "0",
		},
		{Type: "tcp", Address: "127.0.0.1:8300", Role: "metrics_only", TLS: ListenerTLS{
			CertFile: tmpl, KeyFile: tmpl, MinVersion: "tls13", MaxVersion: "tls13", RequireAndVerifyClientCert: true, ClientCAFile: tmpl,
			CipherSuites: []string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
		}},
	}
	if d := cmp.Diff(want, c.Listeners, ignoreRanges()); d != "" {
		t.Error(d)
	}
	if len(warnings) != 0 {
		t.Error(warnings)
	}
}

func TestTelemetry(t *testing.T) {
	c, _ := loadText(t, inMethod("cert", "")+"telemetry {}")
	want := &Telemetry{MetricsPrefix: "vault", PrometheusRetentionTime: 24 * time.Hour, FilterDefault: true}
	if d := cmp.Diff(want, c.Telemetry, ignoreRanges()); d != "" {
		t.Error(d)
	}
	c, warnings := loadText(t, inMethod("cert", "")+`
telemetry {
  statsite_address           = "a:1"
  statsd_address             = "b:2"
  dogstatsd_addr             = "c:3"
  dogstatsd_tags             = ["x:y", 5]
  disable_hostname           = true
  enable_hostname_label      = true
  metrics_prefix             = "app"
  prometheus_retention_time  = 0
  filter_default             = false
  prefix_filter              = ["+vault.agent", "-go"]
  usage_gauge_period         = "10m"
  maximum_gauge_cardinality  = "5"
  circonus_broker_id         = "b"
}`)
	want = &Telemetry{
		MetricsPrefix: "app", DisableHostname: true, EnableHostnameLabel: true,
		StatsiteAddress: "a:1", StatsdAddress: "b:2", DogStatsDAddress: "c:3", DogStatsDTags: []string{"x:y", "5"},
		AllowedPrefixes: []string{"vault.agent"}, BlockedPrefixes: []string{"go"},
	}
	if d := cmp.Diff(want, c.Telemetry, ignoreRanges()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"No effect"}, warnings); d != "" {
		t.Error(d)
	}
}

// TestLaterStanzas: what is refused in the end is read in full before.
func TestLaterStanzas(t *testing.T) {
	c, diags := build([]input{{"x.hcl", []byte(inMethod("cert", "") + `
env_template "A" {
  contents             = "x"
  error_on_missing_key = true
  error_fatal          = false
  left_delimiter       = "[["
  right_delimiter      = "]]"
  function_denylist    = ["env"]
}
exec {
  command                   = ["app", "-v"]
  restart_on_secret_changes = "never"
  restart_stop_signal       = "sigint"
  child_process_stdout      = "/out"
  child_process_stderr      = "/err"
}
cache {
  use_auto_auth_token = "Force"
  when_inconsistent   = "retry"
  persist "kubernetes" {
    path              = "/cache"
    keep_after_import = true
    exit_on_err       = true
  }
}
listener "unix" {
  address     = "/run/v.sock"
  tls_disable = true
}`)}}, settings{getenv: os.Getenv})
	if len(diags) != 3 || len(diags.Errs()) != 3 {
		t.Error(text(t, c.Files, diags))
	}
	for _, d := range diags {
		if d.Summary != "Not supported in this version" {
			t.Error(d)
		}
	}
	got := Config{EnvTemplates: c.EnvTemplates, Exec: c.Exec, Cache: c.Cache, APIProxy: c.APIProxy}
	want := Config{
		EnvTemplates: []EnvTemplate{{
			Variable: "A", Contents: "x", ErrorOnMissingKey: true, LeftDelimiter: "[[", RightDelimiter: "]]", FunctionDenylist: []string{"env"},
		}},
		Exec: &Supervise{Command: []string{"app", "-v"}, RestartOnSecretChanges: RestartNever, StopSignal: "SIGINT", Stdout: "/out", Stderr: "/err", KillTimeout: 30 * time.Second, Stdin: true, MaxRestarts: 5},
		Cache: &Cache{Persist: &Persist{
			Type: "kubernetes", Path: "/cache", KeepAfterImport: true, ExitOnErr: true, ServiceAccountTokenFile: podToken,
		}},
		APIProxy: &APIProxy{UseAutoAuthToken: true, ForceAutoAuthToken: true, EnforceConsistency: "never", WhenInconsistent: "retry"},
	}
	if d := cmp.Diff(want, got, ignoreRanges()); d != "" {
		t.Error(d)
	}
}

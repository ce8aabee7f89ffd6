package config

// Schema is the table of every key: it drives reading, the "did you mean"
// proposals, and a reference for people. Every call returns a fresh copy.
func Schema() *Section {
	return &Section{Name: "configuration", Keys: []Key{
		{Name: "pid_file", Kind: String, Doc: "File that receives the process id; removed at the end."},
		{Name: "exit_after_auth", Kind: Bool, Default: "false", Doc: "Stop with success once sinks and templates are written."},
		{Name: "log_level", Kind: String, Default: `"info"`, Enum: []string{"trace", "debug", "info", "notice", "warn", "warning", "error", "err"}, Doc: "How much is logged."},
		{Name: "log_format", Kind: String, Default: `"standard"`, Enum: []string{"standard", "json"}, Doc: "Shape of a log line."},
		{Name: "log_file", Kind: String, Doc: `Receives a copy of the log; a path that ends in "/" is a directory for vault.log.`},
		{Name: "log_rotate_duration", Kind: Duration, Default: `"24h"`, NegUnset: true, Doc: "Age at which the log file is rotated."},
		{Name: "log_rotate_bytes", Kind: Size, Default: "0", Doc: "Size at which the log file is rotated; 0 is no limit."},
		{Name: "log_rotate_max_files", Kind: Int, Default: "0", Doc: "Rotated files to keep: 0 means all, a negative number none."},
		{Name: "cluster_name", Kind: String, Doc: "Label of metrics."},
		{Name: "disable_idle_connections", Kind: Strings, Words: trafficKinds(), Doc: "For whom connections are not kept open."},
		{Name: "disable_keep_alives", Kind: Strings, Words: trafficKinds(), Doc: "For whom every request has a connection of its own."},
		{Name: "strict", Kind: Bool, Default: "false", Own: true, Doc: "Turns every safe default on: unknown keys are errors, missing keys fail a template, files are private, destinations must be on tmpfs."},
		{Name: "tmpfs", Kind: String, Default: `"warn"`, Enum: tmpfsValues(), Own: true, Doc: `What to do about a destination that is not in memory ("require" when strict).`},
		{Name: "vault", Kind: Block, Section: vaultSection(), Doc: "How the Vault server is reached."},
		{Name: "auto_auth", Kind: Block, Section: autoAuthSection(), Doc: "How to log in, and where to write the token."},
		{Name: "template", Kind: Block, Section: templateSection(), Doc: "One file to render."},
		{Name: "template_config", Kind: Block, Section: templateConfigSection(), Doc: "Settings for all templates."},
		{Name: "rollout", Kind: Block, Section: rolloutSection(), Own: true, Doc: "How the files of the templates that name it change together; the label is its name."},
		{Name: "lease", Kind: Block, Section: leaseSection(), Own: true, Doc: "How long credentials overlap, and when they are revoked."},
		{Name: "state_file", Kind: String, Own: true, Doc: "What a restart goes on from: token, leases and generations; on a tmpfs."},
		{Name: "on_exit", Kind: String, Default: `"keep"`, Enum: []string{"keep", "revoke"}, Own: true, Doc: `"revoke": at the end the leases and the token are revoked, and the files removed.`},
		{Name: "on_exit_timeout", Kind: Duration, Default: `"10s"`, Own: true, Doc: "Longest time for that."},
		{Name: "status", Kind: Block, Section: statusSection(), Own: true, Doc: "Where the program says how it is, and is told to look again."},

		{Name: "env_template", Kind: Block, Section: envTemplateSection(), Doc: "One variable of the child process; the label is its name."},
		{Name: "exec", Kind: Block, Section: superviseSection(), Doc: "The program to run with these variables and files, as its supervisor; or a command behind -- on the command line."},
		{Name: "cache", Kind: Block, Section: cacheSection(), Doc: "Templates share what they read without it; an empty block does nothing."},
		{Name: "api_proxy", Kind: Block, Section: apiProxySection(), Doc: "How the proxy uses the token. " + unsupportedNow},
		{Name: "listener", Kind: Block, Section: listenerSection(), Doc: `Where metrics are served: role = "metrics_only". Other roles are refused.`},
		{Name: "telemetry", Kind: Block, Section: telemetrySection(), Doc: "Where metrics are sent."},
		{Name: "templates", Kind: Block, Support: Missing, Doc: `Write one "template" block for each file.`},
		{Name: "disable_mlock", Kind: Any, Support: Silent},
		{Name: "default_max_request_duration", Kind: Any, Support: NoEffect, Doc: "It belongs to a Vault server's configuration."},
		{Name: "administrative_namespace_path", Kind: Any, Support: NoEffect, Doc: "It belongs to a Vault server's configuration."},
		{Name: "seal", Kind: Any, Support: NoEffect, Doc: "It belongs to a Vault server's configuration."},
		{Name: "hsm", Kind: Any, Support: NoEffect, Doc: "It belongs to a Vault server's configuration."},
		{Name: "kms", Kind: Any, Support: NoEffect, Doc: "It belongs to a Vault server's configuration."},
		{Name: "entropy", Kind: Any, Support: NoEffect, Doc: "It belongs to a Vault server's configuration."},
		{Name: "user_lockout", Kind: Any, Support: NoEffect, Doc: "It belongs to a Vault server's configuration."},
		{Name: "cloud", Kind: Any, Support: NoEffect, Doc: "It belongs to a Vault server's configuration."},
	}}
}

func vaultSection() *Section {
	retry := &Section{Name: "retry", Max: 1, Keys: []Key{
		{Name: "num_retries", Kind: Int, Default: "12", Doc: "Tries after the first one; 0 means 12, -1 none."},
	}}
	return &Section{Name: "vault", Max: 1, Keys: []Key{
		{Name: "address", Kind: String, Default: `"https://127.0.0.1:8200"`, Doc: "URL of the server; unix:// is a socket."},
		{Name: "ca_cert", Kind: String, Doc: "File of CA certificates."},
		{Name: "ca_path", Kind: String, Doc: "Directory of CA certificates."},
		{Name: "client_cert", Kind: String, Doc: "Certificate to show to the server."},
		{Name: "client_key", Kind: String, Doc: "Its private key."},
		{Name: "tls_skip_verify", Kind: WeakBool, Default: "false", Doc: "Do not check the server's certificate."},
		{Name: "tls_server_name", Kind: String, Doc: "Name that the server's certificate must bear."},
		{Name: "namespace", Kind: String, Doc: "Vault Enterprise namespace."},
		{Name: "retry", Kind: Block, Section: retry, Doc: "How often a failed request is repeated."},
	}}
}

func templateConfigSection() *Section {
	return &Section{Name: "template_config", Max: 1, Keys: []Key{
		{Name: "exit_on_retry_failure", Kind: Bool, Default: "false", Doc: "End when a template still fails after all retries."},
		{Name: "static_secret_render_interval", Kind: Duration, Default: `"5m"`, NegUnset: true, Doc: "How often secrets without a lease are read again."},
		{Name: "max_connections_per_host", Kind: Int, Default: "10", Doc: "Connections to the server at one time."},
		{Name: "lease_renewal_threshold", Kind: Float, Default: "0.90", Doc: "Part of a lease to wait before it is replaced."},
		{Name: "max_output", Kind: Size, Default: "67108864", Own: true, Doc: "Longest output of a template."},
		{Name: "max_duration", Kind: Duration, Default: `"30s"`, Own: true, Doc: "Longest execution of a template."},
		{Name: "max_depth", Kind: Int, Default: "10000", Own: true, Doc: "How deep templates may call each other."},
	}}
}

func tmpfsValues() []string {
	return []string{string(TmpfsWarn), string(TmpfsRequire), string(TmpfsOff)}
}

// trafficKinds are the words of disable_idle_connections and disable_keep_alives.
func trafficKinds() []string { return []string{"auto-auth", "caching", "proxying", "templating"} }

// unsupportedNow ends the words on a block that is read and then refused.
const unsupportedNow = "Checked, then refused: this version has no such function."

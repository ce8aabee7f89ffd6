package config

// Schema is the table of every key: it drives reading, the "did you mean"
// proposals, and a reference for people. Every call returns a fresh copy.
func Schema() *Section {
	return &Section{Name: "configuration", Keys: []Key{
		{Name: "pid_file", Kind: String, Doc: "File that receives the process id; removed at the end."},
		{Name: "exit_after_auth", Kind: Bool, Default: "false", Doc: "Stop with success once sinks and templates are written."},
		{Name: "log_level", Kind: String, Default: `"info"`, Enum: []string{"trace", "debug", "info", "notice", "warn", "warning", "error", "err"}, Doc: "How much is logged."},
		{Name: "log_format", Kind: String, Default: `"standard"`, Enum: []string{"standard", "json"}, Doc: "Shape of a log line."},
		{Name: "strict", Kind: Bool, Default: "false", Own: true, Doc: "Turns every safe default on: unknown keys are errors, missing keys fail a template, files are private, destinations must be on tmpfs."},
		{Name: "tmpfs", Kind: String, Default: `"warn"`, Enum: tmpfsValues(), Own: true, Doc: `What to do about a destination that is not in memory ("require" when strict).`},
		{Name: "vault", Kind: Block, Section: vaultSection(), Doc: "How the Vault server is reached."},
		{Name: "auto_auth", Kind: Block, Section: autoAuthSection(), Doc: "How to log in, and where to write the token."},
		{Name: "template", Kind: Block, Section: templateSection(), Doc: "One file to render."},
		{Name: "template_config", Kind: Block, Section: templateConfigSection(), Doc: "Settings for all templates."},

		{Name: "cache", Kind: Block, Support: Missing, EmptyOK: true, Doc: "Templates share what they read without it; remove the block."},
		{Name: "api_proxy", Kind: Block, Support: Missing, Doc: "There is no proxy; let the application read a rendered file or the token sink."},
		{Name: "listener", Kind: Block, Support: Missing, Doc: "There is no proxy listener; let the application read a rendered file or the token sink."},
		{Name: "telemetry", Kind: Block, Support: Missing, Doc: "Remove the block."},
		{Name: "env_template", Kind: Block, Support: Missing, Section: &Section{Label: "variable"}, Doc: "Render a file of variables with a template block instead."},
		{Name: "exec", Kind: Block, Support: Missing, Doc: "Start the program by itself; a template's own exec block runs a command after its file changed."},
		{Name: "templates", Kind: Block, Support: Missing, Doc: `Write one "template" block for each file.`},
		{Name: "log_file", Kind: String, Support: Missing, Doc: "Logs go to standard error; redirect them."},
		{Name: "log_rotate_duration", Kind: Any, Support: Silent},
		{Name: "log_rotate_bytes", Kind: Any, Support: Silent},
		{Name: "log_rotate_max_files", Kind: Any, Support: Silent},
		{Name: "disable_idle_connections", Kind: Any, Support: Missing, Doc: "Remove the key."},
		{Name: "disable_keep_alives", Kind: Any, Support: Missing, Doc: "Remove the key."},
		{Name: "disable_mlock", Kind: Any, Support: Silent},
		{Name: "cluster_name", Kind: Any, Support: Silent},
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

func autoAuthSection() *Section {
	sinks := &Section{Name: "sinks", Keys: []Key{
		{Name: "sink", Kind: Block, Section: sinkSection(), Doc: "As auto_auth.sink."},
	}}
	return &Section{Name: "auto_auth", Max: 1, Keys: []Key{
		{Name: "method", Kind: Block, Section: methodSection(), Doc: "How to log in; exactly one."},
		{Name: "sink", Kind: Block, Section: sinkSection(), Doc: "A file that receives the token."},
		{Name: "sinks", Kind: Block, Section: sinks, Doc: "Holds sink blocks; the same as writing them without it."},
		{Name: "enable_reauth_on_new_credentials", Kind: Bool, Support: Missing, Doc: "Remove the key, or set it to false."},
	}}
}

func methodSection() *Section {
	config := &Section{Name: "config", Map: true, Keys: []Key{
		{Name: "role_id_file_path", Kind: QuotedString, Doc: "File that holds the RoleID; required."},
		{Name: "secret_id_file_path", Kind: QuotedString, Doc: "File that holds the SecretID; without it the RoleID alone logs in."},
		{Name: "remove_secret_id_file_after_reading", Kind: WeakBool, Default: "true", Doc: "Delete that file once it is read."},
		{Name: "secret_id_response_wrapping_path", Kind: QuotedString, Doc: "The file holds a wrapping token that was made at this path."},
	}}
	return &Section{Name: "method", Label: "type", Keys: []Key{
		{Name: "type", Kind: String, Doc: `Which method; the label says the same. This version has "approle".`},
		{Name: "mount_path", Kind: String, Default: `"auth/<type>"`, Doc: "Where the method is mounted."},
		{Name: "namespace", Kind: String, Doc: "Namespace to log in to."},
		{Name: "min_backoff", Kind: Duration, Default: `"1s"`, Doc: "Shortest wait after a failed login."},
		{Name: "max_backoff", Kind: Duration, Default: `"5m"`, Doc: "Longest wait after failed logins."},
		{Name: "exit_on_err", Kind: Bool, Default: "false", Doc: "End at the first failed login."},
		{Name: "config", Kind: Block, Section: config, Doc: "Settings of the method."},
		{Name: "wrap_ttl", Kind: Any, Support: Missing, Doc: "Remove the key, or set it to 0."},
	}}
}

func sinkSection() *Section {
	config := &Section{Name: "config", Map: true, Keys: []Key{
		{Name: "path", Kind: QuotedString, Doc: "The file; required."},
		{Name: "mode", Kind: Mode, Default: "0640", Doc: "Its permissions (0600 when strict)."},
		{Name: "owner", Kind: StrictInt, Doc: "Numeric user id of its owner."},
		{Name: "group", Kind: StrictInt, Doc: "Numeric id of its group."},
	}}
	encryption := "Encrypted sinks are missing; protect the file by its mode and owner."
	return &Section{Name: "sink", Label: "type", Keys: []Key{
		{Name: "type", Kind: String, Doc: `"file"; the label says the same.`},
		{Name: "config", Kind: Block, Section: config, Doc: "Settings of the sink."},
		{Name: "wrap_ttl", Kind: Any, Support: Missing, Doc: "Remove the key, or set it to 0."},
		{Name: "dh_type", Kind: Any, Support: Missing, Doc: encryption},
		{Name: "dh_path", Kind: Any, Support: Missing, Doc: encryption},
		{Name: "derive_key", Kind: Any, Support: Missing, Doc: encryption},
		{Name: "aad", Kind: Any, Support: Missing, Doc: encryption},
		{Name: "aad_env_var", Kind: Any, Support: Missing, Doc: encryption},
	}}
}

func templateConfigSection() *Section {
	return &Section{Name: "template_config", Max: 1, Keys: []Key{
		{Name: "exit_on_retry_failure", Kind: Bool, Default: "false", Doc: "End when a template still fails after all retries."},
		{Name: "static_secret_render_interval", Kind: Duration, Default: `"5m"`, Doc: "How often secrets without a lease are read again."},
		{Name: "max_connections_per_host", Kind: Int, Default: "10", Doc: "Connections to the server at one time."},
		{Name: "lease_renewal_threshold", Kind: Float, Default: "0.90", Doc: "Part of a lease to wait before it is replaced."},
	}}
}

func templateSection() *Section {
	return &Section{Name: "template", Label: "name", Strict: true, Keys: []Key{
		{Name: "source", Kind: QuotedString, Doc: "File with the template; either this or contents."},
		{Name: "contents", Kind: QuotedString, Doc: "The template itself."},
		{Name: "destination", Kind: QuotedString, Doc: "The file to write; required."},
		{Name: "create_dest_dirs", Kind: Bool, Default: "true", Doc: "Make missing directories above it."},
		{Name: "error_on_missing_key", Kind: Bool, Default: "false", Doc: "A key that the secret lacks is an error (true when strict)."},
		{Name: "error_fatal", Kind: Bool, Default: "true", Doc: "Accepted; a template that fails never ends the program or stops the others."},
		{Name: "perms", Kind: Perms, Default: `"0644"`, Doc: "Permissions of the file; those of the file that is there, if not set (0600 when strict)."},
		{Name: "user", Kind: QuotedString, Doc: "Owner of the file: name or number, in quotes."},
		{Name: "group", Kind: QuotedString, Doc: "Group of the file: name or number, in quotes."},
		{Name: "uid", Kind: StrictInt, Doc: "Older form of user."},
		{Name: "gid", Kind: StrictInt, Doc: "Older form of group."},
		{Name: "left_delimiter", Kind: QuotedString, Default: `"{{"`, Doc: "What opens an action."},
		{Name: "right_delimiter", Kind: QuotedString, Default: `"}}"`, Doc: "What closes an action."},
		{Name: "command", Kind: Command, Doc: "Older form of exec.command."},
		{Name: "command_timeout", Kind: GoDuration, Default: `"30s"`, Doc: "Older form of exec.timeout."},
		{Name: "exec", Kind: Block, Section: templateExecSection(), Doc: "Command to run after the file changed."},
		{Name: "reload", Kind: Block, Section: reloadSection(), Own: true, Doc: "Signal to send after the file changed."},
		{Name: "tmpfs", Kind: QuotedString, Enum: tmpfsValues(), Own: true, Doc: "As tmpfs at top level, for this file."},
		{Name: "allow_empty", Kind: Bool, Default: "false", Own: true, Doc: "An empty result is no error."},

		{Name: "backup", Kind: Bool, Support: Missing, Doc: "Remove the key, or set it to false: a copy would keep old secrets."},
		{Name: "wait", Kind: Any, Support: Missing, Doc: "Remove it: the file is written as soon as all its secrets are there."},
		{Name: "sandbox_path", Kind: Any, Support: Missing, Doc: "Remove the key."},
		{Name: "function_denylist", Kind: Any, Support: Missing, Doc: "Remove the key, or leave the list empty."},
		{Name: "function_blacklist", Kind: Any, Support: Missing, Doc: "Remove the key, or leave the list empty."},
	}}
}

func templateExecSection() *Section {
	oneShot := "It does nothing for a command that runs once, in Vault Agent as well; remove the key."
	return &Section{Name: "exec", Strict: true, LastOne: true, Keys: []Key{
		{Name: "command", Kind: Command, Doc: "The command: a list; one string is split at commas."},
		{Name: "timeout", Kind: GoDuration, Default: `"30s"`, Doc: "Longest run time; 0s does not wait for the end."},
		{Name: "enabled", Kind: Bool, Support: NoEffect, Doc: oneShot},
		{Name: "kill_timeout", Kind: Any, Support: NoEffect, Doc: oneShot},
		{Name: "splay", Kind: Any, Support: NoEffect, Doc: oneShot},
		{Name: "kill_signal", Kind: Any, Support: Missing, Doc: "Remove the key; a command that exceeds its timeout is killed."},
		{Name: "reload_signal", Kind: Any, Support: Missing, Doc: "A reload block sends a signal after the file changed."},
		{Name: "env", Kind: Any, Support: Missing, Doc: "Set variables in the command itself, for example with env(1)."},
	}}
}

func reloadSection() *Section {
	return &Section{Name: "reload", Strict: true, Max: 1, Keys: []Key{
		{Name: "pid_file", Kind: QuotedString, Own: true, Doc: "File that holds the id of the process; required."},
		{Name: "signal", Kind: SignalName, Default: `"SIGHUP"`, Own: true, Doc: "The signal to send."},
	}}
}

func tmpfsValues() []string {
	return []string{string(TmpfsWarn), string(TmpfsRequire), string(TmpfsOff)}
}

// otherMethods are the methods of Vault Agent that this version lacks.
func otherMethods() []string {
	return []string{
		"token_file", "kubernetes", "jwt", "cert", "ldap", "kerberos", "aws", "azure", "gcp", "alicloud", "cf", "oci",
	}
}
